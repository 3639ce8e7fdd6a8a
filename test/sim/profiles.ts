/**
 * What kinds of runs there are. A profile says how long, how many, which faults and which leases; a seed draws one run of it. In
 * the usual one a run has at least 60 s of faults, 3,000 client operations and 20 faults.
 */
import { type FaultKind, faultKinds } from './fault-kinds.ts';

export interface Profile {
  readonly members: readonly number[];
  readonly clients: number;
  readonly faultsMs: number;
  readonly opsPerSecond: number;
  /** Kinds to draw from. */
  readonly faults: readonly FaultKind[];
  /** Chance that a run has each kind (swarm testing). */
  readonly kindChance: number;
  /** Mean time between two faults is drawn from here, per run. */
  readonly faultEveryMs: readonly number[];
  readonly ttls: 'mixed' | 'long';
  /** Background noise at its most, 0 … 1. */
  readonly noise: number;
  readonly clockRateOff: number;
  /** Entries kept behind the image, one of these per run; default: few or many. */
  readonly logTails?: readonly number[];
  /** Share of operations on leases, 0 … 1; the rest is on keys. */
  readonly leaseShare: number;
}

const network: readonly FaultKind[] = faultKinds.slice(0, faultKinds.indexOf('suspend'));
const hosts: readonly FaultKind[] = faultKinds.slice(faultKinds.indexOf('suspend'), faultKinds.indexOf('slowDisk'));
const disks: readonly FaultKind[] = faultKinds.slice(faultKinds.indexOf('slowDisk'));

const usual: Profile = {
  members: [3, 3, 3, 5],
  clients: 6,
  faultsMs: 60_000,
  opsPerSecond: 52,
  faults: faultKinds,
  kindChance: 0.5,
  faultEveryMs: [900, 1_500, 2_000],
  ttls: 'mixed',
  noise: 1,
  clockRateOff: 1 / 500,
  leaseShare: 0.4,
};

export const profiles: Readonly<Record<string, Profile>> = {
  usual,
  /** Long leases over many leaders: checkpoints, clears, promotions. */
  leases: {
    ...usual,
    faultsMs: 120_000,
    opsPerSecond: 26,
    faults: [
      'peersCut',
      'isolate',
      'transfer',
      'stall',
      'suspend',
      'crash',
      'deaf',
      'mute',
      'rateStep',
      'slow',
      'diskStall',
    ],
    kindChance: 0.7,
    faultEveryMs: [2_000, 4_000],
    ttls: 'long',
    leaseShare: 0.7,
  },
  partitions: { ...usual, members: [3, 5], faults: network, kindChance: 0.6, faultEveryMs: [700, 1_200] },
  disks: {
    ...usual,
    faults: [
      ...disks,
      'crash',
      'powerLoss',
      'crashInWrite',
      'crashAtRollover',
      'crashInImage',
      'crashInInstall',
      'isolate',
    ],
    kindChance: 0.7,
  },
  /** Hardly any log is kept, and members fall behind: snapshots all the time. */
  snapshots: {
    ...usual,
    faults: [
      'isolate',
      'peersCut',
      'deaf',
      'clog',
      'crash',
      'crashInInstall',
      'crashTwice',
      'streamCut',
      'powerLoss',
      'imageUnreadable',
      'imageLostSuffix',
      'diskStall',
      'stall',
    ],
    kindChance: 0.7,
    logTails: [5, 20],
  },
  /** Clocks that freeze and jump, processes that stand still. */
  stalls: {
    ...usual,
    faults: [
      'suspend',
      'stall',
      'stutter',
      'wallJump',
      'rateStep',
      'diskStall',
      'slow',
      'clog',
      'transfer',
      'peersCut',
    ],
    kindChance: 0.8,
  },
  /** Damage may fall anywhere: halting is allowed, a wrong answer is not. */
  scorched: { ...usual, faults: [...disks, ...hosts, 'isolate', 'halves'], faultEveryMs: [1_000, 1_500] },
  /** Clocks off by up to a tenth: L1 is not promised, everything else is. */
  'clocks-out-of-spec': { ...usual, clockRateOff: 0.1 },
  quiet: { ...usual, faults: [], noise: 0 },
  /** Raft's figure 8 and its relatives: five members, leaders come and go. */
  figure8: {
    ...usual,
    members: [5],
    faults: [
      'isolate',
      'peersCut',
      'mute',
      'crash',
      'crashInWrite',
      'crashAfterSync',
      'transfer',
      'halves',
      'cutPair',
      'ring',
    ],
    kindChance: 0.8,
    faultEveryMs: [400, 700],
    leaseShare: 0.2,
  },
  /** One member alone. */
  alone: {
    ...usual,
    members: [1],
    faults: [...hosts, 'slowDisk', 'diskStall', 'diskError', 'diskFull', 'imageError', 'clientsCut', 'lossy', 'clog'],
  },
};

/** A profile by name; throws for a name there is none of. */
export function profileOf(name: string): Profile {
  const profile = profiles[name];
  if (profile === undefined) throw new Error(`no profile "${name}"; there are ${Object.keys(profiles).join(', ')}`);
  return profile;
}
