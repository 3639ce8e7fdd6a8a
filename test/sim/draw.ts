/**
 * From a seed and a profile to a schedule. Each part is drawn from a stream of its own, so that a change in how one is drawn leaves
 * the others as they are.
 */
import { appendBytesMax } from '../../src/base/limits.ts';
import { Prng } from '../../src/base/prng.ts';
import { drawFaults } from './draw-faults.ts';
import { drawLocks } from './draw-locks.ts';
import { drawOps } from './draw-ops.ts';
import { type Profile, profileOf } from './profiles.ts';
import type { Noise, Schedule } from './schedule.ts';

/** Load of the liveness phase, after the faults. */
const loadMs = 10_000;
/** Whoever wants a lock has so long for it before the load is over. */
const locksEndMs = 4_000;

/** The run that `seed` means in `profile`. */
export function drawSchedule(seed: bigint, profileName = 'usual'): Schedule {
  const profile = profileOf(profileName);
  const stream = (label: string): Prng => new Prng(seed, `draw ${label}`);
  const world = stream('world');
  const members = world.pick(profile.members);
  const { clients, faultsMs } = profile;
  const keyOps = drawOps(stream('ops'), profile, members, faultsMs + loadMs);
  const lockOps = drawLocks(stream('locks'), profile, members, faultsMs + loadMs - locksEndMs);
  return {
    format: 1,
    seed,
    profile: profileName,
    members,
    clients,
    faultsMs,
    noise: drawNoise(stream('noise'), profile),
    faults: drawFaults(stream('faults'), profile, members),
    ops: [...keyOps, ...lockOps].sort((a, b) => a.atMs - b.atMs),
    core: drawCore(stream('core'), members),
  };
}

function drawNoise(prng: Prng, profile: Profile): Noise {
  const loud = profile.noise > 0;
  const some = (values: readonly number[]): number => (loud ? prng.pick(values) * profile.noise : 0);
  return {
    loss: some([0, 0, 0.005, 0.02, 0.1]),
    duplicate: some([0, 0, 0.02, 0.1, 0.3]),
    delayMsMin: 0.2,
    delayMsMax: loud ? prng.pick([1, 1, 3, 10, 40]) : 1,
    inOrder: prng.chance(0.4),
    diskMsMin: 0.1,
    diskMsMax: loud ? prng.pick([0.5, 1, 3, 10]) : 1,
    diskSlowChance: some([0, 0.005, 0.02]),
    diskSlowMsMax: 200,
    clockRateOff: profile.clockRateOff,
    clockDrift: prng.pick([0, 1, 2] as const),
    logTailEntriesMax: prng.pick(profile.logTails ?? [20, 100, 400, 10_000]),
    segmentBytes: prng.pick([16, 32, 64]) * 1024,
    appendBytesMax: prng.pick([200, 600, 4_000, appendBytesMax]),
  };
}

/** A quorum, or more, by chance. */
function drawCore(prng: Prng, members: number): number[] {
  const left = Array.from({ length: members }, (_, i) => i);
  const quorum = Math.floor(members / 2) + 1;
  const size = prng.between(quorum, members);
  while (left.length > size) left.splice(prng.below(left.length), 1);
  return left;
}
