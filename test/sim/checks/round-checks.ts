/**
 * Quorum rounds (R12), from outside: an answer to a question leaves only after a quorum echoed, in the leader's term, a round
 * number that was first sent after the question came. Numbers seen before it prove nothing. The index that goes with the answer
 * covers all that was committed anywhere when the question came, and the leader has committed an entry of its own term.
 */
import type { ForwardAnswers, ForwardQuestions } from '../../../src/node/peer-message.ts';
import type { Message, RoundReply } from '../../../src/raft/message.ts';
import type { Raft } from '../../../src/raft/raft.ts';
import type { Index, MemberId, Term } from '../../../src/store/entry.ts';
import { Violation } from '../violation.ts';
import type { RaftChecks, RaftWatched } from './raft-checks.ts';

/** The moment at which a question came to a member. */
export interface Mark {
  readonly term: Term;
  /** The newest round number that had left by then. */
  readonly round: number;
  /** Committed anywhere by then. */
  readonly committed: Index;
}

interface Rounds {
  term: Term;
  newest: number;
  readonly echoes: Map<MemberId, number>;
  /** By question: each copy that came, in order; each is answered. */
  readonly asked: Map<string, Mark[]>;
}

const askedMax = 20_000;

export class RoundChecks {
  readonly #raftChecks: RaftChecks;
  readonly #rounds = new Map<MemberId, Rounds>();

  constructor(raftChecks: RaftChecks) {
    this.#raftChecks = raftChecks;
  }

  booted(id: MemberId): void {
    this.#rounds.set(id, { term: 0, newest: 0, echoes: new Map(), asked: new Map() });
  }

  /** Now, as `member` sees it. */
  mark(id: MemberId, raft: Raft): Mark {
    const rounds = this.#at(id, raft.term);
    return { term: raft.term, round: rounds.newest, committed: this.#raftChecks.committed };
  }

  /** Whether a round begun after the mark was answered by a quorum, as far as this member, which leads, can know. */
  covers(mark: Mark, id: MemberId, raft: Raft): boolean {
    const rounds = this.#at(id, raft.term);
    const before = mark.term === raft.term ? mark.round : 0;
    const { voters } = raft.configuration;
    let count = 1;
    for (const voter of voters) if (voter !== id && (rounds.echoes.get(voter) ?? 0) > before) count++;
    return count > voters.length / 2;
  }

  stepping(message: Message, id: MemberId, raft: Raft): void {
    switch (message.type) {
      case 'appendReply':
      case 'heartbeatReply': {
        if (message.term !== raft.term) return;
        const { echoes } = this.#at(id, raft.term);
        if (message.round > (echoes.get(message.from) ?? 0)) echoes.set(message.from, message.round);
        return;
      }
      case 'roundRequest':
        this.#ask(id, `round ${message.from}/${message.boot}/${message.context}`, raft);
        return;
      default:
    }
  }

  sent(message: Message, { id, raft }: RaftWatched): void {
    if (message.type === 'append' || message.type === 'heartbeat') {
      const rounds = this.#at(id, message.term);
      if (message.round > rounds.newest) rounds.newest = message.round;
    } else if (message.type === 'roundReply' && raft !== undefined) this.#replies(message, id, raft);
  }

  /** A follower's keep-alives and TTL questions come to a member. */
  questioned({ from, boot, questions }: ForwardQuestions, id: MemberId, raft: Raft): void {
    for (const { seq } of questions) this.#ask(id, `question ${from}/${boot}/${seq}`, raft);
  }

  /** And their answers leave. */
  answering({ to, boot, answers }: ForwardAnswers, { id, raft }: RaftWatched): void {
    if (raft === undefined) return;
    const { asked } = this.#at(id, raft.term);
    for (const { seq, type } of answers) {
      const key = `question ${to}/${boot}/${seq}`;
      const marks = asked.get(key);
      if (marks === undefined) continue;
      // Copies of one question look alike from outside. The one that is put off may be any; the first asks for the least.
      const at = type === 'unavailable' ? marks.length - 1 : marks.findIndex((mark) => this.covers(mark, id, raft));
      marks.splice(at, 1);
      if (marks.length === 0) asked.delete(key);
      if (type === 'unavailable') continue;
      if (raft.role !== 'leader') fail(`member ${id} answers ${to} about a lease and does not lead`);
      if (at < 0) fail(`leader ${id} answers ${to} about a lease, no quorum round began since it was asked`);
      if (!raft.ownTermCommitted) fail(`leader ${id} answers ${to} before an entry of its term is committed`);
    }
  }

  #replies({ to, boot, context, index, term }: RoundReply, id: MemberId, raft: Raft): void {
    const rounds = this.#at(id, raft.term);
    // Copies of one question are answered once; of them the first asks for the least.
    const mark = rounds.asked.get(`round ${to}/${boot}/${context}`)?.[0];
    if (mark === undefined) fail(`leader ${id} answers a question that ${to} never asked`);
    if (index < mark.committed) fail(`leader ${id} answers ${index}, ${mark.committed} was committed when asked`);
    if (raft.termAt(index) !== undefined && raft.termAt(index) !== term)
      fail(`leader ${id} answers ${index}, which is not of its term ${term}`);
    if (!this.covers(mark, id, raft)) fail(`leader ${id} answers ${to}, no quorum round began since it was asked`);
  }

  #ask(id: MemberId, key: string, raft: Raft): void {
    const { asked } = this.#at(id, raft.term);
    if (asked.size > askedMax) asked.clear();
    const marks = asked.get(key);
    if (marks === undefined) asked.set(key, [this.mark(id, raft)]);
    else marks.push(this.mark(id, raft));
  }

  #at(id: MemberId, term: Term): Rounds {
    const rounds = this.#rounds.get(id) as Rounds;
    if (term > rounds.term) {
      rounds.term = term;
      rounds.newest = 0;
      rounds.echoes.clear();
    }
    return rounds;
  }
}

function fail(what: string): never {
  throw new Violation('R12', what);
}
