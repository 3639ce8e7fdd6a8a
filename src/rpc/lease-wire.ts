/** What both halves of the Lease service share: the wire's seconds, and who is told. */

/** Hears of what this member's clients did to leases; for metrics. */
export interface LeaseObserver {
  leaseGranted(ttlSeconds: number): void;
  leaseRevoked(): void;
  leaseRenewed(count: number): void;
}

/** A TTL as the wire says it: never more than was granted, and never 0, which means gone. */
export function wholeSeconds(ttlMs: number): number {
  return Math.max(1, Math.floor(ttlMs / 1000));
}
