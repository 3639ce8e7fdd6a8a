/**
 * Who was on lease duty when, told from outside: one reign per term. Checks at once that only the leader is on duty, and only once an
 * entry of its own term is applied (L3). Keeps for every reign what was left of each lease when it began, when each entry
 * was proposed, and how far its lessor time is known to have brought something about ("credit").
 */
import type { Raft } from '../../../src/raft/raft.ts';
import type { LeaseId } from '../../../src/state/command.ts';
import type { Index, MemberId, Term } from '../../../src/store/entry.ts';
import { fail } from './fail.ts';
import type { LessorTime, LessorTimes } from './lessor-time.ts';
import type { Life } from './lives.ts';

/** One term of duty. */
export interface Reign {
  readonly term: Term;
  readonly member: MemberId;
  readonly beganMs: number;
  readonly began: LessorTime;
  /**
   * Lower bound of its lessor time at the newest turn whose entries are all chosen: what was due by then must be among them. The turn
   * of the newest chosen entry itself may have more of them under way, and proposals may have been barred before it (R14).
   */
  creditLow: number;
  /** Of the turn of its newest chosen entry. */
  pending: { readonly atMs: number; readonly low: number };
  /** The longest from proposal to its own application, in lessor time. */
  latency: number;
}

/** When the leader of its term took an entry into its log. */
export interface Proposed {
  readonly term: Term;
  readonly atMs: number;
  readonly time: LessorTime;
}

/** What these checks need of a member. */
export interface DutyWatched {
  readonly id: MemberId;
  readonly raft: Raft;
  readonly dutyTerm: Term | undefined;
  readonly appliedTerm: Term;
}

export class Reigns {
  readonly #times: LessorTimes;
  readonly #byTerm = new Map<Term, Reign>();
  readonly #list: Reign[] = [];
  readonly #left = new Map<Term, ReadonlyMap<LeaseId, { readonly life: Life; readonly leftMs: number }>>();
  readonly #proposed: (Proposed | undefined)[] = [];
  readonly #applied = new Map<MemberId, Index>();
  readonly #lastIndex = new Map<MemberId, { term: Term; index: Index }>();

  constructor(times: LessorTimes) {
    this.#times = times;
  }

  /** The newest one. */
  get newest(): Reign | undefined {
    return this.#list.at(-1);
  }

  of(term: Term): Reign | undefined {
    return this.#byTerm.get(term);
  }

  /** Those of terms after `term`, oldest first. */
  after(term: Term): readonly Reign[] {
    return this.#list.filter((reign) => reign.term > term);
  }

  proposedAt(index: Index): Proposed | undefined {
    return this.#proposed[index];
  }

  /** Of a life that was there when the term's first entry was applied: what was left then. */
  leftAtStart(term: Term, life: Life): number | undefined {
    const left = this.#left.get(term)?.get(life.id);
    return left?.life === life ? left.leftMs : undefined;
  }

  /** After every turn. */
  turned({ id, raft, dutyTerm, appliedTerm }: DutyWatched, nowMs: number): void {
    const leads = raft.role === 'leader';
    if (dutyTerm !== undefined) {
      if (!leads || raft.term !== dutyTerm)
        fail('L3', `member ${id} is on duty for term ${dutyTerm}, and is a ${raft.role} of term ${raft.term}`);
      if (appliedTerm !== dutyTerm)
        fail(
          'L3',
          `member ${id} is on duty for term ${dutyTerm} and has applied no entry of it, only of ${appliedTerm}`,
        );
      if (!this.#byTerm.has(dutyTerm)) this.#begin(id, dutyTerm, nowMs);
    }
    if (leads) this.#notes(id, raft, nowMs);
  }

  /** The first entry of a term was applied, for the first time anywhere. */
  termOpened(term: Term, alive: ReadonlyMap<LeaseId, Life>): void {
    const left = new Map<LeaseId, { life: Life; leftMs: number }>();
    for (const [id, life] of alive)
      left.set(id, { life, leftMs: life.remainingMs > 0 ? life.remainingMs : life.grantedMs });
    this.#left.set(term, left);
    this.#left.delete(term - 8);
  }

  /** An entry was applied for the first time anywhere: what its leader did before proposing it has come about. */
  applied(index: Index, term: Term): void {
    const proposed = this.#proposed[index];
    const reign = this.#byTerm.get(term);
    if (reign === undefined || proposed?.term !== term) return;
    if (proposed.atMs > reign.pending.atMs) {
      reign.creditLow = Math.max(reign.creditLow, reign.pending.low);
      reign.pending = { atMs: proposed.atMs, low: proposed.time.low };
    }
    // What the leader itself has not applied yet holds up what it may decide.
    const oldest = this.#proposed[(this.#applied.get(reign.member) ?? 0) + 1];
    if (oldest?.term === term) this.#took(reign, oldest);
  }

  /** A member applied an entry, whoever was first. */
  appliedBy(id: MemberId, index: Index, term: Term): void {
    this.#applied.set(id, index);
    const reign = this.#byTerm.get(term);
    const proposed = this.#proposed[index];
    if (reign?.member === id && proposed?.term === term) this.#took(reign, proposed);
  }

  #took(reign: Reign, { time }: Proposed): void {
    reign.latency = Math.max(reign.latency, this.#times.of(reign.member).high - time.high);
  }

  #begin(id: MemberId, term: Term, nowMs: number): void {
    const began = this.#times.of(id);
    const pending = { atMs: nowMs, low: began.low };
    const reign = { term, member: id, beganMs: nowMs, began, creditLow: began.low, pending, latency: 0 };
    this.#byTerm.set(term, reign);
    // A leader of an older term may come on duty late; in the order of terms it stands where it belongs.
    this.#list.push(reign);
    this.#list.sort((a, b) => a.term - b.term);
  }

  /** Notes when the entries were proposed that are new in a leader's log. */
  #notes(id: MemberId, raft: Raft, nowMs: number): void {
    const { term, lastIndex } = raft;
    const known = this.#lastIndex.get(id);
    const from = known?.term === term ? known.index : lastIndex - 1;
    if (lastIndex === known?.index && known.term === term) return;
    const time = this.#times.of(id);
    for (let index = from + 1; index <= lastIndex; index++) this.#proposed[index] = { term, atMs: nowMs, time };
    this.#lastIndex.set(id, { term, index: lastIndex });
  }
}
