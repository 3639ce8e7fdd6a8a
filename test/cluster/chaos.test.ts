/** The small form of `npm run chaos`: two kills of the leader, and one cut of its peer links, under leases and puts. */
import { expect, test } from 'vitest';
import { type ChaosFault, runChaos } from './chaos.ts';

const seed = BigInt(process.env['SEED'] ?? 20261122);

test.each<[ChaosFault, number]>([
  ['kill', 2],
  ['drop', 1],
])('%s the leader %i times: nothing acknowledged is lost, nothing ends early or late', async (fault, rounds) => {
  const report = await runChaos({
    fault,
    rounds,
    seed,
    keptLeases: 100,
    silentLeases: 100,
    keptTtlSeconds: 15,
    silentTtlSecondsMin: 5,
    silentTtlSecondsMax: 12,
    say: () => undefined,
  });
  expect(report.violations).toEqual([]);
  expect(report.silentEnded).toBeGreaterThanOrEqual(100);
  expect(report.renewals).toBeGreaterThan(100);
  expect(report.putsAcknowledged).toBeGreaterThan(100);
});
