/**
 * The leader's duties towards leases: answer those who renew, end what nobody renewed, write down what is left of the rest (house §5).
 * Pure given the lessor time passed in; the node brings role, term, rounds and applies, and proposes what is decided here.
 * Owns the ack rule, in `#look`: one synchronous step reads all its conditions and sets the deadline. Everything in here is
 * volatile and belongs to one term; demotion throws it away.
 * Keeps L1 (with `deadlines.ts`), L2, L3, L13 (decides only while on duty, in its own term), L14 (a question that waits delays no
 * other). Replicated state is only read.
 */
import { assert } from '../base/assert.ts';
import type { Command, LeaseId } from '../state/command.ts';
import type { Index, Term } from '../store/entry.ts';
import { timeToLiveMs } from './deadlines.ts';
import { Revokes } from './decisions.ts';
import type { LeaseTable } from './lease-table.ts';
import { type DutyLimits, dutyLimits } from './limits.ts';
import { type Duty, Reign } from './reign.ts';
import { type Question, Renewals } from './renewals.ts';

/** What the member's options decide about its duties. */
export interface PrimaryOptions {
  /** Added to every deadline at promotion: time to find the new leader. A courtesy, no promise rests on it. */
  readonly electionTimeoutMs: number;
  /** Told of each lease that expired: how long after its deadline this member applied the end, in milliseconds. */
  readonly observeLag?: (lagMs: number) => void;
  /** Told of each renewal asked for: what was left of the lease then, at least 0, and its granted TTL, in milliseconds. */
  readonly observeMargin?: (remainingMs: number, grantedMs: number) => void;
}

/** Answer to a question. Of a renewal `remainingMs` is the granted TTL; else it may be negative: due, not yet gone. */
export type PrimaryAnswer =
  | { readonly type: 'alive'; readonly grantedMs: number; readonly remainingMs: number }
  | { readonly type: 'gone' };

/** An answer and whom it is for. */
export interface Answered<Key> {
  readonly key: Key;
  readonly answer: PrimaryAnswer;
}

/** Figures for metrics and status. Cheap. */
export interface PrimaryStats {
  /** Leases due and not yet gone, those in flight included. */
  readonly backlog: number;
  /** Commands of each kind decided and not yet applied. */
  readonly expiresInFlight: number;
  readonly clearsInFlight: number;
  readonly revokesInFlight: number;
  /** By how much the oldest due lease is late, at the last `decide`. */
  readonly oldestOverdueMs: number;
  /** Leases whose record is due and waits for its turn. */
  readonly checkpointBacklog: number;
  /** Questions that wait for a round or applies, and leases with questions that stepped aside. */
  readonly questionsWaiting: number;
  readonly leasesAside: number;
  /** A promotion still has slices to do: nothing expires meanwhile. */
  readonly promoting: boolean;
}

/** One per node. `Key` says who asked and is opaque here. */
export class Primary<Key> {
  readonly #options: PrimaryOptions;
  readonly #table: LeaseTable;
  readonly #renewals = new Renewals<Key>();
  readonly #revokes = new Revokes();
  #reign: Reign | undefined;
  #applied: Index = 0;
  #nowMs = 0;
  /** The answer to the last renewal: all of one TTL are alike. */
  #renewedAnswer: PrimaryAnswer & { readonly type: 'alive' } = { type: 'alive', grantedMs: 0, remainingMs: 0 };
  /** Deadlines of leases that expired since the last `applied`. */
  #lapsedMs: number[] = [];

  constructor(options: PrimaryOptions, table: LeaseTable) {
    this.#options = options;
    this.#table = table;
  }

  /** The term this member is on duty for; undefined: demoted, or not promoted yet. */
  get term(): Term | undefined {
    return this.#reign?.term;
  }

