/**
 * Owns the clears: entries that void what a checkpoint recorded, so that a renewal may be acknowledged. Asked for by the ack rule,
 * batched here. A good clear is no permission (M41): it only removes the obstacle, and sets a new stamp. Keeps L6, L8.
 */
import type { Clear } from '../state/command.ts';
import type { Term } from '../store/entry.ts';
import type { Decisions } from './decisions.ts';
import type { LeaseTable } from './lease-table.ts';
import type { DutyLimits } from './limits.ts';

/** The clears of one term. */
export class Clears {
  readonly #table: LeaseTable;
  readonly #decisions: Decisions;
  /** Slots that need one and have none yet. */
  readonly #wanted = new Set<number>();
  #inFlight = 0;

  constructor(table: LeaseTable, decisions: Decisions) {
    this.#table = table;
    this.#decisions = decisions;
  }

  /** Commands decided and not yet applied. */
  get commandsInFlight(): number {
    return this.#inFlight;
  }

  /** A renewal waits for the lease in this slot to have nothing recorded. */
  want(slot: number): void {
    this.#wanted.add(slot);
  }

  /** The lease ended. */
  forget(slot: number): void {
    this.#wanted.delete(slot);
  }

  /** A command was applied, or not proposed. */
  commandDone(): void {
    this.#inFlight--;
  }

  /** The clears still needed, in the order they were asked for; `isAside` says whether anybody still waits for one. */
  decide(term: Term, limits: DutyLimits, isAside: (slot: number) => boolean): Clear[] {
    const commands: Clear[] = [];
    let leases: Clear['leases'][number][] = [];
    for (const slot of this.#wanted) {
      if (leases.length === 0 && this.#inFlight >= limits.clearCommandsInFlightMax) break;
      this.#wanted.delete(slot);
      if (this.#decisions.has(slot) || !isAside(slot)) continue;
      const stamp = this.#table.stampAt(slot);
      this.#decisions.make(slot, 'clear', stamp);
      leases.push({ id: this.#table.idAt(slot), stamp });
      if (leases.length === 1) {
        this.#inFlight++;
        commands.push({ type: 'clear', term, leases });
      }
      if (leases.length >= limits.leasesPerCommandMax) leases = [];
    }
    return commands;
  }
}
