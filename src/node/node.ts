/**
 * THE NODE: what server, simulator and tests share (house §3, §8). Everything enters as an `Input`; one turn at a time drains the
 * queue, asks the Raft core once for what is ready, sends, writes, applies, answers. Owns the order of a turn; every rule has a
 * file of its own. No I/O, no clock, no promise in here: time is the reading that `turn` is given.
 */
import { unreachable } from '../base/assert.ts';
import { Prng } from '../base/prng.ts';
import { LessorClock } from '../primary/clock.ts';
import { Raft } from '../raft/raft.ts';
import type { Ready } from '../raft/ready.ts';
import type { Command } from '../state/command.ts';
import type { Machine } from '../state/machine.ts';
import { type Entry, NO_MEMBER, type Term } from '../store/entry.ts';
import { Hub } from '../watch/hub.ts';
import { Answers } from './answers.ts';
import { Applicable } from './applicable.ts';
import { Applier } from './applier.ts';
import { Clients } from './clients.ts';
import { Duty } from './duty.ts';
import { Forwards } from './forwards.ts';
import type { Input } from './input.ts';
import { InputQueue } from './input-queue.ts';
import { Installer } from './installer.ts';
import { Notices } from './notices.ts';
import type { NodeOptions, NodeRestored } from './options.ts';
import { Outbox } from './outbox.ts';
import type { PeerMessage } from './peer-message.ts';
import type { Ports } from './ports.ts';
import { describeNode, type NodeStatus } from './status.ts';

export class Node {
  readonly options: NodeOptions;
  readonly raft: Raft;
  readonly hub: Hub;
  readonly #ports: Ports;
  readonly #clock = new LessorClock();
  readonly #clients: Clients;
  readonly #forwards = new Forwards();
  readonly #applier: Applier;
  readonly #installer: Installer;
  readonly #outbox: Outbox;
  readonly #answers: Answers;
  readonly #applicable = new Applicable();
  readonly #notices: Notices;
  #duty: Duty;
  #machine: Machine;
  readonly #queue = new InputQueue();
  #awake = false;
  #ticks = 0;
  #aimedTerm: Term = 0;
  #aimedLeader = NO_MEMBER;

