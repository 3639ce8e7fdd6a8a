/**
 * Owns the deadlines of one leadership and the choice of what ends next. Deadlines are volatile: made at promotion, thrown away at
 * demotion (L3), only ever raised in between. Does not own how a deadline is computed (`deadlines.ts`). Keeps L1 (nothing is chosen
 * before its deadline), L4 and L14 (deadline order, bounded batches).
 */
import { assert } from '../base/assert.ts';
import { deadlineLooksMax, leaseMovesPerTurnMax } from '../base/limits.ts';
import { Wheel } from '../base/wheel.ts';
import type { Expire } from '../state/command.ts';
import type { Term } from '../store/entry.ts';
import type { Decisions } from './decisions.ts';
import type { LeaseTable } from './lease-table.ts';
import type { DutyLimits } from './limits.ts';

/** The deadlines of one term. */
export class Expiry {
  readonly #table: LeaseTable;
  readonly #decisions: Decisions;
  readonly #wheel: Wheel;
  /** The earliest deadline of each command in flight, oldest first. */
  readonly #inFlight: { readonly oldestMs: number; readonly leases: number }[] = [];
  /** The wheel has not come up to the time of the last decision. */
  #behind = false;
  /** Slots about which something was decided and is not any more; they go back to their place at the next decision. */
  #lifted: number[] = [];

  constructor(table: LeaseTable, decisions: Decisions, nowMs: number) {
    this.#table = table;
    this.#decisions = decisions;
    this.#wheel = new Wheel(nowMs);
  }

  /** More leases than one decision looks at may be due: it is to go on at once. */
  get behind(): boolean {
    return this.#behind;
  }

  /** When the next lease falls due, `untilMs` at most, as `Wheel.nextDue`. Those that are due already wait for something else. */
  nextDueMs(untilMs: number): number | undefined {
    return this.#wheel.nextDue(untilMs, deadlineLooksMax);
  }

  /** Of a tracked lease; 0 if there is none yet. */
  deadlineMsOf(slot: number): number {
    return this.#wheel.dueAt(slot);
  }

  /** Commands decided and not yet applied. */
  get commandsInFlight(): number {
    return this.#inFlight.length;
  }

  /** Leases due and not yet gone, including those in flight. */
  get backlog(): number {
    return this.#inFlight.reduce((sum, command) => sum + command.leases, this.#wheel.dueCount + this.#lifted.length);
  }

  /** By how much the oldest lease that is due and not yet gone is late; 0 if there is none. */
  oldestOverdueMs(nowMs: number): number {
    const slot = this.#wheel.peekDue(nowMs);
    let oldestMs = slot < 0 ? nowMs : this.#wheel.dueAt(slot);
    for (const command of this.#inFlight) oldestMs = Math.min(oldestMs, command.oldestMs);
    for (const lifted of this.#lifted) {
      if (this.#table.isLive(lifted)) oldestMs = Math.min(oldestMs, this.#wheel.dueAt(lifted));
    }
    return nowMs - oldestMs;
  }

  /** Watches the lease from now on; a deadline it has already is never lowered. */
  track(slot: number, deadlineMs: number): void {
    if (this.#wheel.has(slot)) this.#wheel.raise(slot, deadlineMs);
    else this.#wheel.set(slot, Math.max(deadlineMs, this.#wheel.dueAt(slot)));
  }

  /** Raises the deadline of a lease, tracked or not yet; one array write. */
  raise(slot: number, deadlineMs: number): void {
    this.#wheel.raise(slot, deadlineMs);
  }

  /** The lease ended. */
  forget(slot: number): void {
    this.#wheel.remove(slot);
  }

  /** The leases whose time is over, as commands in deadline order; each lease counts as decided from here on (M44). */
  decide(term: Term, nowMs: number, limits: DutyLimits): Expire[] {
    this.#putLiftedBack();
    this.#behind = !this.#wheel.advance(nowMs, leaseMovesPerTurnMax);
    const commands: Expire[] = [];
    while (this.#inFlight.length < limits.expireCommandsInFlightMax) {
      const slots = this.#takeBatch(nowMs, limits);
      if (slots.length === 0) break;
      const oldest = slots[0] as number;
      this.#inFlight.push({ oldestMs: this.#wheel.dueAt(oldest), leases: slots.length });
      const leases = slots.map((slot) => ({ id: this.#table.idAt(slot), stamp: this.#table.stampAt(slot) }));
      commands.push({ type: 'expire', term, leases });
    }
    return commands;
  }

  /** The oldest command in flight was applied. */
  commandSettled(): void {
    assert(this.#inFlight.shift() !== undefined, 'L13: an expire was applied that this leader did not decide');
  }

  /** The newest command in flight was not proposed. */
  commandUndecided(): void {
    assert(this.#inFlight.pop() !== undefined, 'L13: an expire is taken back that this leader did not decide');
  }

  /** Nothing is decided about the lease any more and it lives: it is watched again, in its old place in time. */
  lifted(slot: number): void {
    if (!this.#wheel.has(slot)) this.#lifted.push(slot);
  }

  /** To the head of the due list, the earliest deadline last and so first of all. */
  #putLiftedBack(): void {
    if (this.#lifted.length === 0) return;
    const slots = this.#lifted.sort((a, b) => this.#wheel.dueAt(b) - this.#wheel.dueAt(a));
    this.#lifted = [];
    for (const slot of slots) {
      // Since it was lifted the lease may have ended, and the slot been taken by another.
      if (this.#table.isLive(slot) && !this.#wheel.has(slot)) this.#wheel.putBack(slot);
    }
  }

  /** Slots for one command, in deadline order; a lease with more keys than a command may delete goes alone. */
  #takeBatch(nowMs: number, limits: DutyLimits): number[] {
    const slots: number[] = [];
    let keys = 0;
    while (slots.length < limits.leasesPerCommandMax) {
      const slot = this.#wheel.peekDue(nowMs);
      if (slot < 0) break;
      if (this.#decisions.has(slot)) {
        // A checkpoint or clear is on its way: back as soon as it is applied.
        this.#wheel.take(slot);
        continue;
      }
      keys += this.#table.keyCountAt(slot);
      if (slots.length > 0 && keys > limits.expireKeysPerCommandMax) break;
      const deadlineMs = this.#wheel.dueAt(slot);
      assert(deadlineMs > 0 && deadlineMs <= nowMs, 'L1: a lease is chosen before its deadline');
      this.#wheel.take(slot);
      this.#decisions.make(slot, 'expire', this.#table.stampAt(slot));
      slots.push(slot);
    }
    // The wheel's order is to the millisecond.
    return slots.sort((a, b) => this.#wheel.dueAt(a) - this.#wheel.dueAt(b));
  }
}
