/**
 * Three members that do only what a script says, in the words of the model that house.md §5 was checked with: elect, replicate
 * partly, ask, begin a round, decide, propose, apply, answer. The lease duties are the real ones (`node/duty.ts`, `node/outbox.ts`,
 * `primary/`, `state/`); Raft is a toy small enough to be obviously right. As in the model "applied anywhere" is taken as
 * *chosen*: on a quorum, the earliest moment at which anybody could apply it. Checks L1, L2 and its mirror, L8.
 */
import type { Duty } from '../../src/node/duty.ts';
import { Forwards } from '../../src/node/forwards.ts';
import { Proposals } from '../../src/node/proposals.ts';
import { Questions } from '../../src/node/questions.ts';
import type { Command } from '../../src/state/command.ts';
import type { Entry } from '../../src/store/entry.ts';
import { ModelMember } from './lease-model-member.ts';
import { LeaseTruth, type ModelAsk } from './lease-model-truth.ts';

/** TTL of the one lease, unless a script says otherwise. */
export const ttlMs = 2_000;
/** Its id. */
export const leaseId = 7n;

/** A round that a voter answered; its answer may arrive late. */
export interface ModelRound {
  readonly term: number;
  readonly upTo: number;
  readonly index: number;
}

export class LeaseModel {
  readonly a = new ModelMember(1n);
  readonly b = new ModelMember(2n);
  readonly c = new ModelMember(3n);
  readonly #members = [this.a, this.b, this.c];
  readonly #asks = new Map<string, ModelAsk>();
  readonly #truth = new LeaseTruth();
  #seq = 0;
  #nowMs = 1_000;

