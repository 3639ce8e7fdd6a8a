/** What the primary reads of the replicated leases. The lessor of `state/` satisfies it; the primary never writes to it. */
import type { LeaseId } from '../state/command.ts';

/** Leases as columns: a slot is a small integer, reused after its lease ended; the stamp tells lives apart (L8). */
export interface LeaseTable {
  /** Every live slot is below this. */
  readonly slotCount: number;
  /** The slot of a live lease, or -1. */
  slotOf(id: LeaseId): number;
  isLive(slot: number): boolean;
  /** Of a live slot, as all below. */
  idAt(slot: number): LeaseId;
  stampAt(slot: number): number;
  grantedMsAt(slot: number): number;
  /** Recorded by a checkpoint and not cleared; 0: none. */
  remainingMsAt(slot: number): number;
  keyCountAt(slot: number): number;
}
