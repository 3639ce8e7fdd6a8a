/**
 * What happens in one round, drawn from its seed: how many members, who competes for the lock and how, and which faults strike when. Plain
 * data; what is not in it (delays, ties) follows from the same seed.
 */
import { Prng } from '../../../src/base/prng.ts';
import type { ResumeOrder, Way } from '../../../src/client/testing/test-cluster.ts';

/** What is competed for: a key that is created if absent under a lease, a lock, an election. */
export type Kind = 'bare' | 'lock' | 'election';

/**
 * How a holder looks before each write. `timer`: at a signal that it read once, which only a timer can abort. `naive`: not at all; it
 * counts the TTL from the receipt of the last answer.
 */
export type Look = 'held' | 'guard' | 'signal' | 'timer' | 'naive';

export interface ContenderPlan {
  readonly ttlMs: number;
  readonly drift: number;
  readonly look: Look;
}

/** A contender by its place, or who owns the lock when the fault strikes. */
export type Whom = number | 'owner';

export type Fault = { readonly atMs: number; readonly forMs: number } & (
  | { readonly kind: 'pause' | 'suspend'; readonly whom: Whom; readonly first: ResumeOrder }
  | { readonly kind: 'wall'; readonly whom: Whom; readonly byMs: number }
  | { readonly kind: 'cut'; readonly whom: Whom; readonly way: Way; readonly lost: boolean }
  | { readonly kind: 'slow'; readonly whom: Whom; readonly byMs: number }
  | { readonly kind: 'disconnect' | 'close' | 'kill'; readonly whom: Whom }
  | { readonly kind: 'leaderKilled' | 'leaderPaused' | 'leaderCut' }
);

export interface Plan {
  readonly seed: bigint;
  readonly kind: Kind;
  readonly members: 1 | 3;
  readonly memberDrifts: readonly number[];
  readonly contenders: readonly ContenderPlan[];
  readonly faults: readonly Fault[];
  /** How long faults strike. */
  readonly faultsMs: number;
}

/** Clocks differ by so much: what is usual, and the most that the promise allows. */
const drifts = [0.001, 0.002] as const;

export interface DrawOptions {
  /** Only this kind. */
  readonly kind?: Kind | undefined;
  /** All holders are naive ones. */
  readonly naive?: boolean | undefined;
}

export function drawPlan(seed: bigint, { kind, naive = false }: DrawOptions = {}): Plan {
  const prng = new Prng(seed, 'plan');
  if (!naive && prng.chance(0.08)) return drawLimits(seed, prng, kind);
  const members = prng.chance(0.2) ? 3 : 1;
  const drift = prng.pick(drifts);
  const drifted = (): number => drift * (prng.chance(0.5) ? prng.pick([-1, 1]) : 2 * prng.unit() - 1);
  const drawnKind = prng.pick<Kind>(['lock', 'lock', 'bare', 'bare', 'election']);
  const looks: readonly Look[] = naive ? ['naive'] : ['held', 'guard', 'signal', 'timer'];
  const contenders = Array.from({ length: prng.between(2, 4) }, () => ({
    ttlMs: 1_000 * prng.pick([2, 2, 2, 2, 3, 3, 4, 6, 10]),
    drift: drifted(),
    look: prng.pick(looks),
  }));
  // Whether time slept is told by the wall clock alone: who sleeps must not be set back.
  const sleeper = contenders.map(() => prng.chance(0.5));
  const longestMs = Math.max(...contenders.map(({ ttlMs }) => ttlMs));
  const faultsMs = 8_000 + longestMs + prng.below(4_000);
  const faults: Fault[] = [];
  for (let atMs = 500 + prng.below(1_500); atMs < faultsMs; atMs += 300 + prng.below(2_500))
    faults.push(drawFault(prng, atMs, contenders, sleeper));
  const memberDrifts = Array.from({ length: members }, () => (drift === drifts[1] ? drifted() : 0));
  return { seed, kind: naive ? 'bare' : (kind ?? drawnKind), members, memberDrifts, contenders, faults, faultsMs };
}

