/**
 * The front of the Raft core (house §3): inputs go in one by one, `takeReady` brings out what is safe to do. Pure: no I/O, no
 * clock, no promise. Owns the order of things and the rules of terms; each other rule has its own file.
 * Invariants: all of R, through them.
 */
import { assert, unreachable } from '../base/assert.ts';
import type { EntryKind, Index, LogBase, MemberId, Term, WriteGroup } from '../store/entry.ts';
import { NO_MEMBER } from '../store/entry.ts';
import { Core } from './core.ts';
import { describeCore, type RaftDescription } from './describe.ts';
import {
  hearsLeader,
  leaderLinkLost,
  onPreVote,
  onPreVoteReply,
  onTimeoutNow,
  onVote,
  onVoteReply,
  ownVoteDurable,
  tickElection,
} from './election.ts';
import { onAppend, onHeartbeat } from './follower.ts';
import { beginInstall, installed } from './install.ts';
import { assertInvariants } from './invariants.ts';
import {
  broadcastHeartbeats,
  commitByCounting,
  commitIsOwed,
  feedFollowers,
  followerLinkLost,
  onAppendReply,
  onHeartbeatReply,
  propose,
  snapshotSent,
  takeSnapshotsWanted,
  tickLeader,
} from './leader.ts';
import type { Message, SnapshotHead } from './message.ts';
import type { RaftOptions, RaftRestored } from './options.ts';
import { beginRound, onRoundReply, onRoundRequest, requestRound, takeLost, tickQuestion } from './read-index.ts';
import type { Proposed, Ready } from './ready.ts';
import { beginTransfer } from './transfer.ts';
import type { Configuration, Role } from './types.ts';
import { validateMessage } from './validate.ts';

export type { RaftOptions, RaftRestored };

export class Raft {
  readonly #core: Core;

  /** Takes up where the disk left off. Asserts that log, image and hard state belong together (R13). */
  constructor(options: RaftOptions, restored: RaftRestored) {
    this.#core = new Core(options, restored);
  }

  get id(): MemberId {
    return this.#core.id;
  }
  get role(): Role {
    return this.#core.role;
  }
  get term(): Term {
    return this.#core.term;
  }
  /** Who leads in our term, as far as we know. */
  get leader(): MemberId {
    return this.#core.leader;
  }
  get commit(): Index {
    return this.#core.commit;
  }
  get lastIndex(): Index {
    return this.#core.log.lastIndex;
  }
  get base(): LogBase {
    return this.#core.log.base;
  }
  /** The term of the entry at `index`, from the base to the last; undefined elsewhere. */
  termAt(index: Index): Term | undefined {
    return this.#core.log.term(index);
  }
  /** Our log is on disk up to here. */
  get persistedIndex(): Index {
    return this.#core.log.persisted;
  }
  /** Last index given out in `committed`, or covered by an installed image. */
  get handedOut(): Index {
    return this.#core.handedOut;
  }
  /** That of the latest appended configuration entry (R10). */
  get configuration(): Configuration {
    return this.#core.configuration;
  }
  /** A write, or a snapshot's install, is on its way to disk. */
  get writeOutstanding(): boolean {
    return this.#core.writeOutstanding;
  }
  /** Could `beginInstall` begin at once? */
  get canInstallNow(): boolean {
    return !this.#core.writeOutstanding && this.#core.role !== 'leader';
  }
  /** We lead and an entry of our term is committed. */
  get ownTermCommitted(): boolean {
    return this.#core.ownTermCommitted;
  }
  get transferTarget(): MemberId {
    return this.#core.leading?.transferTarget ?? NO_MEMBER;
  }

  /** One Raft tick has passed. */
  tick(): void {
    const core = this.#core;
    if (core.writeOutstanding) core.writeTicks++;
    if (core.leading !== undefined) tickLeader(core, core.leading);
    else {
      tickElection(core);
      tickQuestion(core);
    }
  }

