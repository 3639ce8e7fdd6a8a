/** What users write and what the wire takes. */
import { expect, test } from 'vitest';
import { elapsedMs } from '../../src/client/clock.ts';
import {
  count64,
  durationMs,
  isWithin,
  json,
  type KeyRange,
  leaseId,
  ttlSeconds,
  wireKey,
  wireRange,
} from '../../src/client/values.ts';
import { headerOf } from '../../src/client/wire/codec.ts';

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));
const none = bytes('');

test('durations', () => {
  expect(['500ms', '10s', '1.5m', '2h', '1d', 7].map((each) => durationMs(each, 'ttl'))).toEqual([
    500, 10_000, 90_000, 7_200_000, 86_400_000, 7,
  ]);
  for (const wrong of ['10', '10 s', '-1s', '', 's', Number.NaN, -1, Number.POSITIVE_INFINITY])
    expect(() => durationMs(wrong, 'ttl')).toThrow(/^ttl .* is no duration/);
  expect(['1ms', '1s', '1001ms'].map(ttlSeconds)).toEqual([1n, 1n, 2n]);
  expect(() => ttlSeconds(0)).toThrow(/not positive/);
});

test('lease ids', () => {
  expect([leaseId(7n), leaseId('0xff'), leaseId('255'), leaseId('-1')]).toEqual([7n, 255n, 255n, -1n]);
  for (const wrong of ['ff', '', '1.5', '0x', 2n ** 63n, `0x${'f'.repeat(16)}`]) expect(() => leaseId(wrong)).toThrow();
  expect(() => leaseId(5 as unknown as bigint)).toThrow(/exceed 2\^53/);
});

test('ranges: one key, prefixes up to the next, from and to, under a namespace too', () => {
  const spaced = bytes('n/');
  expect(wireRange('a', none)).toEqual({ key: bytes('a'), rangeEnd: none });
  expect(wireRange({ prefix: 'a' }, none)).toEqual({ key: bytes('a'), rangeEnd: bytes('b') });
  expect(wireRange({ prefix: bytes('a\xff') }, none)).toEqual({ key: bytes('a\xff'), rangeEnd: bytes('b') });
  expect(wireRange({ prefix: bytes('\xff') }, none)).toEqual({ key: bytes('\xff'), rangeEnd: bytes('\0') });
  expect(wireRange({ prefix: '' }, none)).toEqual({ key: bytes('\0'), rangeEnd: bytes('\0') });
  expect(wireRange({ all: true }, spaced)).toEqual({ key: bytes('n/'), rangeEnd: bytes('n0') });
  expect(wireRange({ from: 'a' }, spaced)).toEqual({ key: bytes('n/a'), rangeEnd: bytes('n0') });
  expect(wireRange({ from: 'a', to: 'c' }, spaced)).toEqual({ key: bytes('n/a'), rangeEnd: bytes('n/c') });
  expect(wireRange({ from: '' }, none)).toEqual({ key: bytes('\0'), rangeEnd: bytes('\0') });
  expect(wireKey('k', spaced)).toEqual(bytes('n/k'));
  expect(() => wireRange('', none)).toThrow(/empty key/);
});

test('ranges that the wire would take for others than were meant are refused', () => {
  // An empty end is the one key on the wire, and a zero byte is all keys from there on: of a delete too.
  for (const to of ['', '\0', new Uint8Array(1)]) expect(() => wireRange({ from: 'a', to }, none)).toThrow(/no key is/);
  expect(() => wireRange({ from: 'a', to: '' }, bytes('n/'))).toThrow(/no key is before/);
  const wrong: readonly unknown[] = [
    { prefix: 'a/', from: 'a/m' },
    { prefix: 'a/', to: 'a/m' },
    { all: true, prefix: 'a/' },
    { all: false },
    {},
    7,
    null,
  ];
  for (const range of wrong)
    expect(() => wireRange(range as KeyRange, none)).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
});

test('what belongs to a namespace', () => {
  expect(['n/', 'n/a', 'n', 'm/a', ''].map((key) => isWithin(bytes(key), bytes('n/')))).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
  expect(isWithin(bytes('a'), none)).toBe(true);
});

test('revisions and limits are bigints that fit; others would go round on the wire', () => {
  expect(count64(2n ** 63n - 1n, 'from')).toBe(2n ** 63n - 1n);
  for (const wrong of [-1n, 2n ** 63n, 5, 1.5, '5'])
    expect(() => count64(wrong as bigint, 'from')).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
});

test('an answer without a header has one of zeros; JSON goes there and back', () => {
  expect(headerOf({}).revision).toBe(0n);
  const codec = json<{ a: number }>();
  expect(codec.decode(bytes(codec.encode({ a: 1 }) as string))).toEqual({ a: 1 });
});

test('time elapsed is the larger of what both clocks say: a wall clock ahead counts, one set back does not', () => {
  const at = (monotonicMs: number, wallMs: number) => ({
    monotonicMs: () => monotonicMs,
    wallMs: () => wallMs,
    after: () => ({ cancel: () => {} }),
    random: () => 0,
  });
  const then = { monotonicMs: 1_000, wallMs: 50_000 };
  expect(elapsedMs(at(1_010, 50_010), then)).toBe(10);
  expect(elapsedMs(at(1_010, 90_000), then)).toBe(40_000);
  expect(elapsedMs(at(1_010, 10), then)).toBe(10);
});
