/**
 * Owns which leases have something decided about them by this leader and not yet applied: condition (iii) of the ack rule. A
 * decision counts from the moment it is made, wherever it waits (M44), and for the life (stamp) it was made for. At most one
 * at a time per lease, whence never more than one checkpoint pending (L7) and never an expire beside a clear.
 */
import { assert } from '../base/assert.ts';
import { Float64Column, Uint8Column } from '../base/columns.ts';
import type { LeaseId } from '../state/command.ts';
import type { Term } from '../store/entry.ts';

/** What may be decided about a lease. */
export type Decision = 'expire' | 'checkpoint' | 'clear';

const NONE = 0;
const CODES = { expire: 1, checkpoint: 2, clear: 3 } as const;

/** By slot: what is decided, and for which stamp. */
export class Decisions {
  readonly #codes = new Uint8Column();
  readonly #stamps = new Float64Column();

  /** True while anything is decided about the lease in this slot. */
  has(slot: number): boolean {
    return this.#codes.get(slot) !== NONE;
  }

  /** Notes a decision about a lease that has none. */
  make(slot: number, decision: Decision, stamp: number): void {
    assert(!this.has(slot), 'L7: two decisions about one lease at once');
    this.#codes.set(slot, CODES[decision]);
    this.#stamps.set(slot, stamp);
  }

  /** Lifts a decision that was applied, or dropped, or never proposed. False if it was about another life of the slot. */
  lift(slot: number, decision: Decision, stamp: number): boolean {
    if (this.#codes.get(slot) !== CODES[decision] || this.#stamps.get(slot) !== stamp) return false;
    this.#codes.set(slot, NONE);
    return true;
  }

  /** The lease ended: what was decided about it can do nothing any more. Returns true if that was an expire. */
  ended(slot: number): boolean {
    if (!this.has(slot)) return false;
    const expired = this.#codes.get(slot) === CODES.expire;
    this.#codes.set(slot, NONE);
    return expired;
  }
}

/**
 * Revokes asked for by clients, proposed by this leader in this term and not yet applied. By id, as the lease may still be on its
 * way. Needed for L2 only (evidence/lease-model, case 17); expiry does not look at it.
 */
export class Revokes {
  readonly #counts = new Map<LeaseId, number>();
  #term: Term | undefined;

  /** Revokes in flight. */
  get count(): number {
    return this.#counts.size;
  }

  has(id: LeaseId): boolean {
    return this.#counts.size > 0 && this.#counts.has(id);
  }

  /** One more in flight; what an earlier term proposed is forgotten. */
  proposed(id: LeaseId, term: Term): void {
    this.begin(term);
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
  }

  /** Forgets what was proposed in any other term: it is applied before this term's first entry, or never. */
  begin(term: Term): void {
    if (this.#term === term) return;
    this.#counts.clear();
    this.#term = term;
  }

  /** One less; one that was not counted (an earlier term's) changes nothing. */
  settled(id: LeaseId): void {
    const count = this.#counts.get(id);
    if (count === undefined) return;
    if (count === 1) this.#counts.delete(id);
    else this.#counts.set(id, count - 1);
  }

  clear(): void {
    this.#counts.clear();
    this.#term = undefined;
  }
}
