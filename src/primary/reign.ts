/**
 * What a member holds while it is on duty in one term: deadlines, schedule, decisions. Made at promotion, thrown away whole at
 * demotion, so that nothing of it can be used in another term (L3, M45). Owns the promotion in slices and the order of what is
 * decided; does not know who asks (`primary.ts`).
 */
import { promotionSliceLeasesMax } from '../base/limits.ts';
import type { Checkpoint, Clear, Expire } from '../state/command.ts';
import type { Term } from '../store/entry.ts';
import { Checkpoints } from './checkpoints.ts';
import { Clears } from './clears.ts';
import { promotionDeadlineMs, renewalDeadlineMs } from './deadlines.ts';
import { Decisions } from './decisions.ts';
import { Expiry } from './expiry.ts';
import type { LeaseTable } from './lease-table.ts';
import type { DutyLimits } from './limits.ts';

/** The commands that only a primary makes. */
export type Duty = Expire | Checkpoint | Clear;

/** One leadership's worth of lease duties. */
export class Reign {
  readonly term: Term;
  readonly decisions = new Decisions();
  readonly expiry: Expiry;
  readonly checkpoints: Checkpoints;
  readonly clears: Clears;
  readonly #table: LeaseTable;
  readonly #electionTimeoutMs: number;
  /** Slots before this one were looked at by the promotion, which ends at `#slicesEnd`; later slots were granted since. */
  #sliceStart = 0;
  readonly #slicesEnd: number;

  constructor(term: Term, table: LeaseTable, electionTimeoutMs: number, nowMs: number) {
    this.term = term;
    this.#table = table;
    this.#electionTimeoutMs = electionTimeoutMs;
    this.expiry = new Expiry(table, this.decisions, nowMs);
    this.checkpoints = new Checkpoints(table, this.decisions, this.expiry, nowMs);
    this.clears = new Clears(table, this.decisions);
    this.#slicesEnd = table.slotCount;
  }

  /** True until every lease that lived at promotion has its deadline. */
  get promoting(): boolean {
    return this.#sliceStart < this.#slicesEnd;
  }

  /** There is more to do than one turn did: slices of the promotion, or moves of a wheel. */
  get pressed(): boolean {
    return this.promoting || this.expiry.behind || this.checkpoints.behind;
  }

  /** Takes over the next leases, read now (L3: remaining TTL and time belong to the same moment). True when all are. */
  slice(nowMs: number): boolean {
    const end = Math.min(this.#slicesEnd, this.#sliceStart + promotionSliceLeasesMax);
    for (let slot = this.#sliceStart; slot < end; slot++) if (this.#table.isLive(slot)) this.#takeOver(slot, nowMs);
    this.#sliceStart = end;
    return !this.promoting;
  }

  /** Makes sure the lease has its deadline though its slice may not have come yet. */
  reach(slot: number, nowMs: number): void {
    if (slot >= this.#sliceStart && slot < this.#slicesEnd) this.#takeOver(slot, nowMs);
  }

  /** Granted, or renewed by a request received then. */
  renew(slot: number, receiptMs: number): void {
    this.expiry.track(slot, renewalDeadlineMs(receiptMs, this.#table.grantedMsAt(slot)));
    this.checkpoints.renewed(slot, receiptMs);
  }

  /** A renewal waits: expiry and records pass over the lease meanwhile. Raising a deadline is always safe. */
  putOff(slot: number, receiptMs: number): void {
    this.expiry.raise(slot, renewalDeadlineMs(receiptMs, this.#table.grantedMsAt(slot)));
    this.checkpoints.putOff(slot, receiptMs);
  }

  /** The lease ended. Returns its deadline if that was by an expire of ours. */
  ended(slot: number): number | undefined {
    const deadlineMs = this.decisions.ended(slot) ? this.expiry.deadlineMsOf(slot) : undefined;
    this.expiry.forget(slot);
    this.checkpoints.forget(slot);
    this.clears.forget(slot);
    return deadlineMs;
  }

  /** What is to be proposed now: clears, checkpoints, expires last. */
  decide(nowMs: number, limits: DutyLimits, isAside: (slot: number) => boolean): Duty[] {
    const clears = this.clears.decide(this.term, limits, isAside);
    // While promoting none may end: a lease touched early might hold only a renewal's deadline.
    if (this.promoting) return clears;
    const checkpoints = this.checkpoints.decide(this.term, nowMs, limits);
    return [...clears, ...checkpoints, ...this.expiry.decide(this.term, nowMs, limits)];
  }

  /** A command was applied: calls `freed` with the slots of leases that live on and have nothing decided any more. */
  settled(command: Duty, freed: (slot: number) => void): void {
    if (command.type === 'expire') this.expiry.commandSettled();
    if (command.type === 'clear') this.clears.commandDone();
    this.#lift(command, freed);
  }

  /** A command was not proposed; as `settled`, and it will be decided anew. */
  undecided(command: Duty, nowMs: number, freed: (slot: number) => void): void {
    if (command.type === 'expire') this.expiry.commandUndecided();
    if (command.type === 'clear') this.clears.commandDone();
    if (command.type === 'checkpoint') {
      for (const { id } of command.leases) this.checkpoints.undecided(this.#table.slotOf(id), nowMs);
    }
    this.#lift(command, freed);
  }

  #lift(command: Duty, freed: (slot: number) => void): void {
    for (const { id, stamp } of command.leases) {
      const slot = this.#table.slotOf(id);
      if (slot < 0 || !this.decisions.lift(slot, command.type, stamp)) continue;
      this.expiry.lifted(slot);
      freed(slot);
    }
  }

  /** The deadline a promotion gives; taken over twice, or after an early renewal, the later one holds. */
  #takeOver(slot: number, nowMs: number): void {
    const remainingMs = this.#table.remainingMsAt(slot);
    const grantedMs = this.#table.grantedMsAt(slot);
    this.expiry.track(slot, promotionDeadlineMs(nowMs, this.#electionTimeoutMs, remainingMs, grantedMs));
    this.checkpoints.promoted(slot, nowMs);
  }
}
