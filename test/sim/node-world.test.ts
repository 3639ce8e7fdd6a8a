/**
 * The whole node under random faults: L1, L2 and its mirror, L5, L8, D1, R5, R11, K1, K3, S1, V1–V3. `SEED=0x… SEEDS=n npx vitest run
 * test/sim/node-world.test.ts` runs others; a failure's last line is the command that replays it.
 */
import { expect, test } from 'vitest';
import { runSeed } from './run.ts';

const first = BigInt(process.env['SEED'] ?? 1);
const count = Number(process.env['SEEDS'] ?? 40);

test(`${count} seeds from 0x${first.toString(16)}`, { timeout: 50 * 60_000 }, () => {
  let entries = 0;
  let acks = 0;
  let expiries = 0;
  let crashes = 0;
  for (let i = 0; i < count; i++) {
    const seed = first + BigInt(i);
    try {
      const report = runSeed(seed);
      entries += report.entries;
      acks += report.acks;
      expiries += report.expiries;
      crashes += report.crashes;
    } catch (error) {
      const replay = `SEED=0x${seed.toString(16)} SEEDS=1 npx vitest run test/sim/node-world.test.ts`;
      throw new Error(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\nreplay: ${replay}`);
    }
  }
  console.log(`${count} seeds: ${entries} entries, ${acks} acknowledgements, ${expiries} expiries, ${crashes} crashes`);
  // A run in which nothing happens would find nothing.
  expect(entries).toBeGreaterThan(200 * count);
  expect(acks).toBeGreaterThan(200 * count);
  expect(expiries).toBeGreaterThan(20 * count);
});

test('one seed is one run', () => {
  expect(runSeed(77n, { safetyMs: 8_000 })).toEqual(runSeed(77n, { safetyMs: 8_000 }));
});
