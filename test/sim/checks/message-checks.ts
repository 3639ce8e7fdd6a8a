/**
 * What members say to each other, against their disks and against what they heard: nothing leaves that is not on disk (R6), nobody
 * votes twice in a term (R1), an append that conflicts with nothing takes nothing away (R9), nobody campaigns without a quorum's
 * leave or a hand-over, and who hears a leader gives no leave (R10), a question is answered only after a quorum round begun after
 * it came (R12), what the primary decides is never forwarded (L13).
 */
import type { Message } from '../../../src/raft/message.ts';
import type { Raft } from '../../../src/raft/raft.ts';
import type { Index, MemberId, Term } from '../../../src/store/entry.ts';
import { NO_MEMBER } from '../../../src/store/entry.ts';
import { fail } from './fail.ts';
import type { RaftChecks, RaftWatched } from './raft-checks.ts';
import { RoundChecks } from './round-checks.ts';

/** A member that did not turn for so long stood still. */
const stallMs = 60;

/** What one boot of a member heard that a later message of its own rests on. */
interface Heard {
  /** By campaign term: who gave leave. */
  readonly leave: Map<Term, Set<MemberId>>;
  /** By term: whom it gave its vote. What an earlier boot gave is on its disk, and taken up from there. */
  readonly votes: Map<Term, MemberId>;
  /** Terms in which a leader told it to campaign. */
  readonly told: Set<Term>;
  /** By `asker/term`: may leave or a vote be given? True once it came at a moment when no leader was heard. */
  readonly asked: Map<string, boolean>;
  /** When it last heard the leader of its term, unless the connection to that leader broke since then. */
  leaderMs: number;
  leader: MemberId;
  leaderTerm: Term;
  /** In the turn under way: its last index before, and whether an append conflicts. */
  turn: { readonly lastIndex: Index; conflicts: boolean } | undefined;
  /** Asked in the turn under way, while its leader was heard as far as could be seen before the turn. */
  doubtful: { readonly key: string; readonly term: Term; heardAgain: boolean }[];
  turnedMs: number;
}

export class MessageChecks {
  readonly rounds: RoundChecks;
  readonly #raftChecks: RaftChecks;
  readonly #electionTimeoutMs: number;
  readonly #heard = new Map<MemberId, Heard>();

  constructor(raftChecks: RaftChecks, electionTimeoutMs: number) {
    this.#raftChecks = raftChecks;
    this.#electionTimeoutMs = electionTimeoutMs;
    this.rounds = new RoundChecks(raftChecks);
  }

