/** Shrinking, over a schedule whose failure is known by construction. */
import { expect, test } from 'vitest';
import { calmNoise } from './calm.ts';
import { drawSchedule } from './draw.ts';
import type { Schedule } from './schedule.ts';
import { type Failing, shrink } from './shrink.ts';

/** Fails as R1 where the first fault and a put are left, as V1 where only the put is. */
function failing(first: Schedule): (schedule: Schedule) => Failing | undefined {
  const [culprit] = first.faults;
  return ({ faults, ops }) => {
    const put = ops.find(({ op }) => op.type === 'put');
    if (put === undefined) return undefined;
    const struck = faults.some(({ atMs, kind }) => atMs === culprit?.atMs && kind === culprit.kind);
    return { invariant: struck ? 'R1' : 'V1', atMs: 30_000 };
  };
}

test('what is left is what it takes', () => {
  const schedule = drawSchedule(7n);
  const attempt = failing(schedule);
  const small = shrink(schedule, { invariant: 'R1', atMs: 30_000 }, attempt, () => false);
  expect(small.failing.invariant).toBe('R1');
  expect(small.schedule.faults).toHaveLength(1);
  expect(small.schedule.ops).toHaveLength(1);
  expect(small.schedule.members).toBeLessThanOrEqual(3);
  expect(small.schedule.noise).toEqual(calmNoise);
  expect(small.schedule.faultsMs).toBeLessThanOrEqual(30_001);
  expect(small.timedOut).toBe(false);
});

test('it stops when the time is over, with what it has', () => {
  const schedule = drawSchedule(7n);
  let tries = 0;
  const small = shrink(schedule, { invariant: 'R1', atMs: 30_000 }, failing(schedule), () => ++tries > 10);
  expect(small.timedOut).toBe(true);
  expect(small.tries).toBeLessThanOrEqual(10);
  expect(failing(schedule)(small.schedule)?.invariant).toBe('R1');
});
