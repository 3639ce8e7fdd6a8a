/** Draws the faults of a run: a set of kinds, a rhythm, and for each fault whom it strikes, how long and how hard. */
import type { Prng } from '../../src/base/prng.ts';
import type { FaultKind } from './fault-kinds.ts';
import type { Profile } from './profiles.ts';
import type { Fault, Target } from './schedule.ts';

/** At least so many a run, whatever the rhythm. */
const faultsMin = 40;

export function drawFaults(prng: Prng, profile: Profile, members: number): Fault[] {
  if (profile.faults.length === 0) return [];
  // Few kinds a run go deep, many meet each other.
  const kindChance = profile.kindChance * prng.pick([0.2, 0.5, 1, 1]);
  const chosen = profile.faults.filter(() => prng.chance(kindChance));
  const kinds = chosen.length === 0 ? profile.faults : chosen;
  // Half of them come from those that wait for nothing and need no atlas: every run has its number.
  const plain = kinds.filter(isPlain);
  const sure = plain.length > 0 ? plain : profile.faults.filter(isPlain);
  const everyMs = Math.min(prng.pick(profile.faultEveryMs), profile.faultsMs / faultsMin);
  // How long faults last, this run.
  const lengthMs = prng.pick([300, 800, 2_000, 4_000]);
  const faults: Fault[] = [];
  for (let atMs = 500; atMs < profile.faultsMs; atMs += prng.between(1, 2 * everyMs - 1))
    faults.push(
      drawFault(prng, prng.pick(prng.chance(0.5) && sure.length > 0 ? sure : kinds), atMs, lengthMs, members),
    );
  return faults;
}

function isPlain(kind: FaultKind): boolean {
  return !/^(wal|image|dir|crash.|diskError|streamCut)/.test(kind);
}

function drawFault(prng: Prng, kind: FaultKind, atMs: number, lengthMs: number, members: number): Fault {
  return {
    atMs,
    kind,
    target: drawTarget(prng, kind, members),
    forMs: drawLength(prng, kind, lengthMs),
    params: drawParams(prng, kind, members),
  };
}

function drawTarget(prng: Prng, kind: FaultKind, members: number): Target {
  if (kind === 'transfer') return { role: 'leader' };
  const dice = prng.below(10);
  if (dice < 4) return { role: 'leader' };
  if (dice < 6) return { role: 'follower', nth: prng.below(members) };
  return { member: prng.below(members) };
}

function drawLength(prng: Prng, kind: FaultKind, lengthMs: number): number {
  switch (kind) {
    case 'diskStall':
      return prng.chance(0.1) ? prng.between(5_000, 30_000) : prng.between(200, 2 * lengthMs);
    case 'rolling':
    case 'powerLoss':
      return prng.between(50, 1_500);
    case 'suspend':
    case 'stall':
    case 'stutter':
      return prng.between(50, 2 * lengthMs);
    default:
      return prng.between(20, 2 * lengthMs);
  }
}

function drawParams(prng: Prng, kind: FaultKind, members: number): Record<string, number> {
  const to = prng.below(members);
  switch (kind) {
    case 'cutLink':
    case 'cutPair':
    case 'reset':
    case 'halfOpen':
      return { to };
    case 'halves':
    case 'bridge':
      return { mask: prng.between(1, 2 ** members - 2) };
    case 'clientCut':
      return { client: prng.below(16) };
    case 'lossy':
      return { loss: prng.between(0, 30), duplicate: prng.between(0, 50), delayMs: prng.pick([2, 50, 400]) };
    case 'lossyLink':
      return { to, loss: prng.between(5, 90), duplicate: prng.between(0, 50) };
    case 'slow':
      return { delayMs: prng.pick([20, 100, 600]) };
    case 'slowLink':
      return { to, delayMs: prng.pick([50, 300, 1_500]) };
    case 'swizzle':
      return { order: prng.below(120) };
    case 'lateData':
      return { to, delayMs: prng.pick([50, 500, 3_000]) };
    case 'suspend':
    case 'stall':
      return { order: prng.below(3) };
    case 'stutter':
      return { times: prng.between(2, 20), onMs: prng.between(20, 400) };
    case 'wallJump':
      return { byMs: prng.between(-36_000, 36_000) * 1_000 };
    case 'rateStep':
      return { off: prng.pick([-100, 0, 100]) };
    case 'crashBeforeTurn':
    case 'crashInTurn':
    case 'crashAfterTurn':
    case 'crashInWrite':
    case 'crashAfterSync':
      return { n: prng.between(1, 40) };
    case 'crashInImage':
    case 'crashAtRollover':
    case 'imageError':
      return { n: prng.between(1, 2) };
    case 'diskError':
      return { n: prng.between(1, 60) };
    case 'crashTwice':
      return { againMs: prng.pick([0, 5, 50, 400]) };
    case 'rolling':
      return { gapMs: prng.pick([0, 300, 2_000]) };
    case 'transfer':
      return { to: prng.between(-1, members - 1) };
    case 'slowDisk':
      return { upToMs: prng.pick([20, 100, 500]) };
    case 'walFlip':
      return { latent: prng.below(2) };
    case 'imageLostSuffix':
      return { delayMs: prng.pick([0, 5, 500]) };
    case 'imageOld':
    case 'dirOld':
      return { ageMs: prng.pick([500, 3_000, 10_000]) };
    default:
      return {};
  }
}
