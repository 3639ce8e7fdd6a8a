/**
 * The ways to look for a mutant, by name: each runs one seed and throws what it finds. A failure counts if its text begins with the
 * id of an invariant; a crash without a name is reported, and does not count.
 */
import { drawPlan } from '../client/faults/plan.ts';
import { runRound } from '../client/faults/round.ts';
import { World as PrimaryWorld } from '../primary/world.ts';
import { drawSchedule } from '../sim/draw.ts';
import { runRaftWorld } from '../sim/raft-world.ts';
import { runSchedule } from '../sim/run.ts';
import type { HuntName } from './mutant.ts';
import { scenarios } from './scenarios.ts';

/** Runs one seed of a hunt. Rejects with whatever breaks. */
export async function hunt(name: HuntName, seed: number): Promise<void> {
  if (name === 'raft') runRaftWorld({ seed, members: [3, 3, 5, 3, 5][seed % 5] as number, faultsMs: 6_000 });
  else if (name === 'primary') for (let part = 0; part < 20; part++) new PrimaryWorld(seed * 20 + part).run(250);
  else if (name === 'holders') await runRound(drawPlan(BigInt(seed)));
  else if (name.startsWith('scenario:')) {
    const scenario = scenarios[name.slice('scenario:'.length)];
    if (scenario === undefined) throw new Error(`no scenario is called ${name}`);
    scenario(seed);
  } else runSchedule(drawSchedule(BigInt(seed), name.slice('sim:'.length)));
}

/** How many seeds of a hunt are worth a try, if there is no other limit. */
export function seedsMax(name: HuntName): number {
  return name.startsWith('scenario:') ? 40 : 2_000;
}

/** The invariant that a failure names; undefined: a nameless crash. */
export function invariantOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const named = (error as { readonly invariant?: unknown }).invariant;
  const text = typeof named === 'string' ? named : error.message;
  return /^(?:assert )?([RLFKWDSV]\d{1,2}(?:-mirror)?)(?!-)\b/.exec(text)?.[1];
}