/** Clocks at the limits of what is promised, or answers that come late, and then an owner who is cut off: where margin and start decide. */
function drawLimits(seed: bigint, prng: Prng, kind: Kind = prng.pick<Kind>(['lock', 'bare'])): Plan {
  const most = drifts[1];
  const late = prng.chance(0.6);
  const ttlMs = 1_000 * (late ? prng.between(3, 6) : prng.between(10, 15));
  const looks: readonly Look[] = ['held', 'guard', 'signal', 'timer'];
  const contenders = Array.from({ length: 2 }, () => ({ ttlMs, drift: -most, look: prng.pick(looks) }));
  const cut = { kind: 'cut', whom: 'owner', way: 'both', lost: true, forMs: Math.round(1.2 * ttlMs) } as const;
  const slow = { kind: 'slow', atMs: 1, forMs: 60_000, byMs: prng.between(150, 400) } as const;
  const faults: Fault[] = [{ ...cut, atMs: prng.between(1_000, 4_000) }];
  if (late) faults.unshift({ ...slow, whom: 0 }, { ...slow, whom: 1 });
  return {
    seed,
    kind,
    members: 1,
    memberDrifts: [most],
    contenders,
    faults,
    faultsMs: 4_000 + Math.round(1.3 * ttlMs),
  };
}

/** Faults and how often each is drawn, relative to the others. */
const weights: readonly (readonly [Fault['kind'], number])[] = [
  ['pause', 8],
  ['suspend', 4],
  ['wall', 3],
  ['cut', 6],
  ['slow', 3],
  ['disconnect', 2],
  ['close', 1],
  ['kill', 0.5],
  ['leaderKilled', 2],
  ['leaderPaused', 1],
  ['leaderCut', 1],
];

function drawFault(prng: Prng, atMs: number, contenders: readonly ContenderPlan[], sleeper: readonly boolean[]): Fault {
  const whom: Whom = prng.chance(0.6) ? 'owner' : prng.below(contenders.length);
  const { ttlMs } = prng.pick(contenders);
  // A part of a TTL, about one, or more.
  const of = prng.pick([0.05 + 0.6 * prng.unit(), 0.9 + 0.25 * prng.unit(), 1.1 + 1.2 * prng.unit()]);
  const forMs = Math.round(ttlMs * of);
  const first = prng.pick<ResumeOrder>(['timers', 'messages']);
  const kind = weighted(prng);
  const base = { atMs, forMs };
  switch (kind) {
    case 'pause':
      return { ...base, kind, whom, first };
    case 'suspend': {
      const sleepers = contenders.map((_, i) => i).filter((i) => sleeper[i]);
      return sleepers.length === 0
        ? { ...base, kind: 'pause', whom, first }
        : { ...base, kind, whom: prng.pick(sleepers), first };
    }
    case 'wall': {
      const who = prng.below(contenders.length);
      const back = sleeper[who] !== true && prng.chance(0.4);
      return { ...base, kind, whom: who, byMs: back ? -forMs : forMs };
    }
    case 'cut':
      return { ...base, kind, whom, way: prng.pick(['both', 'requests', 'answers'] as const), lost: prng.chance(0.3) };
    case 'slow':
      return { ...base, kind, whom, byMs: prng.between(5, Math.round(ttlMs / 2)) };
    case 'disconnect':
    case 'close':
    case 'kill':
      return { ...base, kind, whom };
    default:
      return { atMs, forMs: Math.min(forMs, 3_000), kind };
  }
}

function weighted(prng: Prng): Fault['kind'] {
  let at = prng.unit() * weights.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [kind, weight] of weights) {
    at -= weight;
    if (at < 0) return kind;
  }
  return 'pause';
}
