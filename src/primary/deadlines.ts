/**
 * The one place where a deadline is computed (house §5). All times are lessor milliseconds, all TTLs whole milliseconds.
 * ρ = 1/500 bounds by how much a clock may run fast (reliability.md §0.3): a deadline is stretched by it, a time left is shrunk by
 * it. Keeps L1, L3 and L6's bounds on a recorded time left.
 */

/** 1/ρ. */
const DRIFT_DIVISOR = 500;

/** ceil(ttl · (1+ρ)), exact for whole milliseconds up to etcd's largest TTL. */
export function stretchedMs(ttlMs: number): number {
  return ttlMs + Math.ceil(ttlMs / DRIFT_DIVISOR);
}

/** A lease granted or renewed at `receiptMs` may end from here on. */
export function renewalDeadlineMs(receiptMs: number, grantedMs: number): number {
  return receiptMs + stretchedMs(grantedMs);
}

/** A lease that a new primary takes over at `nowMs` may end from here on; `remainingMs` 0: none is recorded. */
export function promotionDeadlineMs(
  nowMs: number,
  electionTimeoutMs: number,
  remainingMs: number,
  grantedMs: number,
): number {
  return nowMs + electionTimeoutMs + stretchedMs(remainingMs > 0 ? remainingMs : grantedMs);
}

/** What a client is told is left; negative once the deadline has passed. */
export function timeToLiveMs(deadlineMs: number, nowMs: number): number {
  return Math.floor(shrunkMs(deadlineMs - nowMs));
}

/** What a checkpoint records as left: rounded up, at least 1 ms, at most the granted TTL (L6). */
export function recordedRemainingMs(deadlineMs: number, nowMs: number, grantedMs: number): number {
  return Math.min(grantedMs, Math.max(1, Math.ceil(shrunkMs(deadlineMs - nowMs))));
}

function shrunkMs(spanMs: number): number {
  return (spanMs * DRIFT_DIVISOR) / (DRIFT_DIVISOR + 1);
}
