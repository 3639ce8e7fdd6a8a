/** Memory of what the log keeps. */
import { expect, test } from 'vitest';
import { longLivedBytes } from '../../src/base/bytes.ts';
import { packCommands } from '../../src/state/codec.ts';

test('what is kept long pins no more memory than it needs', () => {
  for (const count of [1, 100, 1_000, 5_000, 100_000]) expect(longLivedBytes(count).buffer.byteLength).toBe(count);
});

test('so is the payload of an entry', () => {
  const payload = packCommands(Array.from({ length: 100 }, () => Buffer.alloc(20)));
  expect(payload.buffer.byteLength).toBe(payload.length);
});
