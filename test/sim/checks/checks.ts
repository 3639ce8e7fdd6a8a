/**
 * All checks of a run, told of everything by the world: hands each event to those it concerns, in the order in which they rest on
 * each other, and judges whole histories in the end. The checks themselves are in the files beside this one.
 */
import type { PeerMessage } from '../../../src/node/peer-message.ts';
import { decodeCommand } from '../../../src/state/codec.ts';
import type { EventView } from '../../../src/state/history.ts';
import type { Machine } from '../../../src/state/machine.ts';
import type { AppliedCommand, Outcome } from '../../../src/state/outcome.ts';
import type { Entry, MemberId, WriteGroup } from '../../../src/store/entry.ts';
import type { CallRecord, LockRecord, WatchRecord } from '../history.ts';
import type { Observer, RunContext, Watched } from '../observer.ts';
import { CallChecks } from './call-checks.ts';
import { DutyChecks } from './duty-checks.ts';
import { fail } from './fail.ts';
import { LeaseChecks } from './lease-checks.ts';
import { LessorTimes } from './lessor-time.ts';
import { Lives } from './lives.ts';
import { LockChecks } from './lock-checks.ts';
import { MessageChecks } from './message-checks.ts';
import { RaftChecks, type RaftWatched } from './raft-checks.ts';
import { Reigns } from './reigns.ts';
import { isDuty, type Place, StateChecks } from './state-checks.ts';
import { WatchChecks } from './watch-checks.ts';
import { checkWhole } from './whole-checks.ts';

/** Who takes longer from one reading to the next may still be on its way when a run ends. */
const lagMsMax = 1_000;

export class Checks implements Observer {
  readonly #context: RunContext;
  readonly #views = new Map<MemberId, RaftWatched>();
  readonly #all: readonly RaftWatched[];
  readonly raft: RaftChecks;
  readonly state = new StateChecks();
  readonly lives = new Lives();
  readonly leases: LeaseChecks;
  readonly #messages: MessageChecks;
  readonly #times: LessorTimes;
  readonly #reigns: Reigns;
  readonly #duty: DutyChecks;
  readonly #calls: CallChecks;
  readonly #watching: WatchChecks;
  readonly #locks: LockChecks;
  readonly #records: CallRecord[] = [];
  readonly #watches = new Set<WatchRecord>();

  constructor(context: RunContext) {
    const { members, first, electionTimeoutMs, tickMs, clocksInSpec } = context;
    this.#context = context;
    this.#all = members.map((member) => new View(member));
    for (const view of this.#all) this.#views.set(view.id, view);
    this.raft = new RaftChecks(first);
    this.#messages = new MessageChecks(this.raft, electionTimeoutMs);
    this.leases = new LeaseChecks(this.lives, { electionTimeoutMs, clocksInSpec });
    this.#times = new LessorTimes(clocksInSpec, tickMs);
    this.#reigns = new Reigns(this.#times);
    this.#duty = new DutyChecks({ electionTimeoutMs, tickMs, clocksInSpec }, this.#times, this.lives, this.#reigns);
    this.#calls = new CallChecks(this.raft, this.#messages.rounds, this.state);
    this.#watching = new WatchChecks(this.state.model);
    this.#locks = new LockChecks(this.state.model);
  }

  /** Leases that expired. */
  get expiries(): number {
    return this.leases.expiries;
  }

  // ── members ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  booted(member: Watched): void {
    const view = this.#view(member);
    this.#times.booted(member.id, member.nowMs);
    this.state.booted(member.id);
    this.raft.booted(view);
    this.#messages.booted(view);
  }

  crashed(): void {
    // What it stood at is judged when it comes back.
  }

  restored({ id, node }: Watched): void {
    if (node !== undefined) this.state.restored({ id, machine: node.machine });
  }

