/**
 * Raft's safety seen from outside, with all disks in view: one leader a term (R1), a leader keeps its log (R2), one history per
 * (index, term) (R3), what is committed is in every later leader's log (R4), one entry per index is ever applied (R5), commits
 * rest on a quorum of disks (R7) and on an entry of the own term (R8), matches only grow and say what is so (R9), what a member
 * takes for synced is on its disk (R6), nothing is taken in while leadership is handed over (R14). Used over the node and over bare cores; messages are looked at in `message-checks.ts`.
 */
import type { Raft } from '../../../src/raft/raft.ts';
import { type Entry, type Index, type MemberId, NO_MEMBER, type Term } from '../../../src/store/entry.ts';
import type { DurableLog } from '../observer.ts';
import { fail } from './fail.ts';

/** A member as these checks see it: running or not, its disk is there. */
export interface RaftWatched {
  readonly id: MemberId;
  readonly raft: Raft | undefined;
  readonly durable: DurableLog;
}

interface Known {
  readonly entry: Entry;
  /** The term of the entry before it. */
  readonly previous: Term;
}

interface Chosen {
  readonly entry: Entry;
  readonly committedIn: Term;
}

/** A log as a leader found it: terms of `from` and on. */
interface Opened {
  readonly from: Index;
  readonly terms: readonly Term[];
}

/** A member after its last turn. */
interface Seen {
  role: string;
  term: Term;
  commit: Index;
  lastIndex: Index;
  readonly match: Map<MemberId, Index>;
  /** While leadership is handed over: the last index when the target was told to campaign. */
  toldAt: Index | undefined;
}

export class RaftChecks {
  readonly #leaders = new Map<Term, MemberId>();
  /** By index, then by term: what was ever handed to a disk there. */
  readonly #known: Map<Term, Known>[] = [];
  /** By index; 0 stands for the empty log. */
  readonly #chosen: Chosen[] = [];
  readonly #seen = new Map<MemberId, Seen>();
  /** By leader's term: up to where each member vouched for that leader's log, after R6 found it on disk. */
  readonly #vouched = new Map<Term, Map<MemberId, Index>>();
  /** By term: the terms of its leader's log when it was elected. */
  readonly #opened = new Map<Term, Opened>();
  #newestLeaderTerm: Term = 0;

  constructor(first: Entry) {
    this.#chosen.push({ entry: { ...first, index: 0, term: 0 }, committedIn: 0 });
    this.#know(first, 0);
    this.#choose(first, first.term);
  }

  /** The highest index that any leader committed. */
  get committed(): Index {
    return this.#chosen.length - 1;
  }

  /** How many terms had a leader. */
  get leaderChanges(): number {
    return this.#leaders.size;
  }

  /** The newest term that has, or had, a leader. */
  get newestLeaderTerm(): Term {
    return this.#newestLeaderTerm;
  }

  /** Who led in `term`. */
  leaderOf(term: Term): MemberId | undefined {
    return this.#leaders.get(term);
  }

  /** The entry chosen at `index`; undefined if none is. */
  chosenAt(index: Index): Entry | undefined {
    return this.#chosen[index]?.entry;
  }

  booted({ id, raft, durable }: RaftWatched): void {
    if (raft === undefined) return;
    const { role, term, commit, lastIndex } = raft;
    const { hardState } = durable;
    if (term < hardState.term) fail('R6', `member ${id} starts in term ${term}, its disk says ${hardState.term}`);
    const { vote } = raft.describe();
    if (term === hardState.term && vote !== hardState.vote)
      fail('R1', `member ${id} starts in term ${term} with a vote for ${vote}, its disk says ${hardState.vote}`);
    this.#seen.set(id, { role, term, commit, lastIndex, match: new Map(), toldAt: undefined });
  }

  /** R2, R3: what goes to disk is what its (index, term) always was, behind what always was before it. */
  written(entries: readonly Entry[], { raft }: RaftWatched): void {
    let previous: Term | undefined;
    for (const entry of entries) {
      previous ??= raft?.termAt(entry.index - 1);
      if (previous !== undefined) this.#know(entry, previous);
      previous = entry.term;
    }
  }

  /** R3, for a leader's entry that is not on any disk yet. */
  proposed(entry: Entry, previous: Term): void {
    this.#know(entry, previous);
  }

