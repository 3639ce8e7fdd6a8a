/** Draws what clients ask for: a dense mix on few keys and few lease slots, so that calls meet each other. */
import type { Prng } from '../../src/base/prng.ts';
import { drawPut, slots } from './draw-puts.ts';
import { drawTxn } from './draw-txns.ts';
import type { Profile } from './profiles.ts';
import type { ClientOp, KeyRange, Op, Renewal } from './schedule.ts';
import { keyCount } from './workload.ts';

export function drawOps(prng: Prng, profile: Profile, members: number, untilMs: number): Op[] {
  const ops: Op[] = [];
  const everyMs = 1_000 / profile.opsPerSecond;
  // Each client has a member it likes.
  const homes = Array.from({ length: profile.clients }, () => prng.below(members));
  for (let atMs = 100; atMs < untilMs; atMs += 2 * everyMs * prng.unit()) {
    const client = prng.below(profile.clients);
    const member = prng.chance(0.5) ? (homes[client] as number) : prng.below(members);
    const op = prng.chance(profile.leaseShare) ? drawLeaseOp(prng, profile) : drawKeyOp(prng);
    ops.push({ atMs: Math.round(atMs * 1_000) / 1_000, client, member, op });
  }
  return ops;
}

function drawLeaseOp(prng: Prng, profile: Profile): ClientOp {
  const lease = prng.below(slots);
  const dice = prng.below(100);
  if (dice < 45) {
    const ttlMs = drawTtl(prng, profile);
    return { type: 'grant', lease, ttlMs, serverId: prng.chance(0.3), renewal: drawRenewal(prng, ttlMs) };
  }
  if (dice < 65) return { type: 'keepAlive', lease };
  if (dice < 80) return { type: 'timeToLive', lease };
  return { type: 'revoke', lease };
}

/** From a third of a second to beyond 2^31 ms. */
function drawTtl(prng: Prng, profile: Profile): number {
  const dice = prng.below(100);
  if (dice < 4) return prng.pick([2_147_483_647, 2_147_483_648, 2_500_000_000, 9_000_000_000_000]);
  if (profile.ttls === 'long') return dice < 80 ? prng.between(8_000, 60_000) : prng.between(60_000, 300_000);
  if (dice < 12) return prng.between(300, 999);
  if (dice < 20) return prng.between(12_000, 60_000);
  return prng.between(1_000, 12_000);
}

/** The healthy ask at a third of the TTL; the sick stop, fall silent, or say everything twice. */
function drawRenewal(prng: Prng, ttlMs: number): Renewal {
  const everyMs = Math.max(100, Math.min(ttlMs / 3, 20_000));
  const dice = prng.below(100);
  if (dice < 35) return { everyMs: 0, times: 0, pauseAfter: 0, pauseMs: 0, twice: false };
  const times = prng.between(1, Math.min(30, Math.ceil(15_000 / everyMs)));
  if (dice < 75) return { everyMs, times, pauseAfter: 0, pauseMs: 0, twice: prng.chance(0.15) };
  // About as long as the lease has left: some come too late.
  const pauseMs = everyMs * prng.pick([1.5, 1.9, 2, 2.1, 4]);
  return { everyMs, times, pauseAfter: prng.between(1, 4), pauseMs, twice: prng.chance(0.15) };
}

function drawKeyOp(prng: Prng): ClientOp {
  const dice = prng.below(100);
  if (dice < 42) return { type: 'put', ...drawPut(prng, prng.below(keyCount)) };
  if (dice < 54) return { type: 'delete', ...drawKeys(prng), prevKv: prng.chance(0.3) };
  if (dice < 80) return { type: 'range', ...drawRange(prng), serializable: prng.chance(0.35) };
  if (dice < 96) return drawTxn(prng);
  if (dice < 97) return { type: 'compact', back: prng.pick([0, 1, 3, 10, 30, 100, 300, -2]) };
  return {
    type: 'watch',
    ...drawKeys(prng),
    back: prng.pick([0, 0, 1, 5, 50, 500, -3]),
    prevKv: prng.chance(0.5),
    noPut: prng.chance(0.1),
    noDelete: prng.chance(0.1),
    slowMs: prng.pick([0, 1, 20, 500, 4_000]),
    moveMs: prng.pick([0, 0, 700, 3_000]),
    forMs: prng.between(2_000, 20_000),
  };
}

/** Mostly one key, sometimes a few, sometimes all. */
function drawKeys(prng: Prng): { readonly key: number; readonly keyTo: number } {
  const key = prng.below(keyCount);
  const dice = prng.below(10);
  if (dice < 7) return { key, keyTo: -1 };
  return dice < 9 ? { key, keyTo: prng.between(key + 1, keyCount) } : { key: 0, keyTo: keyCount };
}

function drawRange(prng: Prng): KeyRange {
  return { ...drawKeys(prng), back: prng.pick([0, 0, 0, 1, 10, 100, 100]), limit: prng.pick([0, 0, 0, 1, 3]) };
}