  /** A peer's message. What no correct peer can have sent is counted and changes nothing. */
  step(message: Message): void {
    const core = this.#core;
    const refusal = validateMessage(message, core.id, core.configuration);
    if (refusal !== undefined) core.refuse(refusal);
    else if (this.#meetsTerm(message)) this.#dispatch(message);
  }

  /** The connection from `member` broke. A hint only: pre-vote still decides. */
  linkLost(member: MemberId): void {
    const core = this.#core;
    if (core.leading !== undefined) followerLinkLost(core.leading, member);
    else if (core.leader === member) leaderLinkLost(core);
  }

  /** Takes an entry into the log if we lead. Accepted is not committed. */
  propose(kind: EntryKind, payload: Uint8Array): Proposed {
    return propose(this.#core, kind, payload);
  }

  /** A client of `member` waits for the last entry proposed. */
  awaits(member: MemberId): void {
    const progress = this.#core.leading?.followers.get(member);
    if (progress !== undefined) progress.awaited = this.#core.log.lastIndex;
  }

  /** A ticket for a quorum round begun after this call, growing within a boot; undefined while no leader is known. */
  requestRound(): number | undefined {
    return requestRound(this.#core);
  }

  /** The write of the last `Ready` that had one is synced. */
  persisted(): void {
    const core = this.#core;
    core.writeDone();
    ownVoteDurable(core);
    if (core.leading !== undefined) commitByCounting(core, core.leading);
  }

  /** Forgets entries up to `upTo`: applied, and covered by an image that is on disk. */
  compact(upTo: Index): void {
    const { log, configurations, handedOut } = this.#core;
    if (upTo <= log.base.index) return;
    assert(upTo <= handedOut, 'S1: compaction of what is not applied');
    const term = log.term(upTo);
    assert(term !== undefined, 'S1: compaction beyond the log');
    log.compact({ index: upTo, term });
    configurations.compact(upTo);
  }

  /** The highest index behind which at most `entriesMax` entries with `bytesMax` payload bytes follow, at least the base. */
  indexBeforeTail(entriesMax: number, bytesMax: number): Index {
    const { log } = this.#core;
    return Math.max(log.lastIndex - entriesMax, log.indexBeforeBytes(bytesMax));
  }

  /**
   * A verified image is staged: the full content of the log to install with it, or undefined if it is refused (old term, not
   * newer than what is committed, or a write is under way). Blocks all other writes until `installed()`.
   */
  beginInstall(head: SnapshotHead): WriteGroup | undefined {
    return beginInstall(this.#core, head);
  }

  /** Image and log of `beginInstall` are on disk: the one commit point has passed. */
  installed(): void {
    installed(this.#core);
  }

  /** A stream that `snapshotsWanted` asked for has ended; `index` is its image's. */
  snapshotSent(to: MemberId, index: Index, ok: boolean): void {
    snapshotSent(this.#core, to, index, ok);
  }

  /** Hands leadership to `target` (`NO_MEMBER`: the follower that is furthest); false if that cannot even begin. */
  transfer(target: MemberId): boolean {
    return beginTransfer(this.#core, target);
  }

  /** Some follower has not heard of all that it could commit: `takeReady(true)` tells it, and so does the next append. */
  get owesCommit(): boolean {
    return commitIsOwed(this.#core);
  }

  /** The next `takeReady` will hand out committed entries: there were more than fit in a turn. */
  get hasCommitted(): boolean {
    return this.#core.hasCommitted;
  }

  /** What may be done now; undefined if nothing. Call once a turn. Without `tellCommit` news of commits alone are held back. */
  takeReady(tellCommit = true): Ready | undefined {
    const core = this.#core;
    const roundsLost = takeLost(core.tickets);
    if (beginRound(core) && core.leading !== undefined) broadcastHeartbeats(core, core.leading);
    if (core.leading !== undefined) feedFollowers(core, core.leading, tellCommit);
    const rounds = core.tickets.answered;
    core.tickets.answered = undefined;
    const messages = core.takeMessages();
    const write = core.takeWrite();
    const committed = core.takeCommitted();
    const snapshotsWanted = core.leading === undefined ? [] : takeSnapshotsWanted(core.leading);
    assertInvariants(core);
    const something = messages.length + committed.length + snapshotsWanted.length > 0;
    if (!something && write === undefined && rounds === undefined && !roundsLost) return undefined;
    return { messages, write, committed, rounds, roundsLost, snapshotsWanted };
  }

  describe(): RaftDescription {
    return describeCore(this.#core);
  }

  /** Terms (Raft thesis §3.3): newer ones are entered, older ones answered with ours. True if the message is to be handled. */
  #meetsTerm(message: Message): boolean {
    const core = this.#core;
    // A pre-vote names a term that nobody is in yet; asking, or saying yes, moves nobody.
    if (message.type === 'preVote' || (message.type === 'preVoteReply' && message.granted)) return true;
    if (message.term > core.term) {
      if (message.type === 'vote' && !message.transfer && hearsLeader(core)) return false;
      core.becomeFollower(message.term, NO_MEMBER);
    } else if (message.term < core.term) {
      this.#answerOldTerm(message);
      return false;
    }
    return true;
  }

  /** Whoever leads or asks for votes in an old term must learn of ours; else an old leader behind a newer term stays stuck. */
  #answerOldTerm({ type, from: to }: Message): void {
    const core = this.#core;
    const { id: from, term, needsSnapshot } = core;
    if (type === 'append' || type === 'heartbeat') {
      core.send({ type: 'heartbeatReply', from, to, term, round: 0, needsSnapshot });
    } else if (type === 'vote') core.send({ type: 'voteReply', from, to, term, granted: false });
  }

  #dispatch(message: Message): void {
    const core = this.#core;
    const { leading } = core;
    switch (message.type) {
      case 'preVote':
        onPreVote(core, message);
        break;
      case 'preVoteReply':
        onPreVoteReply(core, message);
        break;
      case 'vote':
        onVote(core, message);
        break;
      case 'voteReply':
        onVoteReply(core, message);
        break;
      case 'append':
        onAppend(core, message);
        break;
      case 'appendReply':
        if (leading !== undefined) onAppendReply(core, leading, message);
        break;
      case 'heartbeat':
        onHeartbeat(core, message);
        break;
      case 'heartbeatReply':
        if (leading !== undefined) onHeartbeatReply(core, leading, message);
        break;
      case 'timeoutNow':
        onTimeoutNow(core, message);
        break;
      case 'roundRequest':
        onRoundRequest(core, message);
        break;
      case 'roundReply':
        onRoundReply(core, message);
        break;
      default:
        unreachable(message);
    }
  }
}
