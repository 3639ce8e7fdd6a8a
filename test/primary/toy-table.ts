/** A lessor small enough to be obviously right, for the tests of the primary's room: it applies commands, knows no time. */

import type { LeaseTable } from '../../src/primary/lease-table.ts';
import type { Command, LeaseId } from '../../src/state/command.ts';
import type { Term } from '../../src/store/entry.ts';

interface ToyLease {
  readonly id: LeaseId;
  readonly grantedMs: number;
  /** The stamp of its grant: which life of the id this is. */
  readonly life: number;
  stamp: number;
  remainingMs: number;
  keys: number;
}

/** What `Primary` offers to hear of applies. */
export interface ToyObserver {
  granted(slot: number): void;
  ended(slot: number): void;
  checkpointed(slot: number): void;
  cleared(slot: number): void;
}

export class ToyTable implements LeaseTable {
  readonly #slots: (ToyLease | undefined)[] = [];
  readonly #byId = new Map<LeaseId, number>();
  readonly #free: number[] = [];
  #stamps = 0;

  get slotCount(): number {
    return this.#slots.length;
  }
  slotOf(id: LeaseId): number {
    return this.#byId.get(id) ?? -1;
  }
  isLive(slot: number): boolean {
    return this.#slots[slot] !== undefined;
  }
  idAt(slot: number): LeaseId {
    return this.#at(slot).id;
  }
  stampAt(slot: number): number {
    return this.#at(slot).stamp;
  }
  grantedMsAt(slot: number): number {
    return this.#at(slot).grantedMs;
  }
  remainingMsAt(slot: number): number {
    return this.#at(slot).remainingMs;
  }
  keyCountAt(slot: number): number {
    return this.#at(slot).keys;
  }
  lifeAt(slot: number): number {
    return this.#at(slot).life;
  }
  get count(): number {
    return this.#byId.size;
  }
  get ids(): LeaseId[] {
    return [...this.#byId.keys()];
  }
  setKeys(id: LeaseId, keys: number): void {
    this.#at(this.slotOf(id)).keys = keys;
  }

  /** Applies as `state/` will: everything is checked against the stamp, a foreign term does nothing. Returns the lives that ended. */
  apply(command: Command, entryTerm: Term, observer: ToyObserver): number[] {
    const ended: number[] = [];
    switch (command.type) {
      case 'grant': {
        if (this.#byId.has(command.id)) return ended;
        const slot = this.#free.pop() ?? this.#slots.length;
        const { id, ttlMs: grantedMs } = command;
        this.#slots[slot] = { id, grantedMs, life: ++this.#stamps, stamp: this.#stamps, remainingMs: 0, keys: 0 };
        this.#byId.set(command.id, slot);
        observer.granted(slot);
        return ended;
      }
      case 'revoke':
        if (this.#byId.has(command.id)) ended.push(this.#end(this.slotOf(command.id), observer));
        return ended;
      case 'expire':
      case 'checkpoint':
      case 'clear':
        if (command.term !== entryTerm) return ended;
        for (const lease of command.leases) {
          const slot = this.slotOf(lease.id);
          if (slot < 0 || this.stampAt(slot) !== lease.stamp) continue;
          if (command.type === 'expire') ended.push(this.#end(slot, observer));
          else if (command.type === 'clear') {
            if (this.#at(slot).remainingMs === 0) continue;
            this.#at(slot).remainingMs = 0;
            this.#at(slot).stamp = ++this.#stamps;
            observer.cleared(slot);
          } else {
            this.#at(slot).remainingMs = (lease as { remainingMs: number }).remainingMs;
            observer.checkpointed(slot);
          }
        }
        return ended;
      default:
        throw new Error(`the toy table does not know ${command.type}`);
    }
  }

  #end(slot: number, observer: ToyObserver): number {
    const { id, life } = this.#at(slot);
    this.#byId.delete(id);
    this.#slots[slot] = undefined;
    this.#free.push(slot);
    observer.ended(slot);
    return life;
  }

  #at(slot: number): ToyLease {
    const lease = this.#slots[slot];
    if (lease === undefined) throw new Error(`slot ${slot} is not live`);
    return lease;
  }
}
