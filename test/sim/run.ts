/** One run of the small world: a safety phase under faults, then healing and a liveness phase, every check on (VOPR's two phases). */

import { type FaultKind, Faults, faultKinds } from './faults.ts';
import { Violation } from './violation.ts';
import { usualWorkload, Workload, type WorkloadOptions } from './workload.ts';
import { electionTimeoutMs, World } from './world.ts';

export interface RunOptions {
  readonly members?: number;
  readonly safetyMs?: number;
  readonly workload?: WorkloadOptions;
  readonly faults?: readonly FaultKind[];
}

export interface RunReport {
  readonly seed: bigint;
  readonly entries: number;
  readonly acks: number;
  readonly expiries: number;
  readonly revokes: number;
  readonly outcomes: number;
  readonly unavailable: number;
  readonly crashes: number;
  readonly terms: number;
  readonly simulatedMs: number;
  readonly faults: ReadonlyMap<FaultKind, number>;
}

/** Throws a `Violation` (or an `AssertionFailure` of the node) at the first thing that must not be. */
export function runSeed(seed: bigint, options: RunOptions = {}): RunReport {
  const world = new World(seed, options.members ?? (seed % 4n === 3n ? 5 : 3));
  const { checks } = world;
  const workload = new Workload(world, checks, world.prng.fork('workload'), options.workload ?? usualWorkload);
  const faults = new Faults(world, world.prng.fork('faults'), options.faults ?? faultKinds);
  world.run(options.safetyMs ?? 40_000);

  faults.heal();
  if (!world.runUntil(() => world.leader !== undefined, 20 * electionTimeoutMs))
    throw new Violation('V1', 'no leader after healing');
  world.run(10_000);
  workload.running = false;
  world.run(40_000);
  if (workload.asked !== workload.ended)
    throw new Violation('V3', `${workload.asked - workload.ended} calls never ended`);
  const converged = world.runUntil(
    () => new Set(world.members.map((member) => member.node?.machine.appliedIndex)).size === 1,
    30_000,
  );
  if (!converged) throw new Violation('V2', 'members did not reach one applied index');
  checks.converged(world.members.map((member) => (member.node as NonNullable<typeof member.node>).machine));
  return {
    seed,
    entries: checks.entries,
    acks: checks.leases.acks,
    expiries: checks.leases.expiries,
    revokes: checks.leases.revokes,
    outcomes: checks.outcomes,
    unavailable: checks.unavailable,
    crashes: world.crashes,
    terms: world.leader?.node?.raft.term ?? 0,
    simulatedMs: world.timeline.nowMs,
    faults: faults.counts,
  };
}
