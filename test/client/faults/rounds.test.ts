/** Holders under faults: a short run of what `npm run holders` runs for long, the rounds that once failed, and a naive holder. */
import { expect, test } from 'vitest';
import { drawPlan } from './plan.ts';
import { runRound } from './round.ts';
import { Totals } from './said.ts';

async function run(first: bigint, count: number, naive: boolean, within = Number.POSITIVE_INFINITY): Promise<Totals> {
  const totals = new Totals();
  const endMs = performance.now() + within;
  for (let i = 0n; i < BigInt(count) && (totals.rounds === 0 || performance.now() < endMs); i++) {
    const plan = drawPlan(first + i, { naive });
    totals.add({ report: await runRound(plan), kind: plan.kind, cpuMs: 0 });
  }
  return totals;
}

test('whoever runs and believes is the only one who was let in', { timeout: 120_000 }, async () => {
  const totals = await run(0x1000n, 150, false, 15_000);
  expect(totals.overlaps).toBe(0);
  expect(totals.holds).toBeGreaterThan(totals.rounds);
});

test('the same seed is the same round', async () => {
  const [one, other] = [await runRound(drawPlan(0x2an)), await runRound(drawPlan(0x2an))];
  expect(other.fingerprint).toBe(one.fingerprint);
});

test('a holder without a signal is seen to overstay', { timeout: 120_000 }, async () => {
  let [stale, overlaps] = [0, 0];
  for (let seed = 0x2000n; seed < 0x2060n && (stale === 0 || overlaps === 0); seed++) {
    const totals = await run(seed, 1, true);
    stale += totals.stale;
    overlaps += totals.overlaps;
  }
  expect(stale).toBeGreaterThan(0);
  expect(overlaps).toBeGreaterThan(0);
});

/** Seeds that once failed, and what it was. */
const regressions = [
  { seed: 381n, was: 'the deadline of a signal did not follow a machine that slept for a part of the TTL' },
];

test.each(regressions)('$seed: $was', async ({ seed }) => {
  expect((await runRound(drawPlan(seed))).holds).toBeGreaterThan(0);
});
