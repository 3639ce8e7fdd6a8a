/** The gate for a leader's entries: what could not be applied never gets near the log. Found by `test/cluster/fuzz.test.ts`. */
import { expect, test } from 'vitest';
import { isApplicable } from '../../src/node/applicable.ts';
import { encodeCommand, packCommands } from '../../src/state/codec.ts';
import type { Entry, EntryKind } from '../../src/store/entry.ts';

const entry = (kind: EntryKind, payload: Uint8Array): Entry => ({ index: 2, term: 1, kind, payload });
const origin = { member: 1n, boot: 1, seq: 1 };
const whole = packCommands([encodeCommand({ origin, command: { type: 'revoke', id: 7n } })]);

test('entries that can be applied pass', () => {
  expect(isApplicable(entry('commands', whole))).toBe(true);
  expect(isApplicable(entry('commands', packCommands([])))).toBe(true);
  expect(isApplicable(entry('empty', new Uint8Array(0)))).toBe(true);
});

test('commands cut anywhere, of another format, or with anything else in them do not', () => {
  for (let length = 0; length < whole.length; length++) {
    // Cut behind the format byte, it is an entry without commands.
    expect(isApplicable(entry('commands', whole.subarray(0, length))), `${length} bytes`).toBe(length === 1);
  }
  expect(isApplicable(entry('commands', Buffer.concat([Buffer.of(2), whole.subarray(1)])))).toBe(false);
  expect(isApplicable(entry('commands', Buffer.from([1, 0, 0, 0, 1, 0xc0])))).toBe(false);
  expect(isApplicable(entry('commands', Buffer.from([1, 0xff, 0xff, 0xff, 0xff])))).toBe(false);
});
