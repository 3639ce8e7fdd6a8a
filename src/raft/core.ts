/**
 * The state all rules share, and the few moves that touch every part of it: sending (with what a message vouches for),
 * stepping down, the write that is under way. The rules themselves live in election, follower, leader, read-index, transfer
 * and install; each is a set of functions over a `Core`.
 * Invariants: R1 and R6 (a message leaves only when term, vote and the index it vouches for are on disk), R7 (commit and
 * what is handed out never go back).
 */
import { assert } from '../base/assert.ts';
import {
  appendBytesMax,
  applyBytesPerTurnMax,
  heldMessagesMax,
  logWaitingBytesMax,
  logWaitingEntriesMax,
  walWriteBytesMax,
} from '../base/limits.ts';
import type { Entry, HardState, Index, MemberId, Term, WriteGroup } from '../store/entry.ts';
import { NO_MEMBER } from '../store/entry.ts';
import { Configurations } from './configurations.ts';
import { RaftLog } from './log.ts';
import type { Message, SnapshotHead } from './message.ts';
import type { RaftOptions, RaftRestored } from './options.ts';
import { type Campaign, type Installing, type Leading, newTickets, type Tickets } from './parts.ts';
import { hasQuorum, isVoter } from './quorum.ts';
import type { Configuration, Role } from './types.ts';

/** A message that may have to wait for the disk. */
interface Held {
  readonly message: Message;
  /** The term it was made in; it is dropped once that is over. */
  readonly bornTerm: Term;
  /** The hard state it speaks for. */
  readonly hardVersion: number;
  /** The highest index it vouches for; 0 for none. */
  readonly vouchesFor: Index;
}

export class Core {
  readonly id: MemberId;
  readonly boot: number;
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly appendBytesMax: number;
  readonly random: () => number;

  term: Term;
  vote: MemberId;
  role: Role = 'follower';
  leader: MemberId = NO_MEMBER;
  commit: Index;
  /** Last index given to the node for apply. */
  handedOut: Index;
  readonly log: RaftLog;
  readonly configurations: Configurations;
  needsSnapshot: boolean;
  installing: Installing | undefined = undefined;

  electionElapsed = 0;
  timeoutTicks = 0;
  /** Ticks left in which we campaign in haste: the connection to the leader broke less than an election timeout ago. */
  hurryTicks = 0;
  campaign: Campaign | undefined = undefined;
  leading: Leading | undefined = undefined;
  readonly tickets: Tickets;

  /** Grows with every change of term or vote; `durable` of them are on disk. */
  #hardVersion = 0;
  #hardWritten = 0;
  #hardDurable = 0;
  #commitWritten: Index;
  #writing: { readonly hardVersion: number } | undefined = undefined;
  /** Ticks the write under way has taken. */
  writeTicks = 0;

  #outbox: Held[] = [];
  /** Messages refused as impossible, and why the last one was. */
  refused = 0;
  lastRefusal = '';

  constructor(options: RaftOptions, restored: RaftRestored) {
    assert(options.electionTicks > options.heartbeatTicks && options.heartbeatTicks >= 1, 'election > heartbeat >= 1');
    this.id = options.id;
    this.boot = options.boot;
    this.electionTicks = options.electionTicks;
    this.heartbeatTicks = options.heartbeatTicks;
    this.appendBytesMax = options.appendBytesMax ?? appendBytesMax;
    this.random = options.random;
    this.term = restored.hardState.term;
    this.vote = restored.hardState.vote;
    this.log = new RaftLog(restored.base, restored.entries);
    this.needsSnapshot = restored.needsSnapshot;
    this.commit = Math.max(restored.hardState.commit, restored.applied, restored.base.index);
    this.handedOut = restored.applied;
    this.#commitWritten = restored.hardState.commit;
    this.configurations = new Configurations(restored.configuration, restored.base.index, restored.entries);
    assert(this.commit <= this.log.lastIndex, 'R13: the log ends below what was committed');
    assert(this.log.lastTerm <= this.term, 'R13: the log is of a later term than the hard state');
    assert(this.needsSnapshot || this.handedOut >= this.log.base.index, 'R13: the log begins above the image');
    this.tickets = newTickets();
    this.resetElectionTimer();
    // Whoever leads is heard within a heartbeat or two of our start, and pre-vote asks the others first: after a start of all members
    // half the wait is enough.
    this.timeoutTicks = Math.ceil(this.timeoutTicks / 2);
  }

