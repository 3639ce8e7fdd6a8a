import { expect, test } from 'vitest';
import { lessorClockStepMsMax } from '../../src/base/limits.ts';
import { LessorClock } from '../../src/primary/clock.ts';

test('the first reading sets the base; fractions are kept', () => {
  const clock = new LessorClock();
  expect(clock.advance(987_654.25)).toBe(0);
  expect(clock.advance(987_654.75)).toBe(0.5);
  expect(clock.advance(987_755)).toBe(100.75);
  expect(clock.nowMs).toBe(100.75);
  expect(clock.stalledMs).toBe(0);
});

test('L12: a stall counts for one step, is never caught up, and is measured (M32)', () => {
  const clock = new LessorClock();
  clock.advance(0);
  clock.advance(60_000);
  expect(clock.nowMs).toBe(lessorClockStepMsMax);
  expect(clock.stalledMs).toBe(60_000 - lessorClockStepMsMax);
  clock.advance(60_010);
  expect(clock.nowMs).toBe(lessorClockStepMsMax + 10);
});

test('a clock that goes back adds nothing, then or later', () => {
  const clock = new LessorClock();
  clock.advance(1_000);
  clock.advance(400);
  expect(clock.nowMs).toBe(0);
  clock.advance(410);
  expect(clock.nowMs).toBe(10);
});
