/** The numbers behind renewals and deadlines. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  catchUpMs,
  deadlineGrainMs,
  firstDueMs,
  marginMs,
  nextDueMs,
  periodMs,
  renewalGrainMs,
  retryMs,
  silenceMs,
} from '../../../src/client/lease/timing.ts';

const ttlMs = fc.integer({ min: 1, max: 400 * 24 * 3_600_000 });

test('the margin: 2/500 of the TTL, and what a timer may be late', () => {
  expect([500, 1_000, 10_000, 60_000].map(marginMs)).toEqual([2 + 25, 4 + 50, 40 + 50, 240 + 50]);
  fc.assert(fc.property(ttlMs, (ttl) => marginMs(ttl) >= (ttl * 2) / 500 && marginMs(ttl) <= ttl + 1));
});

test('phases are kept, and two renewals are half a period apart at least, one and a half at most', () => {
  fc.assert(
    fc.property(ttlMs, fc.double({ min: 0, max: 5, noNaN: true }), (ttl, late) => {
      const dueMs = 1_000_000;
      const sentMs = dueMs + late * periodMs(ttl);
      const next = nextDueMs(dueMs, sentMs, ttl);
      const periods = (next - dueMs) / periodMs(ttl);
      expect(Math.abs(periods - Math.round(periods))).toBeLessThan(1e-6);
      expect((next - sentMs) / periodMs(ttl)).toBeGreaterThan(0.5 - 1e-6);
      expect((next - sentMs) / periodMs(ttl)).toBeLessThan(1.5 + 1e-6);
    }),
  );
});

test('the first renewal lies in the second half of a period', () => {
  expect(firstDueMs(100, 3_000, 0)).toBe(600);
  expect(firstDueMs(100, 3_000, 0.999)).toBeLessThan(1_100);
});

test('what was missed: at once if it is urgent, else within half a period, the nearer deadline first', () => {
  expect(catchUpMs(0, 500, 900, 3_000)).toBe(500);
  expect(catchUpMs(0, 500, 1_000, 3_000)).toBe(750);
  expect(catchUpMs(-4_000, 500, 1_000, 3_000)).toBe(750);
  expect(catchUpMs(900, 500, 2_000, 3_000)).toBe(700);
});

test('grains are powers of two, and small beside the TTL', () => {
  fc.assert(
    fc.property(ttlMs, (ttl) => {
      for (const grain of [renewalGrainMs(ttl), deadlineGrainMs(ttl)]) {
        expect(Number.isInteger(Math.log2(grain))).toBe(true);
        expect(grain).toBeLessThanOrEqual(Math.max(1, ttl / 48));
      }
    }),
  );
});

test('silence and retries leave room for several attempts within a TTL', () => {
  expect([1_000, 10_000, 60_000].map(silenceMs)).toEqual([250, 2_500, 3_000]);
  expect(retryMs(0, 60_000, 0.5)).toBe(50);
  expect(retryMs(99, 60_000, 0.5)).toBe(2_000);
  expect(retryMs(99, 1_000, 0.5)).toBe(125);
});
