import { expect, test } from 'vitest';
import { leaseTtlSecondsMax } from '../../src/base/limits.ts';
import {
  promotionDeadlineMs,
  recordedRemainingMs,
  renewalDeadlineMs,
  stretchedMs,
  timeToLiveMs,
} from '../../src/primary/deadlines.ts';

test('a TTL is stretched by a five-hundredth, rounded up, exactly (M43)', () => {
  expect([1, 499, 500, 501, 60_000].map(stretchedMs)).toEqual([2, 500, 501, 503, 60_120]);
  const largest = leaseTtlSecondsMax * 1_000;
  expect(stretchedMs(largest)).toBe(9_018_000_000_000);
  expect(stretchedMs(largest - 1)).toBe(9_017_999_999_999);
});

test('renewal and promotion', () => {
  expect(renewalDeadlineMs(10.5, 1_000)).toBe(1_012.5);
  expect(promotionDeadlineMs(100, 1_000, 0, 60_000)).toBe(61_220);
  expect(promotionDeadlineMs(100, 1_000, 500, 60_000)).toBe(1_601);
});

test('what a client is told never exceeds the granted TTL right after a renewal, and falls below zero when due', () => {
  for (const ttl of [1, 2, 333, 5_000, 60_000, 9e12])
    expect(timeToLiveMs(renewalDeadlineMs(7.25, ttl), 7.25)).toBe(ttl);
  expect(timeToLiveMs(1_000, 1_000)).toBe(0);
  expect(timeToLiveMs(1_000, 1_001)).toBe(-1);
});

test('L6: what is recorded lies in 1 … granted and is rounded up', () => {
  expect(recordedRemainingMs(1_002, 0, 60_000)).toBe(1_000);
  expect(recordedRemainingMs(1_002.1, 0, 60_000)).toBe(1_001);
  expect(recordedRemainingMs(5, 9, 60_000)).toBe(1);
  expect(recordedRemainingMs(90_000, 0, 60_000)).toBe(60_000);
});