  /**
   * On duty from here on. Called in the step in which the first entry of the own term was applied (not at the election, and
   * with the present time: M42); call `promotionSlice` each turn until it returns true.
   */
  promote(term: Term, nowMs: number): void {
    assert(this.#reign === undefined, 'L3: promoted twice without a demotion');
    this.#reign = new Reign(term, this.#table, this.#options.electionTimeoutMs, nowMs);
    this.#revokes.begin(term);
    this.#nowMs = nowMs;
  }

  /** Gives the next slice of leases their deadlines. True once all have one; only then does anything expire. */
  promotionSlice(nowMs: number): boolean {
    return this.#onDuty().slice(nowMs);
  }

  /**
   * Leadership is lost, promoted or not: forgets deadlines, decisions and questions (M45). Returns whom to answer
   * "unavailable". Safe to call at any time.
   */
  demote(): { readonly key: Key }[] {
    const askers: { readonly key: Key }[] = [];
    this.#renewals.forEach(({ key }) => void askers.push({ key }));
    this.#renewals.clear();
    this.#revokes.clear();
    this.#lapsedMs = [];
    this.#reign = undefined;
    return askers;
  }

  // ── what was applied (lease observer) ────────────────────────────────────────────────────────────────────────────────

  /** A lease came to life in this slot. */
  granted(slot: number, nowMs: number): void {
    this.#reign?.renew(slot, nowMs);
  }

  /** The lease in this slot ended; the slot may be used again. */
  ended(slot: number): void {
    if (this.#reign === undefined) return;
    const deadlineMs = this.#reign.ended(slot);
    if (deadlineMs !== undefined) this.#lapsedMs.push(deadlineMs);
    this.#renewals.release(slot);
  }

  /** What is left of the lease was written down. */
  checkpointed(slot: number): void {
    const remainingMs = this.#table.remainingMsAt(slot);
    assert(remainingMs > 0 && remainingMs <= this.#table.grantedMsAt(slot), 'L6: 0 < remaining <= granted');
  }

  /** What was written down is void. The deadline is untouched: a good clear renews nothing. */
  cleared(slot: number, _nowMs: number): void {
    assert(this.#table.remainingMsAt(slot) === 0, 'L6: a cleared lease has nothing recorded');
  }

  /**
   * An `expire`, `checkpoint` or `clear` was applied, whatever came of it; call it after the observer. Those of another term
   * change nothing.
   */
  settled(command: Duty): void {
    const reign = this.#reign;
    if (reign === undefined || command.term !== reign.term) return;
    reign.settled(command, this.#free);
  }

  /** This leader proposed a client's revoke in `term`; call it also before promotion, then with the term. */
  revokeProposed(id: LeaseId, term: Term | undefined = this.term): void {
    if (term !== undefined) this.#revokes.proposed(id, term);
  }

  /** A client's revoke was applied, while on duty. */
  revokeSettled(id: LeaseId): void {
    if (this.#reign === undefined) return;
    this.#revokes.settled(id);
    const slot = this.#table.slotOf(id);
    if (slot >= 0) this.#renewals.release(slot);
  }

  /** The end of a turn's applies: everything up to `index` is in the table. */
  applied(index: Index, nowMs: number): void {
    this.#applied = index;
    this.#nowMs = nowMs;
    for (const deadlineMs of this.#lapsedMs) this.#options.observeLag?.(Math.max(0, nowMs - deadlineMs));
    if (this.#lapsedMs.length > 0) this.#lapsedMs = [];
  }

  // ── questions ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Takes a question in. A renewal raises the deadline at once, so that expiry passes over it while it waits. */
  ask(question: Question<Key>): void {
    this.#renewals.ask(question);
    const reign = this.#reign;
    if (reign === undefined || question.kind !== 'keepAlive') return;
    const slot = this.#table.slotOf(question.id);
    if (slot < 0) return;
    const deadlineMs = reign.expiry.deadlineMsOf(slot);
    if (Number.isFinite(deadlineMs)) {
      const leftMs = Math.max(0, timeToLiveMs(deadlineMs, question.receiptMs));
      this.#options.observeMargin?.(leftMs, this.#table.grantedMsAt(slot));
    }
    reign.putOff(slot, question.receiptMs);
  }

  /** A quorum answered, in this term, all rounds asked for by tickets up to `upTo`; `index` was committed at their start. */
  roundAnswered(upTo: number, index: Index): void {
    this.#renewals.roundAnswered(upTo, index);
  }

  /** Everything that may be answered in this step, in order. The node has checked role and term in the same step (iv). */
  takeAnswers(nowMs: number): Answered<Key>[] {
    const reign = this.#reign;
    if (reign === undefined) return [];
    const answers: Answered<Key>[] = [];
    for (const question of this.#renewals.takeReady(this.#applied)) {
      const answer = this.#look(reign, question, nowMs);
      if (answer !== undefined) answers.push({ key: question.key, answer });
    }
    return answers;
  }

  /**
   * The ack rule (house §5). That a round begun after the arrival was answered (ii) and that all committed at its start is applied,
   * the own term's first entry with it (i), holds for every question that comes here. Undefined: it steps aside, and whatever
   * it waits for brings it back here, to the beginning (M41).
   */
  #look(reign: Reign, question: Question<Key>, nowMs: number): PrimaryAnswer | undefined {
    const { id, kind, receiptMs } = question;
    const slot = this.#table.slotOf(id);
    if (slot < 0) return gone;
    reign.reach(slot, nowMs);
    const grantedMs = this.#table.grantedMsAt(slot);
    if (kind === 'timeToLive' && !this.#renewals.isAside(slot)) {
      return { type: 'alive', grantedMs, remainingMs: timeToLiveMs(reign.expiry.deadlineMsOf(slot), nowMs) };
    }
    if (this.#renewals.isAside(slot) || !this.#mayRenew(reign, slot, id)) {
      this.#renewals.stepAside(slot, question);
      return undefined;
    }
    reign.renew(slot, receiptMs);
    if (this.#renewedAnswer.grantedMs !== grantedMs)
      this.#renewedAnswer = { type: 'alive', grantedMs, remainingMs: grantedMs };
    return this.#renewedAnswer;
  }

  /** Condition (iii): nothing that could end or shorten the lease is decided and not applied, and nothing is recorded. */
  #mayRenew(reign: Reign, slot: number, id: LeaseId): boolean {
    if (reign.decisions.has(slot) || this.#revokes.has(id)) return false;
    if (this.#table.remainingMsAt(slot) === 0) return true;
    reign.clears.want(slot);
    return false;
  }

  /** There is more to do than one turn did: the next one is wanted at once. */
  get pressed(): boolean {
    return this.#reign?.pressed ?? false;
  }

  /**
   * When the next lease falls due, `untilMs` at most; undefined if none does, as far as a short look tells. A turn then spares a
   * lone lease the wait for a tick; late is all that can come of not having one.
   */
  nextDueMs(untilMs: number): number | undefined {
    return this.#reign?.expiry.nextDueMs(untilMs);
  }

  // ── decisions ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * What is to be proposed now, in this order: clears, checkpoints, expires. Each lease in it counts as decided from this moment
   * (M44). Hand back by `undecided` what could not be proposed, and only that.
   */
  decide(nowMs: number, limits: DutyLimits = dutyLimits): Duty[] {
    this.#nowMs = nowMs;
    return this.#onDuty().decide(nowMs, limits, (slot) => this.#renewals.isAside(slot));
  }

  /** A command of the last `decide` was not proposed: its leases are free again, and it is decided anew later. */
  undecided(command: Command): void {
    assert(isDuty(command), 'L13: not a decision of the primary');
    this.#onDuty().undecided(command, this.#nowMs, this.#free);
  }

  /** For metrics and status. */
  stats(): PrimaryStats {
    const reign = this.#reign;
    return {
      backlog: reign?.expiry.backlog ?? 0,
      expiresInFlight: reign?.expiry.commandsInFlight ?? 0,
      clearsInFlight: reign?.clears.commandsInFlight ?? 0,
      revokesInFlight: this.#revokes.count,
      oldestOverdueMs: reign?.expiry.oldestOverdueMs(this.#nowMs) ?? 0,
      checkpointBacklog: reign?.checkpoints.backlog ?? 0,
      questionsWaiting: this.#renewals.waiting,
      leasesAside: this.#renewals.leasesAside,
      promoting: reign?.promoting ?? false,
    };
  }

  /** Nothing is decided any more about the lease in this slot: who waited for that is looked at again. */
  readonly #free = (slot: number): void => this.#renewals.release(slot);

  #onDuty(): Reign {
    assert(this.#reign !== undefined, 'L3: only a promoted leader decides');
    return this.#reign;
  }
}

const gone: PrimaryAnswer = { type: 'gone' };

function isDuty(command: Command): command is Duty {
  return command.type === 'expire' || command.type === 'checkpoint' || command.type === 'clear';
}
