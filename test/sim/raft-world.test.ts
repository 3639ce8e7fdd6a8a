/**
 * The small Raft world over many seeds. `SEEDS=5000 npx vitest run test/sim/raft-world` runs more, `SEED=17` one alone;
 * `FROM=1000` begins elsewhere. The figures of a run are printed at its end.
 */
import { expect, test } from 'vitest';
import { type RaftWorldResult, runRaftWorld } from './raft-world.ts';

const only = process.env['SEED'];
const first = Number(only ?? process.env['FROM'] ?? 1);
const seeds = only === undefined ? Number(process.env['SEEDS'] ?? 300) : 1;

function optionsOf(seed: number) {
  return { seed, members: [3, 3, 5, 3, 5, 1][seed % 6] as number, faultsMs: 6_000 };
}

test(`R1-R9, R11, R12, S1, V1 hold over ${seeds} seeds`, { timeout: 3_600_000 }, () => {
  const sum = { seeds: 0, committed: 0, leaders: 0, crashes: 0, installs: 0, rounds: 0, refused: 0, events: 0 };
  for (let seed = first; seed < first + seeds; seed++) {
    const result = run(seed);
    sum.seeds++;
    for (const key of Object.keys(result) as (keyof RaftWorldResult)[]) sum[key] += result[key];
  }
  console.log(`raft world: ${JSON.stringify(sum)}`);
  expect(sum.refused, 'members that keep the rules refuse nothing of each other').toBe(0);
  expect(sum.committed).toBeGreaterThan(20 * seeds);
});

test('a run is a function of its seed', () => {
  expect(run(4)).toEqual(run(4));
});

function run(seed: number): RaftWorldResult {
  try {
    return runRaftWorld(optionsOf(seed));
  } catch (error) {
    const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new Error(`seed ${seed}: ${why}\nreplay: SEED=${seed} npx vitest run test/sim/raft-world.test.ts`);
  }
}
