/**
 * The leader's duties in the node: when this member is on duty, who asked it what, and what it decides. Promotes only after the
 * first entry of the own term is applied, demotes the moment role or term is not ours any more. The rules of time are in
 * `primary/`; nothing here computes a deadline. Keeps L3, L13.
 */

import { dutyLimits } from '../primary/limits.ts';
import { Primary } from '../primary/primary.ts';
import type { Question } from '../primary/renewals.ts';
import type { Raft } from '../raft/raft.ts';
import type { Command, LeaseId } from '../state/command.ts';
import type { LeaseObserver, Machine } from '../state/machine.ts';
import type { Entry, Index, MemberId, Term } from '../store/entry.ts';
import type { NodeOptions } from './options.ts';
import type { ForwardAnswers, ForwardQuestions, LeaseAnswer, LeaseQuestion } from './peer-message.ts';
import type { Ports } from './ports.ts';
import { Sweeps } from './sweeps.ts';

/** Who asked: a member (perhaps ourselves), in which of its boots, under which number. */
export interface AskerKey {
  readonly member: MemberId;
  readonly boot: number;
  readonly seq: number;
}

/** A question as it came in; its own key, as one object is all that a renewal should cost. */
class Asked implements AskerKey, Question<AskerKey> {
  readonly member: MemberId;
  readonly boot: number;
  readonly seq: number;
  readonly kind: 'keepAlive' | 'timeToLive';
  readonly id: LeaseId;
  readonly receiptMs: number;
  /** Given once, before the primary sees it. */
  ticket = 0;

  constructor(member: MemberId, boot: number, { seq, kind, id }: LeaseQuestion, receiptMs: number) {
    this.member = member;
    this.boot = boot;
    this.seq = seq;
    this.kind = kind;
    this.id = id;
    this.receiptMs = receiptMs;
  }

  get key(): AskerKey {
    return this;
  }
}