  booted({ id }: RaftWatched): void {
    this.#heard.set(id, {
      leave: new Map(),
      votes: new Map(),
      told: new Set(),
      asked: new Map(),
      leaderMs: Number.NEGATIVE_INFINITY,
      leader: NO_MEMBER,
      leaderTerm: 0,
      turn: undefined,
      doubtful: [],
      turnedMs: Number.NEGATIVE_INFINITY,
    });
    this.rounds.booted(id);
  }

  // ── what leaves ──────────────────────────────────────────────────────────────────────────────────────────────────────

  sent(message: Message, member: RaftWatched): void {
    this.#isDurable(message, member);
    this.#isAllowed(message, member);
    if (message.type === 'vote') this.#givesVote(message.from, message.term, message.from);
    if (message.type === 'voteReply' && message.granted) this.#givesVote(message.from, message.term, message.to);
    this.rounds.sent(message, member);
    if (message.type === 'timeoutNow') this.#raftChecks.toldToCampaign(member);
  }

  /** R6. */
  #isDurable(message: Message, { raft, durable }: RaftWatched): void {
    const { hardState, base } = durable;
    const own = message.type === 'preVote' ? message.term - 1 : message.term;
    const saysYes = message.type === 'preVoteReply' && message.granted;
    if (!saysYes && hardState.term !== own) fail('R6', `${message.type} of term ${own}, on disk is ${hardState.term}`);
    if (message.type === 'vote' && hardState.vote !== message.from)
      fail('R6', 'asks for votes, its own is not on disk');
    if (message.type === 'voteReply' && message.granted && hardState.vote !== message.to)
      fail('R6', `votes for ${message.to}, on disk is a vote for ${hardState.vote}`);
    if (message.type !== 'appendReply' || !message.accepted) return;
    const held = raft?.termAt(message.match);
    if (message.match > base.index && (held === undefined || durable.term(message.match) !== held))
      fail('R6', `vouches for ${message.match}, which is not on its disk`);
    this.#raftChecks.vouches(message.from, message.term, message.match, held);
  }

  /** R1: one vote a term. */
  #givesVote(from: MemberId, term: Term, to: MemberId): void {
    const votes = this.#heard.get(from)?.votes;
    const before = votes?.get(term);
    if (before === undefined) votes?.set(term, to);
    else if (before !== to) fail('R1', `member ${from} votes for ${to} in term ${term}, and voted for ${before}`);
  }

  /** R10. */
  #isAllowed(message: Message, { id, raft }: RaftWatched): void {
    const heard = this.#heard.get(id);
    if (heard === undefined || raft === undefined) return;
    if (message.type === 'vote') {
      if (message.transfer) {
        if (!heard.told.has(message.term - 1)) fail('R10', `member ${id} campaigns as if a leader had told it to`);
        return;
      }
      const { voters } = raft.configuration;
      const leave = 1 + (heard.leave.get(message.term)?.size ?? 0);
      if (leave <= voters.length / 2)
        fail('R10', `member ${id} campaigns in term ${message.term} with the leave of ${leave} of ${voters.length}`);
    } else if ((message.type === 'preVoteReply' || message.type === 'voteReply') && message.granted) {
      if (raft.leader !== NO_MEMBER && heard.asked.get(`${message.to}/${message.term}`) === false)
        fail('R10', `member ${id} hears a leader and gives ${message.to} a ${message.type} for term ${message.term}`);
    }
  }

  // ── what comes ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Before the turn that handles it. */
  stepping(message: Message, { id, raft }: RaftWatched, nowMs: number): void {
    const heard = this.#heard.get(id);
    if (heard === undefined || raft === undefined) return;
    this.rounds.stepping(message, id, raft);
    switch (message.type) {
      case 'append':
        heard.turn ??= { lastIndex: raft.lastIndex, conflicts: false };
        if (message.entries.some((entry) => (raft.termAt(entry.index) ?? entry.term) !== entry.term))
          heard.turn.conflicts = true;
        this.#hearsLeader(heard, message, raft, nowMs);
        break;
      case 'heartbeat':
        this.#hearsLeader(heard, message, raft, nowMs);
        break;
      case 'preVoteReply':
        if (message.granted) giveLeave(heard, message.term, message.from);
        break;
      case 'timeoutNow':
        heard.told.add(message.term);
        break;
      case 'preVote':
      case 'vote':
        if (message.type === 'vote' && message.transfer) heard.asked.set(`${message.from}/${message.term}`, true);
        else this.#isAsked(heard, message, raft, nowMs);
        break;
      default:
    }
  }

  /** Its connection to `peer` broke, as it will learn in this turn. */
  linkLost(peer: MemberId, id: MemberId): void {
    const heard = this.#heard.get(id);
    if (heard?.leader === peer) heard.leaderMs = Number.NEGATIVE_INFINITY;
  }

  /** After every turn. */
  after({ id, raft }: RaftWatched, nowMs: number): void {
    const heard = this.#heard.get(id);
    if (heard === undefined || raft === undefined) return;
    heard.turnedMs = nowMs;
    // The connection to the leader may have broken within the turn, before the question was looked at; and since then it may have
    // been heard again, or another.
    for (const { key, term, heardAgain } of heard.doubtful)
      if (raft.leader === NO_MEMBER || raft.term !== term || heardAgain) heard.asked.set(key, true);
    heard.doubtful = [];
    if (heard.turn === undefined) return;
    const { lastIndex, conflicts } = heard.turn;
    heard.turn = undefined;
    if (!conflicts && raft.lastIndex < lastIndex)
      fail('R9', `appends that conflict with nothing cut the log of ${id} from ${lastIndex} to ${raft.lastIndex}`);
  }

  #hearsLeader(heard: Heard, { term, from }: Message, raft: Raft, nowMs: number): void {
    if (term < raft.term) return;
    for (const doubt of heard.doubtful) doubt.heardAgain = true;
    heard.leaderMs = nowMs;
    heard.leader = from;
    heard.leaderTerm = term;
  }

  /** Somebody wants to campaign in a newer term. While a leader is heard, the answer is no (thesis §4.2.3). */
  #isAsked(heard: Heard, message: Message, raft: Raft, nowMs: number): void {
    const key = `${message.from}/${message.term}`;
    if (heard.asked.get(key) === true) return;
    // After a stall many things wait for one turn, in an order that cannot be seen from here.
    const awake = nowMs - heard.turnedMs < stallMs;
    const recent = heard.leaderTerm === raft.term && nowMs - heard.leaderMs < 0.8 * this.#electionTimeoutMs;
    const hears = awake && raft.leader !== NO_MEMBER && message.term > raft.term && (raft.role === 'leader' || recent);
    heard.asked.set(key, !hears);
    if (hears) heard.doubtful.push({ key, term: raft.term, heardAgain: false });
    if (heard.asked.size > 1_000) heard.asked.clear();
  }
}

function giveLeave(heard: Heard, term: Term, from: MemberId): void {
  const leave = heard.leave.get(term);
  if (leave === undefined) heard.leave.set(term, new Set([from]));
  else leave.add(from);
}
