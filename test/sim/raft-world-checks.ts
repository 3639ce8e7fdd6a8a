/**
 * What must hold in the small Raft world after every event: R1–R9, R11, R12, S1, seen from outside with all disks in view. A
 * check fails by throwing a `Violation` that names the invariant.
 */
import type { Message } from '../../src/raft/message.ts';
import type { Raft } from '../../src/raft/raft.ts';
import type { Entry, Index, MemberId, Term } from '../../src/store/entry.ts';
import type { TwinDisk } from '../raft/disk.ts';
import { Violation } from './violation.ts';

/** A member as the checks see it: running or not, its disk is there. */
export interface Watched {
  readonly id: MemberId;
  readonly raft: Raft | undefined;
  readonly disk: TwinDisk;
}

interface Chosen {
  readonly term: Term;
  readonly committedIn: Term;
  /** Of all payloads up to here. */
  readonly digest: number;
}

interface Asked {
  readonly ticket: number;
  readonly committed: Index;
  readonly newestLeaderTerm: Term;
}

interface Seen {
  boot: number;
  role: string;
  term: Term;
  commit: Index;
  lastIndex: Index;
  readonly match: Map<MemberId, Index>;
  asked: Asked[];
}

/** The running hash of everything applied; an entry is its text and its place. */
export function digestWith(digest: number, entry: Entry): number {
  let hash = Math.imul(digest ^ entry.index, 0x01000193) ^ entry.term;
  for (const byte of entry.payload) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

export class RaftChecks {
  readonly #leaders = new Map<Term, MemberId>();
  /** What an (index, term) is, and what stands before it. */
  readonly #entries = new Map<string, { readonly text: string; readonly previous: Term }>();
  readonly #chosen = new Map<Index, Chosen>();
  readonly #acknowledged = new Map<Index, Term>();
  readonly #seen = new Map<MemberId, Seen>();
  committed: Index = 0;
  #newestLeaderTerm: Term = 0;
  rounds = 0;

  constructor(first: Entry) {
    this.#know(first, 0);
    this.#chosen.set(0, { term: 0, committedIn: 0, digest: 0 });
    this.#choose(first, 1);
  }

  get leaderChanges(): number {
    return this.#leaders.size;
  }

  /** The digest of the state after `index` is applied. */
  digestAt(index: Index): number {
    return (this.#chosen.get(index) as Chosen).digest;
  }

  /** A leader took a proposal. */
  proposed(entry: Entry, previous: Term): void {
    this.#know(entry, previous);
  }

  booted(id: MemberId, boot: number, raft: Raft): void {
    const { role, term, commit, lastIndex } = raft;
    this.#seen.set(id, { boot, role, term, commit, lastIndex, match: new Map(), asked: [] });
  }

  /** R6: nothing leaves that is not on the sender's disk. */
  sent(message: Message, { raft, disk }: Watched): void {
    const own = message.type === 'preVote' ? message.term - 1 : message.term;
    const saysYes = message.type === 'preVoteReply' && message.granted;
    if (!saysYes && disk.hardState.term !== own) fail('R6', `${message.type} of term ${own} before it is on disk`);
    if (message.type === 'vote' && disk.hardState.vote !== message.from) fail('R6', 'own vote not on disk');
    if (message.type === 'voteReply' && message.granted && disk.hardState.vote !== message.to)
      fail('R6', 'vote not on disk');
    if (message.type !== 'appendReply' || !message.accepted || message.match <= disk.base.index) return;
    const term = disk.term(message.match);
    if (term === undefined || term !== raft?.termAt(message.match))
      fail('R6', `vouches for ${message.match}, not on disk`);
  }

  /** R2, R3: what goes to disk is what its (index, term) always was, behind what always was before it. */
  written(entries: readonly Entry[], { raft }: Watched): void {
    for (const entry of entries) {
      const previous = raft?.termAt(entry.index - 1);
      if (previous !== undefined) this.#know(entry, previous);
    }
  }

  /** R9: an append that conflicts with nothing takes nothing away. */
  stepping(message: Message, raft: Raft): () => void {
    if (message.type !== 'append') return () => undefined;
    const before = raft.lastIndex;
    const conflicts = message.entries.some((entry) => (raft.termAt(entry.index) ?? entry.term) !== entry.term);
    return () => {
      if (!conflicts && raft.lastIndex < before) fail('R9', `an append cut ${before} back to ${raft.lastIndex}`);
    };
  }

  asked(id: MemberId, ticket: number): void {
    const seen = this.#seen.get(id) as Seen;
    if (ticket <= (seen.asked.at(-1)?.ticket ?? 0)) fail('R12', 'a ticket was handed out twice');
    seen.asked.push({ ticket, committed: this.committed, newestLeaderTerm: this.#newestLeaderTerm });
  }

  roundsLost(id: MemberId): void {
    (this.#seen.get(id) as Seen).asked = [];
  }

  /** R12: the index covers all that was committed anywhere when it was asked, and no newer leader existed then. */
  answered(id: MemberId, upTo: number, index: Index, term: Term): void {
    const seen = this.#seen.get(id) as Seen;
    for (const asked of seen.asked.filter(({ ticket }) => ticket <= upTo)) {
      this.rounds++;
      if (index < asked.committed) fail('R12', `answered ${index}, but ${asked.committed} was committed when asked`);
      if (term < asked.newestLeaderTerm)
        fail('R12', `answered in term ${term} after ${asked.newestLeaderTerm} had a leader`);
    }
    seen.asked = seen.asked.filter(({ ticket }) => ticket > upTo);
  }

  pending(id: MemberId): number {
    return (this.#seen.get(id) as Seen).asked.length;
  }

  /** R5: every member applies what was chosen. */
  applied(entry: Entry, digest: number): void {
    const chosen = this.#chosen.get(entry.index);
    if (chosen === undefined) fail('R7', `index ${entry.index} applied before any leader committed it`);
    else if (chosen.term !== entry.term || chosen.digest !== digest)
      fail('R5', `another entry applied at ${entry.index}`);
  }

  /** Its proposer saw it committed: the client was told. */
  acknowledged(entry: Entry): void {
    this.#acknowledged.set(entry.index, entry.term);
  }

  /** S1: at the end of the run, `raft` still holds all that was acknowledged. */
  survived(raft: Raft): void {
    for (const [index, term] of this.#acknowledged) {
      if (index > raft.base.index && raft.termAt(index) !== term) fail('S1', `acknowledged entry ${index} is lost`);
    }
  }

  /** R1, R2, R4, R7, R8, R9 after a member did something. */
  after(member: Watched, all: readonly Watched[]): void {
    const { id, raft } = member;
    if (raft === undefined) return;
    const seen = this.#seen.get(id) as Seen;
    if (raft.commit < seen.commit) fail('R7', 'commit went back');
    if (raft.term < seen.term) fail('R6', 'term went back');
    const newReign = raft.role === 'leader' && (seen.role !== 'leader' || seen.term !== raft.term);
    if (newReign) this.#elected(raft);
    if (raft.role === 'leader') {
      if (!newReign && raft.lastIndex < seen.lastIndex) fail('R2', 'a leader cut its log');
      this.#matches(raft, seen, newReign);
      if (raft.commit > this.committed) this.#committing(raft, all);
      else if (raft.commit > seen.commit && raft.termAt(raft.commit) !== raft.term)
        fail('R8', 'committed an old term by counting');
    }
    seen.role = raft.role;
    seen.term = raft.term;
    seen.commit = raft.commit;
    seen.lastIndex = raft.lastIndex;
  }

  #elected(raft: Raft): void {
    const other = this.#leaders.get(raft.term);
    if (other !== undefined) fail('R1', `two leaders in term ${raft.term}: ${other} and ${raft.id}`);
    this.#leaders.set(raft.term, raft.id);
    this.#newestLeaderTerm = Math.max(this.#newestLeaderTerm, raft.term);
    this.#know(
      { index: raft.lastIndex, term: raft.term, kind: 'empty', payload: new Uint8Array(0) },
      raft.termAt(raft.lastIndex - 1) as Term,
    );
    for (let index = raft.base.index; index <= this.committed; index++) {
      const chosen = this.#chosen.get(index) as Chosen;
      if (chosen.committedIn < raft.term && raft.termAt(index) !== chosen.term)
        fail('R4', `leader of ${raft.term} lacks ${index}`);
    }
  }

  #matches(raft: Raft, seen: Seen, newReign: boolean): void {
    if (newReign) seen.match.clear();
    for (const { member, match, next } of raft.describe().followers) {
      if (match < (seen.match.get(member) ?? 0)) fail('R9', `match of ${member} went back to ${match}`);
      if (next <= match) fail('R9', 'next <= match');
      seen.match.set(member, match);
    }
  }

  #committing(raft: Raft, all: readonly Watched[]): void {
    const index = raft.commit;
    const term = raft.termAt(index) as Term;
    if (term !== raft.term) fail('R8', `leader of ${raft.term} committed an entry of ${term} by counting`);
    const holders = all.filter(({ disk }) => disk.base.index >= index || disk.term(index) === term);
    if (holders.length <= all.length / 2) fail('R7', `${index} committed, on ${holders.length} of ${all.length} disks`);
    for (let i = this.committed + 1; i <= index; i++) {
      const entryTerm = raft.termAt(i) as Term;
      const { text } = this.#entries.get(`${i}/${entryTerm}`) as { text: string };
      this.#choose({ index: i, term: entryTerm, kind: 'commands', payload: Buffer.from(text) }, raft.term);
    }
  }

  #choose(entry: Entry, committedIn: Term): void {
    const digest = digestWith(this.digestAt(entry.index - 1), entry);
    this.#chosen.set(entry.index, { term: entry.term, committedIn, digest });
    this.committed = entry.index;
  }

  #know(entry: Entry, previous: Term): void {
    const text = Buffer.from(entry.payload).toString('latin1');
    const key = `${entry.index}/${entry.term}`;
    const known = this.#entries.get(key);
    if (known === undefined) this.#entries.set(key, { text, previous });
    else if (known.text !== text || known.previous !== previous) fail('R3', `two histories at ${key}`);
  }
}

function fail(invariant: string, why: string): never {
  throw new Violation(invariant, why);
}
