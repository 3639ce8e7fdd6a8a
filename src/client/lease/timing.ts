/**
 * When a lease is renewed and until when it is safe: numbers in, numbers out. All of it counts from the sending of what a member
 * answered, the only instant of which the client knows that the member's own count began no earlier.
 */

/**
 * What is kept back of a TTL: 2/500 of it, as clocks of members and clients may differ by 1/500 either way, and the time that a timer may
 * be late, 50 ms or a twentieth of the TTL.
 */
export function marginMs(ttlMs: number): number {
  return Math.ceil(ttlMs / 250) + Math.min(50, Math.ceil(ttlMs / 20));
}

/** Between two renewals. */
export function periodMs(ttlMs: number): number {
  return ttlMs / 3;
}

/** Renewals that fall due within so long go out together; a power of two, so that those of different TTLs meet. */
export function renewalGrainMs(ttlMs: number): number {
  return grain(ttlMs / 48, 128);
}

/** A deadline may be called by so much too early, never late. */
export function deadlineGrainMs(ttlMs: number): number {
  return grain(ttlMs / 200, 64);
}

/**
 * The first renewal after a grant: somewhere in the second half of a period, drawn once. It is the phase of the lease from then on, so
 * that leases that were made together do not fall due together for ever. `random` in [0, 1).
 */
export function firstDueMs(sentMs: number, ttlMs: number, random: number): number {
  return sentMs + periodMs(ttlMs) * (0.5 + random / 2);
}

/** The renewal after one that was sent: the phase is kept, and no two are closer than half a period. `dueMs` is any point of the phase. */
export function nextDueMs(dueMs: number, sentMs: number, ttlMs: number): number {
  return phaseFrom(dueMs, sentMs + periodMs(ttlMs) / 2, periodMs(ttlMs));
}

/**
 * When to ask for a lease whose renewal was missed while there was no stream, now that there is one again: at once if less than a third
 * of its TTL is left, else half-way to its own next time, so that many spread over half a period, in the order of their need.
 */
export function catchUpMs(dueMs: number, nowMs: number, leftMs: number, ttlMs: number): number {
  if (leftMs < periodMs(ttlMs)) return nowMs;
  return nowMs + (phaseFrom(dueMs, nowMs, periodMs(ttlMs)) - nowMs) / 2;
}

/** How long a stream may be silent while it owes answers; `ttlMs` is the shortest of all leases. */
export function silenceMs(ttlMs: number): number {
  return Math.min(3_000, ttlMs / 4);
}

/** The pause before the next stream after so many failures in a row. */
export function retryMs(failures: number, ttlMs: number, random: number): number {
  const ceilingMs = Math.min(2_000, ttlMs / 8);
  return Math.min(ceilingMs, 50 * 2 ** Math.min(failures, 10)) * (0.5 + random);
}

/** The first point of a phase that is not before `fromMs`. */
function phaseFrom(dueMs: number, fromMs: number, period: number): number {
  return dueMs + Math.ceil((fromMs - dueMs) / period) * period;
}

function grain(wantedMs: number, maxMs: number): number {
  return Math.min(maxMs, 2 ** Math.max(0, Math.floor(Math.log2(wantedMs))));
}
