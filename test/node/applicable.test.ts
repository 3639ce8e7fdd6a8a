/** The gate for a leader's entries: what could not be applied never gets near the log. Found by `test/cluster/fuzz.test.ts`. */
import { describe, expect, test } from 'vitest';
import { decodedBytesMax } from '../../src/base/limits.ts';
import { Applicable } from '../../src/node/applicable.ts';
import { encodeCommand, packCommands } from '../../src/state/codec.ts';
import type { Entry, EntryKind } from '../../src/store/entry.ts';

const entry = (kind: EntryKind, payload: Uint8Array, index = 2): Entry => ({ index, term: 1, kind, payload });
const origin = { member: 1n, boot: 1, seq: 1 };
const revokes = (id: bigint): Uint8Array => packCommands([encodeCommand({ origin, command: { type: 'revoke', id } })]);
const whole = revokes(7n);
const passes = (...entries: Entry[]): boolean => new Applicable().all(entries);

test('entries that can be applied pass', () => {
  expect(passes(entry('commands', whole))).toBe(true);
  expect(passes(entry('commands', packCommands([])))).toBe(true);
  expect(passes(entry('empty', new Uint8Array(0)))).toBe(true);
  expect(passes()).toBe(true);
});

test('commands cut anywhere, of another format, or with anything else in them do not', () => {
  for (let length = 0; length < whole.length; length++) {
    // Cut behind the format byte, it is an entry without commands.
    expect(passes(entry('commands', whole.subarray(0, length))), `${length} bytes`).toBe(length === 1);
  }
  expect(passes(entry('commands', Buffer.concat([Buffer.of(2), whole.subarray(1)])))).toBe(false);
  expect(passes(entry('commands', Buffer.from([1, 0, 0, 0, 1, 0xc0])))).toBe(false);
  expect(passes(entry('commands', Buffer.from([1, 0xff, 0xff, 0xff, 0xff])))).toBe(false);
  expect(passes(entry('commands', whole), entry('commands', Buffer.of(2), 3))).toBe(false);
});

describe('what was read', () => {
  test('is there once, for the entry that came through', () => {
    const gate = new Applicable();
    const came = entry('commands', whole);
    gate.all([came]);
    expect(gate.take(came)).toEqual([{ origin, command: { type: 'revoke', id: 7n } }]);
    expect(gate.take(came)).toBeUndefined();
  });

  test('is not there for another entry at its index, whichever came last (D1)', () => {
    const gate = new Applicable();
    const [first, second] = [entry('commands', revokes(1n)), entry('commands', revokes(2n))];
    gate.all([first]);
    gate.all([second]);
    expect(gate.take(first)).toBeUndefined();
    gate.all([first, entry('commands', whole, 3)]);
    expect(gate.take(second)).toBeUndefined();
    expect(gate.take(entry('commands', whole, 3))).toHaveLength(1);
    expect(gate.take(entry('commands', Uint8Array.from(whole), 3))).toBeUndefined();
  });

  test('is forgotten when too much of it waits', () => {
    const gate = new Applicable();
    const value = new Uint8Array(decodedBytesMax / 4);
    const flags = { prevKv: false, ignoreValue: false, ignoreLease: false };
    const command = { type: 'put' as const, key: value.subarray(0, 1), value, lease: 0n, ...flags };
    const payload = packCommands([encodeCommand({ origin, command })]);
    const entries = [2, 3, 4, 5].map((index) => entry('commands', payload, index));
    gate.all(entries);
    expect(entries.map((each) => gate.take(each)?.length)).toEqual([undefined, undefined, undefined, 1]);
  });
});