  /** A leads in term 1, and the lease is granted, committed and applied everywhere. */
  constructor(grantedMs = ttlMs) {
    this.#advance();
    this.elect(this.a, this.b);
    this.propose(this.a, { type: 'grant', id: leaseId, ttlMs: grantedMs });
    this.replicate(this.a, this.b);
    this.replicate(this.a, this.c);
    for (const member of this.#members) this.apply(member);
  }

  // ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Time passes for all, in steps that no clock takes for a stall. */
  pass(ms: number): void {
    for (let left = ms; left > 0; left -= 200) {
      this.#nowMs += Math.min(200, left);
      this.#advance();
    }
  }

  /** Past the deadline of whatever was renewed last. */
  passDeadline(): void {
    this.pass(ttlMs + ttlMs / 500 + 1);
  }

  #advance(): void {
    for (const member of this.#members) member.clock.advance(this.#nowMs);
  }

  // ── Raft ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** `candidate` is elected by its own vote and that of `voter`; it puts its empty entry into its log. */
  elect(candidate: ModelMember, voter: ModelMember): void {
    const upToDate = lastTerm(candidate) > lastTerm(voter) || candidate.log.length >= voter.log.length;
    if (lastTerm(candidate) < lastTerm(voter) || !upToDate) return;
    const term = Math.max(candidate.raft.term, voter.raft.term) + 1;
    this.#hear(candidate, term);
    this.#hear(voter, term);
    candidate.raft.role = 'leader';
    candidate.raft.leader = candidate.id;
    voter.raft.leader = candidate.id;
    candidate.log.push({ index: candidate.log.length + 1, term, kind: 'empty', payload: new Uint8Array(0) });
    this.#follow(candidate);
  }

  /** The follower takes the leader's log, as far as `upTo`. `heard`: the leader learns of it, and commits what a quorum holds. */
  replicate(leader: ModelMember, follower: ModelMember, heard = true, upTo = leader.log.length): void {
    if (!this.#meet(leader, follower)) return;
    follower.raft.leader = leader.id;
    follower.log = leader.log.slice(0, upTo);
    follower.commit = Math.max(follower.commit, Math.min(leader.commit, upTo));
    if (leader.log[upTo - 1]?.term === leader.raft.term) this.#truth.choose(leader.log.slice(0, upTo), this.#nowMs);
    if (!heard || leader.log[upTo - 1]?.term !== leader.raft.term) return;
    leader.commit = Math.max(leader.commit, upTo);
    follower.commit = Math.max(follower.commit, Math.min(leader.commit, upTo));
  }

  /** `voter` answers a round of `leader` begun now; undefined: it is in a newer term. */
  round(leader: ModelMember, voter: ModelMember): ModelRound | undefined {
    if (leader.duty.wantsTicket) leader.duty.ticket(++leader.ticket);
    // Before an entry of its own term is committed, Raft begins no round (R12).
    if (leader.log[leader.commit - 1]?.term !== leader.raft.term || !this.#meet(leader, voter)) return undefined;
    return { term: leader.raft.term, upTo: leader.ticket, index: leader.commit };
  }

  /** The answer to a round arrives. One of another term is nobody's. */
  deliver(leader: ModelMember, round: ModelRound | undefined): void {
    if (round === undefined || leader.raft.role !== 'leader' || leader.raft.term !== round.term) return;
    leader.duty.primary.roundAnswered(round.upTo, round.index);
  }

  // ── what members do ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** A client's command goes into the leader's log. */
  propose(leader: ModelMember, command: Command): void {
    const proposals = new Proposals(leader.id, ++this.#seq, 1_000);
    proposals.submit(command, 1_000, () => undefined, leader.clock.nowMs);
    leader.outbox.propose(leader.raft.term, new Forwards(), proposals, silent(leader), leader.clock.nowMs);
    if (command.type === 'revoke') leader.duty.proposed(command);
  }

  /** The leader decides what is due, and proposes it. */
  decide(leader: ModelMember): void {
    this.#follow(leader);
    leader.duty.promoteSlice();
    if (leader.duty.leading === undefined) {
      leader.outbox.forward(new Proposals(leader.id, 1, 1_000), new Questions(1_000), leader.clock.nowMs);
      return;
    }
    leader.outbox.propose(
      leader.raft.term,
      leader.forwards,
      new Proposals(leader.id, 1, 1_000),
      leader.duty,
      leader.clock.nowMs,
    );
  }

  /** What `from` forwarded arrives at `to`. */
  carry(from: ModelMember, to: ModelMember): void {
    for (const message of from.sent.splice(0))
      if (message.type === 'forwardCommands') to.forwards.take(message, to.id, to.duty.leading, () => false);
  }

  /** Applies what the member knows to be committed, as far as `upTo`. */
  apply(member: ModelMember, upTo = member.commit): void {
    this.#follow(member);
    while (member.machine.appliedIndex < Math.min(upTo, member.commit)) {
      const entry = member.log[member.machine.appliedIndex] as Entry;
      const observer = member.duty.primary.term === undefined ? undefined : member.duty.observer;
      for (const { command } of member.machine.apply(entry, observer)) member.duty.commandApplied(command);
      member.duty.entryApplied(entry);
      member.duty.promoteSlice();
    }
    member.duty.applied(member.machine.appliedIndex);
  }

  /** A keep-alive is sent and arrives at once. */
  ask(leader: ModelMember, id = leaseId): ModelAsk {
    const ask = this.#truth.asked(id, this.#nowMs);
    this.#follow(leader);
    const seq = ++this.#seq;
    this.#asks.set(`${leader.id}/${seq}`, ask);
    leader.duty.ask(leader.id, 1, { seq, kind: 'keepAlive', id });
    if (leader.duty.wantsTicket) leader.duty.ticket(++leader.ticket);
    return ask;
  }

  /** The leader answers what it may. */
  answer(leader: ModelMember): void {
    this.#follow(leader);
    for (const { key, answer } of leader.duty.takeAnswers()) {
      const ask = this.#asks.get(`${leader.id}/${key.seq}`);
      if (ask !== undefined) this.#truth.answered(ask, answer.type, answer.type === 'alive' ? answer.grantedMs : 0);
    }
  }

  // ── terms ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #hear(member: ModelMember, term: number): void {
    if (term <= member.raft.term) return;
    member.raft.term = term;
    member.raft.role = 'follower';
    member.raft.leader = 0n;
    this.#follow(member);
  }

  /** False if the other is in a newer term: the leader steps down. */
  #meet(leader: ModelMember, other: ModelMember): boolean {
    this.#hear(other, leader.raft.term);
    this.#hear(leader, other.raft.term);
    return leader.raft.role === 'leader';
  }

  #follow(member: ModelMember): void {
    member.duty.follow(member.clock.nowMs);
  }
}

function lastTerm(member: ModelMember): number {
  return member.log.at(-1)?.term ?? 0;
}

/** A duty that decides nothing: for what is proposed without the primary's say. */
function silent(leader: ModelMember): Duty {
  return { decide: () => [], proposed: () => undefined, primary: leader.duty.primary } as unknown as Duty;
}
