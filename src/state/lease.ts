/**
 * What commands do to leases (etcd-lease-semantics.md §2.2, 2.3, 2.13): grant, revoke, expire, checkpoint, clear. Each acts on
 * the life of a lease that it was decided for, known by its stamp, and on no other. Who may propose which is not decided here.
 * Invariants: L2, L5, L6, L8, L10.
 */
import { assert } from '../base/assert.ts';
import { NO_SLOT } from '../base/id-table.ts';
import { leasesMax, leaseTtlSecondsMax } from '../base/limits.ts';
import {
  type Checkpoint,
  type Clear,
  type Expire,
  type Grant,
  NO_LEASE,
  type Revoke,
  type StampedLease,
} from './command.ts';
import { type Kv, type Refused, refused } from './kv.ts';
import type { Lessor } from './lessor.ts';
import type { DoneResult, GrantResult } from './outcome.ts';

const TTL_MS_MAX = leaseTtlSecondsMax * 1000;

/**
 * Told of what happens to leases while an entry is applied. `ended` comes while the slot can still be read; the slot may be
 * given to another lease afterwards. The others come when the change is in place.
 */
export interface LeaseObserver {
  granted(slot: number): void;
  ended(slot: number): void;
  checkpointed(slot: number): void;
  cleared(slot: number): void;
}

type Observer = LeaseObserver | undefined;

/** Id 0 stands for "choose one" only at the edge. A TTL out of bounds should have been clamped there; here it is refused. */
export function applyGrant(lessor: Lessor, { id, ttlMs }: Grant, observer: Observer): GrantResult | Refused {
  if (id === NO_LEASE) return refused('leaseNotFound');
  if (ttlMs < 1 || ttlMs > TTL_MS_MAX) return refused('leaseTtlTooLarge');
  if (lessor.slotOf(id) !== NO_SLOT) return refused('leaseExists');
  // Slots are used again, so that none is ever beyond what an image may name.
  if (lessor.count >= leasesMax) return refused('noSpace');
  const slot = lessor.grant(id, ttlMs);
  observer?.granted(slot);
  return { type: 'grant', id, ttlMs };
}

/** A client's revoke: whatever life of the lease there is. */
export function applyRevoke(lessor: Lessor, kv: Kv, { id }: Revoke, observer: Observer): DoneResult | Refused {
  const slot = lessor.slotOf(id);
  if (slot === NO_SLOT) return refused('leaseNotFound');
  endLease(lessor, kv, slot, observer);
  return { type: 'done', touched: 1 };
}

/** The primary's revokes, one revision each. */
export function applyExpire(lessor: Lessor, kv: Kv, { leases }: Expire, observer: Observer): DoneResult {
  return touching(lessor, leases, (slot) => {
    endLease(lessor, kv, slot, observer);
    return true;
  });
}

/** Records what is left of leases; out of bounds is dropped (L6). */
export function applyCheckpoint(lessor: Lessor, { leases }: Checkpoint, observer: Observer): DoneResult {
  return touching(lessor, leases, (slot, { remainingMs }) => {
    if (remainingMs < 1 || remainingMs > lessor.grantedMsAt(slot)) return false;
    lessor.checkpoint(slot, remainingMs);
    observer?.checkpointed(slot);
    return true;
  });
}

/** Forgets what was recorded, under a new stamp: what was decided for the old one is void. */
export function applyClear(lessor: Lessor, { leases }: Clear, observer: Observer): DoneResult {
  return touching(lessor, leases, (slot) => {
    if (lessor.remainingMsAt(slot) === 0) return false;
    lessor.clear(slot);
    observer?.cleared(slot);
    return true;
  });
}

/** The keys go under one revision, in byte order, and the lease with them; without keys there is no revision (L5). */
function endLease(lessor: Lessor, kv: Kv, slot: number, observer: Observer): void {
  const before = kv.revisions.current;
  const nodes = lessor.keysAt(slot);
  for (const node of nodes) kv.delete(node);
  observer?.ended(slot);
  lessor.end(slot);
  kv.revisions.close();
  assert(kv.revisions.current === before + (nodes.length > 0 ? 1 : 0), 'L5: one revoke is one revision, or none');
}

/** Does `touch` for each lease that still lives under the stamp it was decided for (L8), in the order given. */
function touching<L extends StampedLease>(
  lessor: Lessor,
  leases: readonly L[],
  touch: (slot: number, lease: L) => boolean,
): DoneResult {
  let touched = 0;
  for (const lease of leases) {
    const slot = lessor.slotOf(lease.id);
    if (slot === NO_SLOT || lessor.stampAt(slot) !== lease.stamp) continue;
    if (touch(slot, lease)) touched += 1;
  }
  return { type: 'done', touched };
}