  /** R9: `from` tells the leader of `term` that it holds its log up to `index`, where its own has an entry of `held`. */
  vouches(from: MemberId, term: Term, index: Index, held: Term | undefined): void {
    const must = this.#heldByLeader(term, index);
    if (must !== undefined && held !== undefined && must !== held)
      fail('R9', `member ${from} vouches for ${index} of ${held}, the leader of ${term} holds one of ${must} there`);
    let vouched = this.#vouched.get(term);
    if (vouched === undefined) {
      vouched = new Map();
      this.#vouched.set(term, vouched);
    }
    if (index > (vouched.get(from) ?? 0)) vouched.set(from, index);
  }

  /** R14: from here on, until the hand-over has failed, the leader takes nothing in. */
  toldToCampaign({ id, raft }: RaftWatched): void {
    const seen = this.#seen.get(id);
    if (seen !== undefined && raft !== undefined && raft.transferTarget !== NO_MEMBER) seen.toldAt ??= raft.lastIndex;
  }

  /** R5, R7: what a member applies is what a leader committed there. */
  applied(entry: Entry): void {
    const chosen = this.#chosen[entry.index];
    if (chosen === undefined) fail('R7', `index ${entry.index} is applied before any leader committed it`);
    if (!isSame(chosen.entry, entry))
      fail('R5', `two entries at index ${entry.index}: of term ${chosen.entry.term} and ${entry.term}`);
  }

  /** R1, R2, R4, R7, R8, R9, R14 after a member did something. */
  after(member: RaftWatched, all: readonly RaftWatched[]): void {
    const { id, raft } = member;
    const seen = this.#seen.get(id);
    if (raft === undefined || seen === undefined) return;
    const { role, term, commit, lastIndex } = raft;
    this.#isOnDisk(raft, member.durable);
    if (commit < seen.commit) fail('R7', `commit of member ${id} went back from ${seen.commit} to ${commit}`);
    if (term < seen.term) fail('R6', `term of member ${id} went back from ${seen.term} to ${term}`);
    if (commit > lastIndex) fail('R7', `member ${id} committed ${commit}, its log ends at ${lastIndex}`);
    if (raft.handedOut > commit) fail('R7', `member ${id} applies ${raft.handedOut}, committed is ${commit}`);
    if (role === 'leader') this.#leads(raft, seen, all);
    else {
      if (seen.match.size > 0) seen.match.clear();
      // Whoever committed by counting and stepped down in the same turn still committed.
      if (commit > this.committed) this.#committing(member, seen.role === 'leader' ? seen.term : undefined, all);
    }
    if (commit > seen.commit) this.#holdsChosen(raft, commit);
    seen.role = role;
    seen.term = term;
    seen.commit = commit;
    seen.lastIndex = lastIndex;
  }

