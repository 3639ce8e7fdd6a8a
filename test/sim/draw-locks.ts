/**
 * Draws the clients that want locks. A queue lives for some seconds and then another takes its place, so that each has a handful of
 * candidates: enough to wait for each other, few enough for the search of `checks/linearizability.ts`.
 */
import type { Prng } from '../../src/base/prng.ts';
import type { Profile } from './profiles.ts';
import type { Op } from './schedule.ts';

const everyMs = 1_200;
const queueMs = 7_000;

export function drawLocks(prng: Prng, profile: Profile, members: number, untilMs: number): Op[] {
  const ops: Op[] = [];
  for (let atMs = 1_000; atMs < untilMs; atMs += 2 * everyMs * prng.unit()) {
    const sick = prng.chance(0.4);
    // The sick fall silent at any time, before their turn or while they hold, and then hold on for longer than they may.
    const ttlMs = sick ? prng.between(800, 2_000) : prng.between(800, 4_000);
    const holdMs = sick ? prng.between(2_000, 9_000) : prng.between(100, 2_000);
    ops.push({
      atMs: Math.round(atMs * 1_000) / 1_000,
      client: prng.below(profile.clients),
      member: prng.below(members),
      op: {
        type: 'lock',
        session: ops.length,
        queue: Math.floor(atMs / queueMs),
        ttlMs,
        renewals: sick ? prng.below(5) : 40,
        waitMs: prng.pick([1_500, 4_000, 8_000]),
        holdMs,
        writes: sick ? prng.between(4, 12) : prng.between(0, 6),
        leaves: prng.pick(['leaves', 'leaves', 'early', 'revokes', 'forgets'] as const),
      },
    });
  }
  return ops;
}
