/**
 * What the small Raft world checks besides `checks/`: tickets of rounds (R12), the running digest of what is applied (R5), and that
 * all that was acknowledged is still there in the end (S1).
 */
import type { Raft } from '../../src/raft/raft.ts';
import type { Entry, Index, MemberId, Term } from '../../src/store/entry.ts';
import { RaftChecks, type RaftWatched } from './checks/raft-checks.ts';
import { Violation } from './violation.ts';

interface Asked {
  readonly ticket: number;
  readonly committed: Index;
  readonly newestLeaderTerm: Term;
}

/** The running hash of everything applied; an entry is its text and its place. */
export function digestWith(digest: number, entry: Entry): number {
  let hash = Math.imul(digest ^ entry.index, 0x01000193) ^ entry.term;
  for (const byte of entry.payload) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

export class RaftWorldChecks extends RaftChecks {
  /** By index, of all payloads up to there. */
  readonly #digests = [0];
  readonly #acknowledged = new Map<Index, Term>();
  readonly #asked = new Map<MemberId, Asked[]>();
  rounds = 0;

  /** The digest of the state after `index` is applied. */
  digestAt(index: Index): number {
    for (let at = this.#digests.length; at <= index; at++)
      this.#digests.push(digestWith(this.#digests[at - 1] as number, this.chosenAt(at) as Entry));
    return this.#digests[index] as number;
  }

  override booted(member: RaftWatched): void {
    super.booted(member);
    this.#asked.set(member.id, []);
  }

  asked(id: MemberId, ticket: number): void {
    const asked = this.#askedOf(id);
    if (ticket <= (asked.at(-1)?.ticket ?? 0)) fail('R12', 'a ticket was handed out twice');
    asked.push({ ticket, committed: this.committed, newestLeaderTerm: this.newestLeaderTerm });
  }

  roundsLost(id: MemberId): void {
    this.#asked.set(id, []);
  }

  /** R12: the index covers all that was committed anywhere when it was asked, and no newer leader existed then. */
  answered(id: MemberId, upTo: number, index: Index, term: Term): void {
    const open = this.#askedOf(id);
    for (const asked of open.filter(({ ticket }) => ticket <= upTo)) {
      this.rounds++;
      if (index < asked.committed) fail('R12', `answered ${index}, but ${asked.committed} was committed when asked`);
      if (term < asked.newestLeaderTerm)
        fail('R12', `answered in term ${term} after ${asked.newestLeaderTerm} had a leader`);
    }
    this.#asked.set(
      id,
      open.filter(({ ticket }) => ticket > upTo),
    );
  }

  pending(id: MemberId): number {
    return this.#askedOf(id).length;
  }

  /** R5: and everything before it was the same too. */
  appliedAll(entry: Entry, digest: number): void {
    this.applied(entry);
    if (this.digestAt(entry.index) !== digest) fail('R5', `another history is applied up to ${entry.index}`);
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

  #askedOf(id: MemberId): Asked[] {
    return this.#asked.get(id) as Asked[];
  }
}

function fail(invariant: string, why: string): never {
  throw new Violation(invariant, why);
}