  turned(member: Watched): void {
    const { node, id, nowMs } = member;
    if (node === undefined) return;
    const view = this.#view(member);
    this.#times.turn(id, nowMs);
    this.raft.after(view, this.#all);
    this.#messages.after(view, nowMs);
    this.#onDuty(member);
  }

  sent(message: PeerMessage, member: Watched): void {
    switch (message.type) {
      case 'forwardCommands':
        for (const encoded of message.commands) {
          const decoded = decodeCommand(encoded);
          if (!(decoded instanceof Error) && isDuty(decoded.command))
            fail('L13', `member ${member.id} forwards a ${decoded.command.type}`);
        }
        return;
      case 'forwardAnswers':
        this.#messages.rounds.answering(message, this.#view(member));
        return;
      case 'forwardQuestions':
      case 'forwardRefused':
        return;
      default:
        // A leader that dies in this turn has told others of its commit.
        if ('commit' in message && message.commit > this.raft.committed) this.raft.after(this.#view(member), this.#all);
        this.#messages.sent(message, this.#view(member));
    }
  }

  stepping(message: PeerMessage, member: Watched): undefined {
    const { node, id, nowMs } = member;
    if (node === undefined) return;
    switch (message.type) {
      case 'forwardQuestions':
        this.#messages.rounds.questioned(message, id, node.raft);
        for (const question of message.questions)
          if (question.kind === 'keepAlive') this.#duty.touched(question.id, message.term);
        return;
      case 'forwardCommands':
      case 'forwardAnswers':
      case 'forwardRefused':
        return;
      default:
        this.#messages.stepping(message, this.#view(member), nowMs);
    }
  }

  linkLost(peer: MemberId, { id }: Watched): void {
    this.#messages.linkLost(peer, id);
  }

  written({ entries }: WriteGroup, member: Watched): void {
    this.raft.written(entries, this.#view(member));
  }

  synced(): void {
    // `durable` says it.
  }

  applied(entry: Entry, commands: readonly AppliedCommand[], member: Watched): void {
    const { node, id, nowMs } = member;
    if (node === undefined) return;
    this.#times.turn(id, nowMs);
    // A leader applies in the turn in which it commits, before `turned` tells of the commit.
    if (entry.index > this.raft.committed) this.raft.after(this.#view(member), this.#all);
    this.raft.applied(entry);
    const { machine, dutyTerm } = node;
    const leader = this.raft.leaderOf(entry.term);
    const place = this.state.appliedOn({ id, machine }, entry, commands, nowMs, leader);
    if (dutyTerm !== undefined) this.#onDuty(member);
    this.#reigns.appliedBy(id, entry.index, entry.term);
    if (place !== undefined) this.#goesOn(place, nowMs);
    if (dutyTerm === entry.term) this.#bornOn(dutyTerm, entry, commands);
  }

  /** The log is one entry longer. */
  #goesOn(place: Place, nowMs: number): void {
    const { entry } = place;
    const before = this.state.places.at(-2);
    if (entry.term > (before?.entry.term ?? 0)) this.#reigns.termOpened(entry.term, this.lives.alive);
    const events = this.lives.applied(place);
    this.#reigns.applied(entry.index, entry.term);
    this.leases.applied(events, nowMs);
    this.#duty.applied(place, events);
  }

  #bornOn(term: number, entry: Entry, commands: readonly AppliedCommand[]): void {
    const reign = this.#reigns.of(term);
    if (reign === undefined) return;
    for (const { command } of commands) {
      if (command.type !== 'grant') continue;
      const life = this.lives.alive.get(command.id);
      if (life?.bornIndex === entry.index) this.#duty.bornOnLeader(life, reign);
    }
  }

  #onDuty({ id, node, nowMs }: Watched): void {
    if (node === undefined) return;
    const { raft, dutyTerm, machine } = node;
    this.#reigns.turned({ id, raft, dutyTerm, appliedTerm: machine.appliedTerm }, nowMs);
  }

  #view({ id }: Watched): RaftWatched {
    return this.#views.get(id) as RaftWatched;
  }

  // ── clients ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  called(record: CallRecord): void {
    this.#records.push(record);
    this.leases.called(record);
    this.#calls.called(record, this.#context.members[record.member] as Watched);
    if (record.call.type === 'keepAlive') this.#duty.keepAliveSent(record.number, record.call.id);
  }

  reached({ call }: CallRecord): void {
    if (call.type === 'keepAlive') this.#duty.keepAliveWaits(call.id);
  }

  settled({ call }: CallRecord): void {
    if (call.type === 'keepAlive') this.#duty.keepAliveLeaves(call.id);
  }

  answered(record: CallRecord): void {
    this.#calls.answered(record, this.#context.members[record.member] as Watched);
    const life = this.leases.answered(record);
    if (record.call.type === 'keepAlive') this.#duty.keepAliveEnded(record.number, record.call.id, life);
  }

  watchOpened(watch: WatchRecord): void {
    this.#watches.add(watch);
    this.#watching.opened(watch);
  }

  watched(watch: WatchRecord, events: readonly EventView[], member: Watched): void {
    this.#watching.watched(watch, events, member.node?.machine.revision ?? this.state.model.revision);
  }

  watchEnded(watch: WatchRecord): void {
    this.#watches.delete(watch);
    this.#watching.ended(watch);
  }

  watchesDue(watches: readonly WatchRecord[], revision: number): void {
    for (const watch of watches) this.#watching.due(watch, revision);
  }

  locked(lock: LockRecord): void {
    this.#locks.locked(lock);
  }

  guarded(lock: LockRecord, outcome: Outcome): void {
    this.#locks.guarded(lock, outcome);
  }

  fenced(lock: LockRecord, accepted: boolean): void {
    this.#locks.fenced(lock, accepted);
  }

  // ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  fault(): void {
    // What a fault may do is told by disks, messages and times.
  }

  healed(): void {
    // The liveness bounds are the run's.
  }

  finished(core: readonly Watched[], revision: number): void {
    const standing: { readonly id: MemberId; readonly machine: Machine }[] = [];
    for (const { id, node } of core) if (node !== undefined) standing.push({ id, machine: node.machine });
    this.state.finished(standing, this.#context.atlas);
    if (core.length > 0) this.#duty.finished();
    for (const watch of this.#watches)
      if (watch.connections.length > 0 && watch.slowMs <= lagMsMax) this.#watching.complete(watch, revision);
    checkWhole(this.#context, this.#records, this.state, this.lives);
  }
}

/** A member as the Raft checks see it. */
class View implements RaftWatched {
  readonly #member: Watched;

  constructor(member: Watched) {
    this.#member = member;
  }

  get id(): MemberId {
    return this.#member.id;
  }

  get raft(): RaftWatched['raft'] {
    return this.#member.node?.raft;
  }

  get durable(): RaftWatched['durable'] {
    return this.#member.durable;
  }
}
