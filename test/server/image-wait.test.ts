import { expect, test } from 'vitest';
import { ImageWait } from '../../src/server/image-wait.ts';

test('V4: whoever waits long for an image says so once in a wait, and whether anybody leads', () => {
  const wait = new ImageWait();
  expect(wait.note(0, true, false)).toBeUndefined();
  expect(wait.note(59_000, true, false)).toBeUndefined();
  expect(wait.note(60_000, true, false)).toMatch(/no member leads.*if every member says this, no image is left/);
  expect(wait.note(120_000, true, true)).toBeUndefined();
  // An image came; the next wait is another one.
  expect(wait.note(130_000, false, true)).toBeUndefined();
  expect(wait.note(200_000, true, true)).toBeUndefined();
  expect(wait.note(260_000, true, true)).toMatch(/none has come from the leader yet/);
});