  #leads(raft: Raft, seen: Seen, all: readonly RaftWatched[]): void {
    const { id, term, commit, lastIndex } = raft;
    const newReign = seen.role !== 'leader' || seen.term !== term;
    if (newReign) {
      this.#elected(raft);
      seen.match.clear();
      seen.toldAt = undefined;
    } else if (lastIndex < seen.lastIndex)
      fail('R2', `leader ${id} cut its log from ${seen.lastIndex} to ${lastIndex}`);
    for (const { member, match, next } of raft.describe().followers) {
      if (match < (seen.match.get(member) ?? 0)) fail('R9', `match of ${member} went back to ${match}`);
      if (next <= match) fail('R9', `next ${next} <= match ${match}`);
      seen.match.set(member, match);
    }
    if (commit > this.committed) this.#committing({ id, raft, durable: durableOf(id, all) }, term, all);
    else if (!newReign && commit > seen.commit && raft.termAt(commit) !== term)
      fail('R8', `leader of ${term} committed ${commit}, an entry of ${raft.termAt(commit)}, by counting`);
    if (raft.transferTarget === NO_MEMBER) seen.toldAt = undefined;
    else if (seen.toldAt !== undefined && lastIndex > seen.toldAt)
      fail(
        'R14',
        `leader ${id} took in ${lastIndex} after it told ${raft.transferTarget} to campaign at ${seen.toldAt}`,
      );
  }

  #elected(raft: Raft): void {
    const { id, term, base, lastIndex } = raft;
    const other = this.#leaders.get(term);
    if (other !== undefined) fail('R1', `two leaders in term ${term}: ${other} and ${id}`);
    this.#leaders.set(term, id);
    this.#newestLeaderTerm = Math.max(this.#newestLeaderTerm, term);
    const terms: Term[] = [];
    for (let index = base.index; index <= lastIndex; index++) terms.push(raft.termAt(index) as Term);
    this.#opened.set(term, { from: base.index, terms });
    for (let index = base.index; index <= this.committed; index++) {
      const chosen = this.#chosen[index] as Chosen;
      if (chosen.committedIn < term && raft.termAt(index) !== chosen.entry.term)
        fail('R4', `leader ${id} of term ${term} lacks index ${index}, committed in ${chosen.committedIn}`);
    }
  }

  /** The term of the entry that the leader of `term` holds at `index`; undefined if nobody was seen to lead then. */
  #heldByLeader(term: Term, index: Index): Term | undefined {
    const opened = this.#opened.get(term);
    if (opened === undefined) return undefined;
    // What it had dropped already was committed, what it took in since is of its own term.
    return index < opened.from ? this.chosenAt(index)?.term : (opened.terms[index - opened.from] ?? term);
  }

  /** R6: what a member takes for synced is on its disk. While a snapshot takes the place of its log the two differ. */
  #isOnDisk(raft: Raft, durable: DurableLog): void {
    const { persistedIndex, base } = raft;
    if (durable.base.index > base.index) return;
    const [held, synced] = [raft.termAt(persistedIndex), durable.term(persistedIndex)];
    if (persistedIndex > durable.base.index && held !== synced)
      fail('R6', `member ${raft.id} takes ${persistedIndex} of ${held} for synced, on its disk is one of ${synced}`);
  }

  /** A commit that nobody has seen before: by whom, on whose disks? */
  #committing({ id, raft }: RaftWatched, leadingIn: Term | undefined, all: readonly RaftWatched[]): void {
    if (raft === undefined) return;
    const index = raft.commit;
    const term = raft.termAt(index);
    if (leadingIn === undefined || term === undefined) fail('R7', `member ${id} committed ${index}, no leader has`);
    if (term !== leadingIn) fail('R8', `leader of ${leadingIn} committed ${index}, an entry of ${term}, by counting`);
    const vouched = this.#vouched.get(leadingIn);
    const holds = ({ id: holder, durable }: RaftWatched): boolean =>
      durable.base.index >= index || durable.term(index) === term || (vouched?.get(holder) ?? 0) >= index;
    const voters = raft.configuration.voters;
    const holders = all.filter((each) => voters.includes(each.id) && holds(each)).length;
    if (holders <= voters.length / 2) fail('R7', `${index} is committed, on ${holders} of ${voters.length} disks`);
    for (let at = this.committed + 1; at <= index; at++) {
      const known = this.#known[at]?.get(raft.termAt(at) ?? -1);
      if (known === undefined) fail('R7', `${at} is committed, but was on no disk`);
      this.#choose(known.entry, leadingIn);
    }
  }

  /** R4, R5: a member's log, up to its commit, is what was chosen. Looks at the newest only; R3 vouches for what is before. */
  #holdsChosen(raft: Raft, commit: Index): void {
    const chosen = this.#chosen[commit];
    if (chosen === undefined) fail('R7', `member ${raft.id} committed ${commit}, no leader has`);
    else if (raft.termAt(commit) !== chosen.entry.term)
      fail(
        'R5',
        `member ${raft.id} committed an entry of ${raft.termAt(commit)} at ${commit}, chosen is ${chosen.entry.term}`,
      );
  }

  #choose(entry: Entry, committedIn: Term): void {
    this.#chosen.push({ entry, committedIn });
  }

  #know(entry: Entry, previous: Term): void {
    const { index, term } = entry;
    this.#known[index] ??= new Map();
    const at = this.#known[index] as Map<Term, Known>;
    const known = at.get(term);
    if (known === undefined) at.set(term, { entry, previous });
    else if (known.previous !== previous || !isSame(known.entry, entry))
      fail('R3', `two histories at ${index} of term ${term}`);
  }
}

function durableOf(id: MemberId, all: readonly RaftWatched[]): DurableLog {
  return (all.find((member) => member.id === id) as RaftWatched).durable;
}

/** The same bytes at the same place. Most are the same object. */
function isSame(a: Entry, b: Entry): boolean {
  if (a === b) return true;
  if (a.index !== b.index || a.term !== b.term || a.kind !== b.kind) return false;
  return a.payload === b.payload || Buffer.compare(a.payload, b.payload) === 0;
}