  constructor(options: NodeOptions, restored: NodeRestored, ports: Ports) {
    this.options = options;
    this.#ports = ports;
    const prng = new Prng(options.seed, 'raft');
    const { member, boot } = options;
    this.raft = new Raft({ ...options, id: member, heartbeatTicks: 1, random: () => prng.unit() }, restored.raft);
    this.#notices = new Notices(this.raft, ports);
    this.#machine = restored.machine;
    this.hub = new Hub(this.#machine.history);
    this.#clients = new Clients(options, this.electionTimeoutMs);
    this.#applier = new Applier(this.raft, ports, this.#machine.appliedIndex, options.logTrailingEntriesMax);
    this.#installer = new Installer(this.raft, ports, Number(BigInt.asUintN(32, options.seed)));
    this.#answers = new Answers(member, boot, this.#clients.questions, ports.peers);
    this.#outbox = new Outbox(member, boot, this.raft, ports);
    this.#duty = new Duty(options, this.raft, this.#machine, this.electionTimeoutMs);
  }

  /** The applied state, for reads between turns. Replaced when a snapshot is installed: do not keep it. */
  get machine(): Machine {
    return this.#machine;
  }

  get electionTimeoutMs(): number {
    return this.options.electionTicks * this.options.ticksPerRaftTick * this.options.tickMs;
  }

  /** The door. Nothing happens before the next turn. */
  enqueue(input: Input): void {
    this.#queue.push(input);
    this.#wake();
  }

  /** Inputs that wait for a turn. */
  get queued(): number {
    return this.#queue.length;
  }

  /** One turn. `monoMs`: this host's monotonic clock, which may freeze but never goes back. */
  turn(monoMs: number): void {
    const nowMs = this.#clock.advance(monoMs);
    this.#awake = false;
    for (const input of this.#queue.take()) this.#take(input, nowMs);
    this.#followLeadership(nowMs);
    this.#duty.promoteSlice();
    this.#askRounds();
    this.#sendOut(nowMs);
    // Before the next write goes out: under a steady stream of appends there would never be a moment without one.
    this.#installer.proceed(this.#applier.writing);
    const ready = this.#notices.takeReady(nowMs);
    if (ready !== undefined) this.#carryOut(ready, nowMs);
    this.#answer(nowMs);
    if (!this.#installer.installing) this.#applier.flush(this.#machine, nowMs, this.#clients.space.diskLow);
    if (this.#queue.length > 0 || this.#duty.pressed || this.#installer.loading || this.#mayGoOn(ready)) this.#wake();
    else this.#duty.sleep(this.#ports);
  }

  /** What was applied may have made room, or something to decide. */
  #mayGoOn(ready: Ready | undefined): boolean {
    if (ready === undefined || ready.committed.length === 0) return false;
    const waiting = this.#clients.proposals.held().length + this.#forwards.queued().length;
    return waiting > 0 || this.#duty.wantsTurn || this.raft.hasCommitted;
  }

  /** Requests of our own clients that wait for an outcome. */
  get waiting(): number {
    return this.#clients.proposals.count;
  }

  /** The term in which this member does the primary's duties; undefined while it is not on duty (L3). */
  get dutyTerm(): Term | undefined {
    return this.#duty.primary.term;
  }

  status(): NodeStatus {
    return describeNode(this, this.#duty.primary, this.#applier.imageIndex, this.#clock.stalledMs);
  }

  #wake(): void {
    if (this.#awake) return;
    this.#awake = true;
    this.#ports.wake();
  }

  #take(input: Input, nowMs: number): void {
    switch (input.type) {
      case 'tick':
        this.#tick(nowMs);
        break;
      case 'message':
        this.#receive(input.message, nowMs);
        break;
      case 'linkLost':
        this.raft.linkLost(input.member);
        break;
      case 'propose':
      case 'barrier':
      case 'question':
      case 'askings':
      case 'swept':
        this.#clients.take(input, this.#machine, this.#duty.isCurrent, nowMs);
        break;
      case 'persisted':
        this.raft.persisted();
        break;
      case 'imageWritten':
        this.#applier.imageWritten(input.appliedIndex, this.#clients.space.diskLow);
        break;
      case 'snapshotSent':
        this.#applier.unpin(input.to);
        this.raft.snapshotSent(input.to, input.index, input.ok);
        break;
      case 'snapshotStaged':
        this.#installer.staged(input.head, input.records);
        break;
      case 'snapshotInstalled':
        this.#installed(nowMs);
        break;
      case 'diskSpace':
        this.#clients.space.measured(input.freeBytes, input.reserveBytes, this.#machine, nowMs);
        break;
      case 'flushImage':
        this.#applier.want(this.#machine.appliedIndex, input.reply);
        break;
      case 'transfer':
        input.reply(this.raft.transfer(input.target));
        break;
      case 'stop':
        this.#clients.stop();
        break;
      default:
        unreachable(input);
    }
  }

  #tick(nowMs: number): void {
    if (++this.#ticks % this.options.ticksPerRaftTick !== 0) return;
    this.raft.tick();
    this.#clients.expire(nowMs, this.raft.leader !== NO_MEMBER, this.#duty.leading === undefined);
  }

  #receive(message: PeerMessage, nowMs: number): void {
    switch (message.type) {
      case 'forwardCommands': {
        if (this.#clients.stopped) return;
        const current = this.#duty.isCurrent;
        const noSpace = (command: Command) => this.#clients.refusesForwarded(command, this.#machine, current, nowMs);
        for (const refused of this.#forwards.take(message, this.options.member, this.#duty.leading, noSpace))
          this.#ports.peers.send(message.from, refused);
        return;
      }
      case 'forwardQuestions': {
        this.#followLeadership(nowMs);
        const answers = this.#duty.take(message);
        if (answers !== undefined) this.#ports.peers.send(message.from, answers);
        return;
      }
      case 'forwardRefused':
      case 'forwardAnswers':
        this.#clients.heard(message, nowMs);
        return;
      default:
        // What Raft cannot judge is judged here: once committed, an entry that cannot be applied would end every member for ever.
        if (message.type === 'append' && !this.#applicable.all(message.entries)) return;
        this.raft.step(message);
    }
  }

  /** Role, term or leader may have moved: the duty follows, and what is aimed at somebody else is aimed anew. */
  #followLeadership(nowMs: number): void {
    this.#answers.unavailable(this.#duty.follow(nowMs), this.raft.term, nowMs);
    if (this.#duty.leading === undefined) this.#forwards.clear();
    if (this.raft.term === this.#aimedTerm && this.raft.leader === this.#aimedLeader) return;
    this.#aimedTerm = this.raft.term;
    this.#aimedLeader = this.raft.leader;
    this.#forwards.clear();
    this.#clients.questions.reaim(this.raft.leader === NO_MEMBER ? -1 : this.raft.term, nowMs);
  }

  /** One round covers every barrier and question of this turn. */
  #askRounds(): void {
    const leading = this.#duty.leading;
    if (leading !== undefined)
      for (const question of this.#clients.questions.aim(leading, this.#clock.nowMs))
        this.#duty.ask(this.options.member, this.options.boot, question);
    if (!this.#clients.reads.wantsTicket && !this.#duty.wantsTicket) return;
    const ticket = this.raft.requestRound();
    if (ticket === undefined) return;
    if (this.#clients.reads.wantsTicket) this.#clients.reads.ticket(ticket);
    if (this.#duty.wantsTicket) this.#duty.ticket(ticket);
  }

  #sendOut(nowMs: number): void {
    const { leading } = this.#duty;
    if (leading === undefined) this.#outbox.forward(this.#clients.proposals, this.#clients.questions, nowMs);
    else this.#outbox.propose(leading, this.#forwards, this.#clients.proposals, this.#duty, nowMs);
  }

  #carryOut(ready: Ready, nowMs: number): void {
    for (const message of ready.messages) this.#ports.peers.send(message.to, message);
    if (ready.write !== undefined) this.#ports.wal.write(ready.write);
    if (ready.roundsLost) this.#clients.reads.roundsLost(nowMs);
    if (ready.rounds !== undefined) {
      this.#clients.reads.roundAnswered(ready.rounds.upTo, ready.rounds.index);
      if (this.#duty.leading !== undefined) this.#duty.primary.roundAnswered(ready.rounds.upTo, ready.rounds.index);
    }
    for (const entry of ready.committed) this.#apply(entry, nowMs);
    for (const member of ready.snapshotsWanted) {
      this.#applier.pin(member);
      this.#ports.snapshots.send(member, this.raft.term);
    }
  }

  #apply(entry: Entry, nowMs: number): void {
    const newTerm = entry.term > this.#machine.appliedTerm;
    const applied = this.#machine.apply(entry, this.#duty.applyObserver, this.#applicable.take(entry));
    this.options.observe?.(entry, applied);
    if (newTerm) this.#clients.proposals.termApplied(entry.term, nowMs);
    for (const { origin, command, outcome } of applied) {
      this.#duty.commandApplied(command);
      this.#outbox.applied(origin);
      this.#clients.proposals.settle(origin, outcome);
      if (outcome.ok) this.#clients.space.applied(command, this.#machine, nowMs);
    }
    this.#duty.entryApplied(entry);
    this.hub.advance();
  }

  /** Everything that can be answered in this step is, with role and term read in the same step. */
  #answer(nowMs: number): void {
    this.#answers.unavailable(this.#duty.follow(nowMs), this.raft.term, nowMs);
    this.#clients.applied(this.#machine, this.#applier.imageIndex);
    this.#outbox.answered(this.#forwards, this.#clients.proposals, nowMs);
    this.#duty.applied(this.#machine.appliedIndex);
    this.#answers.send(this.#duty.takeAnswers(), this.raft.term);
  }

  /** A snapshot took the place of our state (R11): skipped commands are unknown, watchers go on from their revision. */
  #installed(nowMs: number): void {
    const { machine, index } = this.#installer.installed();
    this.#machine = machine;
    this.#applier.installed(index);
    this.#answers.unavailable(this.#duty.follow(nowMs), this.raft.term, nowMs);
    this.#duty = new Duty(this.options, this.raft, machine, this.electionTimeoutMs);
    this.#clients.proposals.skipped();
    this.hub.replaceHistory(machine.history);
  }
}