  get configuration(): Configuration {
    return this.configurations.latest;
  }
  get writeOutstanding(): boolean {
    return this.#writing !== undefined || this.installing !== undefined;
  }
  /** The write under way has taken longer than an election timeout. */
  get diskStuck(): boolean {
    return this.#writing !== undefined && this.writeTicks > this.electionTicks;
  }
  /** Our vote and term of now are on disk. */
  get hardStateDurable(): boolean {
    return this.#hardDurable === this.#hardVersion;
  }
  /** Messages that wait for the disk, or for the next `takeReady`. */
  get held(): number {
    return this.#outbox.length;
  }
  /** May this member stand for election? */
  get promotable(): boolean {
    return (
      isVoter(this.configuration, this.id) && !this.needsSnapshot && this.installing === undefined && !this.diskStuck
    );
  }
  /** Without an image nothing is applied and no log can go: this much is kept, and no more is taken until an image comes. */
  get logFull(): boolean {
    const { base, lastIndex, bytes } = this.log;
    return this.needsSnapshot && (bytes >= logWaitingBytesMax || lastIndex - base.index >= logWaitingEntriesMax);
  }
  /** Something can be handed out for apply. */
  get hasCommitted(): boolean {
    const upTo = Math.min(this.commit, this.log.persisted);
    return this.handedOut < upTo && !this.needsSnapshot && this.installing === undefined;
  }
  get ownTermCommitted(): boolean {
    return this.leading !== undefined && this.commit >= this.leading.termStart;
  }

  /** All other members, voters and learners. */
  others(): MemberId[] {
    const { voters, learners } = this.configuration;
    return [...voters, ...learners].filter((member) => member !== this.id);
  }

  /** A peer said what no correct member can say. It is counted, and that is all. */
  refuse(why: string): void {
    this.refused++;
    this.lastRefusal = why;
  }

  /** Puts a message in the outbox; it leaves once our hard state of now and the log up to `vouchesFor` are on disk. */
  send(message: Message, vouchesFor: Index = 0): void {
    this.#outbox.push({ message, bornTerm: this.term, hardVersion: this.#hardVersion, vouchesFor });
  }