export class Duty {
  readonly primary: Primary<AskerKey>;
  readonly #raft: Raft;
  readonly #member: MemberId;
  readonly #tickMs: number;
  readonly #machine: Machine;
  readonly #sweeps: Sweeps;
  /** Asked of us as leader, and not yet under a round: before promotion, or since the last turn. */
  #inbox: Asked[] = [];
  #nowMs = 0;
  /** Something was applied since the last `decide` that lets us decide more. */
  #mayDecide = false;
  #slicesLeft = false;
  readonly observer: LeaseObserver = {
    granted: (slot) => this.primary.granted(slot, this.#nowMs),
    ended: (slot) => this.primary.ended(slot),
    checkpointed: (slot) => this.primary.checkpointed(slot),
    cleared: (slot) => this.primary.cleared(slot, this.#nowMs),
  };

  constructor(options: NodeOptions, raft: Raft, machine: Machine, electionTimeoutMs: number) {
    this.#member = options.member;
    this.#tickMs = options.tickMs;
    this.#raft = raft;
    this.#machine = machine;
    this.#sweeps = new Sweeps(machine);
    const { observeLag, observeMargin } = options;
    this.primary = new Primary<AskerKey>(
      {
        electionTimeoutMs,
        ...(observeLag === undefined ? {} : { observeLag }),
        ...(observeMargin === undefined ? {} : { observeMargin }),
      },
      machine.lessor,
    );
  }

  /** Who is told of what an entry does to leases: nobody while we are off duty. */
  get applyObserver(): LeaseObserver | undefined {
    return this.primary.term === undefined ? undefined : this.observer;
  }

  /** The term this member leads in, or undefined. */
  get leading(): Term | undefined {
    return this.#raft.role === 'leader' ? this.#raft.term : undefined;
  }

  /**
   * Whether our applied state is the newest that anybody can have heard of: on duty, with all applied that is committed. Only then
   * may an alarm that we see raised refuse a command before it is proposed; on others it may have been disarmed since.
   */
  get isCurrent(): boolean {
    const onDuty = this.primary.term !== undefined && this.primary.term === this.leading;
    return onDuty && this.#machine.appliedIndex === this.#raft.commit;
  }

  /** There is more to do than this turn did: the next one is wanted at once. */
  get pressed(): boolean {
    return this.#slicesLeft || this.primary.pressed;
  }

  /** The turn is over: the next comes with the tick, or with a lease that falls due before it. */
  sleep(ports: Pick<Ports, 'wakeIn'>): void {
    const dueMs = this.primary.nextDueMs(this.#nowMs + this.#tickMs);
    if (dueMs !== undefined) ports.wakeIn(Math.max(0, dueMs - this.#nowMs));
  }

  /** Called whenever time or role may have moved, before anything of the primary is used. Returns whom to tell "ask again". */
  follow(nowMs: number): readonly AskerKey[] {
    this.#nowMs = nowMs;
    if (this.primary.term === undefined || this.primary.term === this.leading) {
      return this.leading === undefined ? this.#inbox.splice(0).map((asked) => asked.key) : [];
    }
    const waiting = this.primary.demote().map((asked) => asked.key);
    this.#slicesLeft = false;
    if (this.leading !== undefined) return waiting;
    return [...waiting, ...this.#inbox.splice(0).map((asked) => asked.key)];
  }

  /** An entry was applied; if it is the first of the term we lead, we go on duty (L3). */
  entryApplied(entry: Entry): void {
    if (this.leading === undefined || entry.term !== this.leading || this.primary.term === this.leading) return;
    this.primary.promote(entry.term, this.#nowMs);
    this.#slicesLeft = true;
  }

  /** Promotes the next slice of leases, if any are left. */
  promoteSlice(): void {
    if (this.#slicesLeft) this.#slicesLeft = !this.primary.promotionSlice(this.#nowMs);
  }

  /** A question for the primary, from our own clients or a follower's. */
  ask(member: MemberId, boot: number, question: LeaseQuestion): void {
    this.#inbox.push(new Asked(member, boot, question, this.#nowMs));
  }

  /** A follower's batch; those not aimed at the term we lead are answered `unavailable`. */
  take(message: ForwardQuestions): ForwardAnswers | undefined {
    if (this.leading === message.term) {
      for (const question of message.questions) this.ask(message.from, message.boot, question);
      return undefined;
    }
    const answers = message.questions.map(({ seq }): LeaseAnswer => ({ seq, type: 'unavailable' }));
    return {
      type: 'forwardAnswers',
      from: this.#member,
      to: message.from,
      term: message.term,
      boot: message.boot,
      answers,
    };
  }

  /** There may be something to decide or to ask for at once. */
  get wantsTurn(): boolean {
    return this.#mayDecide || this.wantsTicket;
  }

  /** On duty with questions that no round covers yet: a ticket is wanted. */
  get wantsTicket(): boolean {
    return this.#inbox.length > 0 && this.primary.term !== undefined && this.primary.term === this.leading;
  }

  ticket(ticket: number): void {
    for (const asked of this.#inbox) {
      asked.ticket = ticket;
      this.primary.ask(asked);
    }
    this.#inbox = [];
  }

  /** What the leader decides now; each counts as in flight from here on. While CORRUPT is raised nothing expires. */
  decide(): Command[] {
    const { term } = this.primary;
    this.#mayDecide = false;
    if (term === undefined || term !== this.leading) return [];
    const limits = this.#machine.alarms.has('corrupt') ? { ...dutyLimits, expireCommandsInFlightMax: 0 } : dutyLimits;
    const sweep = this.#sweeps.decide(term, this.#nowMs);
    const decided = this.primary.decide(this.#nowMs, limits);
    return sweep === undefined ? decided : [sweep, ...decided];
  }

  /** What was decided could not be proposed. */
  undecided(command: Command): void {
    if (command.type === 'sweep') this.#sweeps.undecided();
    else this.primary.undecided(command);
  }

  /** A client's command goes into our log. */
  proposed(command: Command): void {
    if (command.type === 'revoke') this.primary.revokeProposed(command.id, this.leading);
  }

  /** A command was applied, whatever came of it. */
  commandApplied(command: Command): void {
    if (command.type === 'sweep') this.#sweeps.applied(command);
    if (this.primary.term === undefined) return;
    if (command.type === 'revoke') this.primary.revokeSettled(command.id);
    else if (command.type === 'expire' || command.type === 'checkpoint' || command.type === 'clear') {
      this.primary.settled(command);
      this.#mayDecide = true;
    } else if (command.type === 'compact' || command.type === 'sweep') this.#mayDecide = true;
  }

  applied(index: Index): void {
    if (this.primary.term !== undefined) this.primary.applied(index, this.#nowMs);
  }

  /** What can be answered now, in order. */
  takeAnswers(): ReturnType<Primary<AskerKey>['takeAnswers']> {
    if (this.primary.term === undefined || this.primary.term !== this.leading) return [];
    return this.primary.takeAnswers(this.#nowMs);
  }
}
