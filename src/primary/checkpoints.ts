/**
 * Owns when what is left of a lease is written down, so that leader changes do not give a lease that nobody renews a fresh life
 * (L7). Not a matter of safety: a record may be late or missing. A healthy lease costs no entry, as each renewal puts its record
 * off. Keeps L6 (bounds, never rising between renewals) and the second half of L7 (scheduling never dies out nor multiplies).
 */
import { checkpointEveryMs, leaseMovesPerTurnMax } from '../base/limits.ts';
import { Wheel } from '../base/wheel.ts';
import type { Checkpoint } from '../state/command.ts';
import type { Term } from '../store/entry.ts';
import { recordedRemainingMs } from './deadlines.ts';
import type { Decisions } from './decisions.ts';
import type { Expiry } from './expiry.ts';
import type { LeaseTable } from './lease-table.ts';
import type { DutyLimits } from './limits.ts';

/** No record is made more often than this. */
const SPACING_MS_MIN = 5_000;

/** c: from promotion to the first record of a lease not renewed since, and from record to record. */
export function spacingMs(grantedMs: number): number {
  return Math.max(SPACING_MS_MIN, grantedMs / 20);
}

/** θ: from the last renewal to the first record. A client renews at a third of the TTL, so a healthy lease never gets there. */
export function idleMs(grantedMs: number): number {
  return Math.max(SPACING_MS_MIN, grantedMs / 2);
}

/** True if the lease ends before its first record would be due: it never needs one. */
function tooShort(grantedMs: number): boolean {
  return spacingMs(grantedMs) >= grantedMs;
}

/** The schedule of one term. */
export class Checkpoints {
  readonly #table: LeaseTable;
  readonly #decisions: Decisions;
  readonly #expiry: Expiry;
  readonly #wheel: Wheel;
  /** The wheel has not come up to the time of the last decision. */
  #behind = false;
  /** Leases that may be recorded at once, refilled with time. */
  #allowance = 0;
  #refilledMs: number;
  #decidedMs = Number.NEGATIVE_INFINITY;

  constructor(table: LeaseTable, decisions: Decisions, expiry: Expiry, nowMs: number) {
    this.#table = table;
    this.#decisions = decisions;
    this.#expiry = expiry;
    this.#refilledMs = nowMs;
    this.#wheel = new Wheel(nowMs);
  }

  /** As `Expiry.behind`. */
  get behind(): boolean {
    return this.#behind;
  }

  /** Leases whose record is due and waits for its turn. */
  get backlog(): number {
    return this.#wheel.dueCount;
  }

  /** When the next record of the lease is due; 0: it needs none. */
  dueMsOf(slot: number): number {
    return this.#wheel.dueAt(slot);
  }

  /** Granted, or renewed by a request received then: due θ later. */
  renewed(slot: number, receiptMs: number): void {
    const grantedMs = this.#table.grantedMsAt(slot);
    if (!tooShort(grantedMs)) this.#schedule(slot, receiptMs + idleMs(grantedMs));
  }

  /** A renewal waits: a record now would only have to be cleared again. */
  putOff(slot: number, receiptMs: number): void {
    if (this.#wheel.has(slot)) this.#wheel.raise(slot, receiptMs + idleMs(this.#table.grantedMsAt(slot)));
  }

  /** Taken over at promotion: due c later, whatever happened under other leaders. */
  promoted(slot: number, nowMs: number): void {
    const grantedMs = this.#table.grantedMsAt(slot);
    if (!tooShort(grantedMs)) this.#schedule(slot, nowMs + spacingMs(grantedMs));
  }

  /** The lease ended. */
  forget(slot: number): void {
    this.#wheel.remove(slot);
  }

  /** A record was decided but not proposed: due again at once. */
  undecided(slot: number, nowMs: number): void {
    this.#wheel.set(slot, nowMs);
  }

  /** The records to make now. Every slot looked at is scheduled again, whatever comes of it (M38). */
  decide(term: Term, nowMs: number, limits: DutyLimits): Checkpoint[] {
    this.#behind = !this.#wheel.advance(nowMs, leaseMovesPerTurnMax);
    this.#refill(nowMs, limits);
    const commands: Checkpoint[] = [];
    // Else each entry, once applied, would be followed by one with the few leases that the rate allowed meanwhile.
    if (nowMs - this.#decidedMs < checkpointEveryMs) return commands;
    let leases: Checkpoint['leases'][number][] = [];
    // Slots with nothing to record cost no allowance, but a turn looks at no more than this.
    for (let looks = leaseMovesPerTurnMax; looks > 0 && this.#allowance >= 1; looks--) {
      const slot = this.#wheel.peekDue(nowMs);
      if (slot < 0) break;
      const grantedMs = this.#table.grantedMsAt(slot);
      this.#wheel.set(slot, nowMs + spacingMs(grantedMs));
      const deadlineMs = this.#expiry.deadlineMsOf(slot);
      if (deadlineMs <= nowMs || this.#decisions.has(slot)) continue;
      const remainingMs = recordedRemainingMs(deadlineMs, nowMs, grantedMs);
      // Only what shortens the next promotion is worth an entry; a record never rises between renewals (L6).
      const knownMs = this.#table.remainingMsAt(slot) || grantedMs;
      if (remainingMs >= knownMs) continue;
      const stamp = this.#table.stampAt(slot);
      this.#decisions.make(slot, 'checkpoint', stamp);
      this.#allowance--;
      leases.push({ id: this.#table.idAt(slot), stamp, remainingMs });
      if (leases.length < limits.leasesPerCommandMax) continue;
      commands.push({ type: 'checkpoint', term, leases });
      leases = [];
    }
    if (leases.length > 0) commands.push({ type: 'checkpoint', term, leases });
    if (commands.length > 0) this.#decidedMs = nowMs;
    return commands;
  }

  #schedule(slot: number, dueMs: number): void {
    if (this.#wheel.has(slot)) this.#wheel.raise(slot, dueMs);
    else this.#wheel.set(slot, dueMs);
  }

  /** A tenth of the rate may come at once, the rest evenly: no second sees more than the limit. */
  #refill(nowMs: number, limits: DutyLimits): void {
    const perSecond = limits.checkpointLeasesPerSecondMax;
    const burst = Math.max(1, perSecond / 10);
    const refilled = this.#allowance + ((nowMs - this.#refilledMs) * (perSecond - burst)) / 1_000;
    this.#allowance = Math.min(burst, refilled);
    this.#refilledMs = nowMs;
  }
}