  /** The messages that are safe by now. What belongs to an older term, or to a campaign given up, is dropped. */
  takeMessages(): Message[] {
    if (this.#outbox.length === 0) return [];
    const safe: Message[] = [];
    const waiting: Held[] = [];
    for (const held of this.#outbox) {
      if (held.bornTerm !== this.term) continue;
      if (held.message.type === 'vote' && this.role !== 'candidate') continue;
      if (held.hardVersion > this.#hardDurable || held.vouchesFor > this.log.persisted) waiting.push(held);
      else safe.push(held.message);
    }
    this.#outbox = waiting.length > heldMessagesMax ? waiting.slice(waiting.length - heldMessagesMax) : waiting;
    return safe;
  }

  /** A random election timeout in [electionTicks, 2 · electionTicks), from now. A sole voter has nobody to wait for. */
  resetElectionTimer(): void {
    this.electionElapsed = 0;
    const alone = hasQuorum(this.configuration, (voter) => voter === this.id);
    this.timeoutTicks = alone ? 1 : this.electionTicks + Math.floor(this.random() * this.electionTicks);
  }

  /** Enters `term`, voting for `vote`; both go to disk as one (M02). */
  enterTerm(term: Term, vote: MemberId): void {
    assert(term > this.term || (term === this.term && this.vote === NO_MEMBER), 'R1: a vote is given once in a term');
    this.term = term;
    this.vote = vote;
    this.#hardVersion++;
  }

  /** Follows: in a newer term, or back in this one. `leader` may be unknown. The timer starts anew unless it merely ran on. */
  becomeFollower(term: Term, leader: MemberId): void {
    const wasFollower = this.role === 'follower';
    if (term > this.term) {
      this.setLeader(NO_MEMBER);
      this.enterTerm(term, NO_MEMBER);
    }
    this.role = 'follower';
    this.campaign = undefined;
    this.leading = undefined;
    this.setLeader(leader);
    if (!wasFollower || leader !== NO_MEMBER) this.resetElectionTimer();
  }

  /** A change of leader ends every question that the old one was asked. */
  setLeader(leader: MemberId): void {
    if (leader === this.leader) return;
    this.leader = leader;
    const { tickets } = this;
    if (tickets.waiting > 0 || tickets.inFlight > 0) tickets.lost = true;
    tickets.waiting = 0;
    tickets.inFlight = 0;
  }

  /** Puts entries at the end of the log; a conflicting suffix from `entries[0].index` on is cut off first (followers only). */
  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    if (first.index <= this.log.lastIndex) {
      assert(this.leading === undefined, 'R2: a leader keeps its log');
      assert(first.index > this.commit, 'R5: a committed entry would be overwritten');
      this.log.cutFrom(first.index);
      this.configurations.cutFrom(first.index);
    }
    this.log.append(entries);
    this.configurations.appended(entries);
  }

  /** Raises the commit index; never lowers it. */
  commitTo(index: Index): void {
    if (index <= this.commit) return;
    assert(index <= this.log.lastIndex, 'R7: commit beyond the log');
    if (this.leading !== undefined) this.leading.uncommittedBytes -= this.log.payloadBytes(this.commit + 1, index);
    this.commit = index;
  }

  /** The next write, if there is something to write and none is under way. The commit index rides along, never alone. */
  takeWrite(): WriteGroup | undefined {
    if (this.writeOutstanding) return undefined;
    const hardChanged = this.#hardVersion > this.#hardWritten;
    if (!hardChanged && this.log.written === this.log.lastIndex) return undefined;
    const entries = this.log.takeUnwritten(walWriteBytesMax);
    const commit = Math.min(this.commit, this.log.written);
    const hardState: HardState | undefined =
      hardChanged || commit > this.#commitWritten ? { term: this.term, vote: this.vote, commit } : undefined;
    this.#commitWritten = Math.max(this.#commitWritten, commit);
    this.#hardWritten = this.#hardVersion;
    this.#writing = { hardVersion: this.#hardVersion };
    this.writeTicks = 0;
    return { hardState, entries };
  }

  /** The write under way is synced. */
  writeDone(): void {
    assert(this.#writing !== undefined, 'persisted without a write');
    this.#hardDurable = this.#writing.hardVersion;
    this.#writing = undefined;
    this.writeTicks = 0;
    this.log.writeDone();
  }

  /** The log of a snapshot goes to disk: blocks other writes until `installDone`. */
  installBegins(head: SnapshotHead, commit: Index): HardState {
    assert(!this.writeOutstanding, 'an install beside a write');
    this.installing = { head, hardVersion: this.#hardVersion, commit };
    return { term: this.term, vote: this.vote, commit };
  }

  /** It is on disk, hard state included. Changes no log: that is install.ts's. */
  installDone(): Installing {
    const { installing } = this;
    assert(installing !== undefined, 'installed without an install');
    this.installing = undefined;
    this.#hardDurable = installing.hardVersion;
    this.#hardWritten = Math.max(this.#hardWritten, installing.hardVersion);
    this.#commitWritten = installing.commit;
    return installing;
  }

  /**
   * Committed entries not handed out yet, within a turn's budget: those on our own disk, so that the image, which follows what
   * is applied, never runs ahead of the log. None while there is no image to apply them to.
   */
  takeCommitted(): readonly Entry[] {
    if (!this.hasCommitted) return [];
    const upTo = Math.min(this.commit, this.log.persisted);
    const entries = this.log.slice(this.handedOut + 1, upTo, applyBytesPerTurnMax);
    this.handedOut += entries.length;
    return entries;
  }
}
