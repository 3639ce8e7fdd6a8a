/**
 * The whole node under random faults: every check, on seeds of every profile. `SEED=0x… SEEDS=n PROFILE=… npx vitest run
 * test/sim/node-world.test.ts` runs others; a failure names its seed.
 */
import { expect, test } from 'vitest';
import { drawSchedule } from './draw.ts';
import { profiles } from './profiles.ts';
import { runSchedule } from './run.ts';
import { decodeSchedule, encodeSchedule } from './schedule.ts';

const first = BigInt(process.env['SEED'] ?? 1);
const count = Number(process.env['SEEDS'] ?? 12);
const profile = process.env['PROFILE'] ?? 'usual';

test(`${count} seeds of ${profile} from 0x${first.toString(16)}`, { timeout: 50 * 60_000 }, () => {
  let faults = 0;
  let simulatedMs = 0;
  let calls = 0;
  let lockTurns = 0;
  let turnedAway = 0;
  for (let i = 0; i < count; i++) {
    const report = runSchedule(drawSchedule(first + BigInt(i), profile));
    if (profile === 'usual') {
      // A run in which little happens would find little.
      expect(report.callCount).toBeGreaterThanOrEqual(3_000);
      expect(report.faultCount).toBeGreaterThanOrEqual(20);
      expect(report.schedule.faultsMs).toBeGreaterThanOrEqual(60_000);
    }
    faults += report.faultCount;
    simulatedMs += report.simulatedMs;
    calls += report.callCount;
    lockTurns += report.lockTurns;
    turnedAway += report.turnedAway;
  }
  console.log(
    `${count} seeds, ${simulatedMs / 1_000} s simulated, ${calls} calls, ${faults} faults, ${lockTurns} locks`,
  );
  // Holders overstay: what does not look at tokens would have let them write (reliability.md §3.6.6).
  if (profile === 'usual' && count >= 4) {
    expect(lockTurns).toBeGreaterThan(10 * count);
    expect(turnedAway).toBeGreaterThan(0);
  }
});

test.each(Object.keys(profiles))('profile %s runs', { timeout: 10 * 60_000 }, (name) => {
  const report = runSchedule(drawSchedule(5n, name));
  expect(report.callCount).toBeGreaterThan(1_000);
  expect(report.faultCount > 0).toBe(name !== 'quiet');
});

test('one schedule is one run, after a way through text too', () => {
  const schedule = { ...drawSchedule(77n), faultsMs: 15_000 };
  const { schedule: _, ...report } = runSchedule(schedule);
  const { schedule: __, ...again } = runSchedule(decodeSchedule(encodeSchedule(schedule)));
  expect(again).toEqual(report);
});
