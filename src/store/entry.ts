/**
 * The nouns of the replicated log (Raft thesis §3; etcd's words). Values only; used by raft, both disks and the wire between
 * members, so they live below all of them.
 */

/** A member's id: a uint64, never 0. As a `Map` key, never as an object key. */
export type MemberId = bigint;
/** No member: an empty vote, an unknown leader. */
export const NO_MEMBER: MemberId = 0n;

/** Raft term; starts at 0, and 1 is the first that anybody may lead. A safe integer. */
export type Term = number;
/** Log index; the first entry has index 1. A safe integer. */
export type Index = number;

/** What an entry's payload is. `empty` opens a leader's term. */
export type EntryKind = 'empty' | 'commands' | 'configuration';

/** One slot of the replicated log. Immutable once made; `payload` is shared by wire, log and apply. */
export interface Entry {
  readonly index: Index;
  readonly term: Term;
  readonly kind: EntryKind;
  readonly payload: Uint8Array;
}

/** What must be on disk before a member speaks. One record, so that term and vote can never part (M02). */
export interface HardState {
  readonly term: Term;
  /** Whom this member voted for in `term`; `NO_MEMBER` if nobody. */
  readonly vote: MemberId;
  /** Highest index this member knows to be committed. Saved lazily, with other writes; a lower bound. */
  readonly commit: Index;
}

/** Where a log starts: everything up to `index` lives in an image instead. Index 0, term 0 is the empty log's base. */
export interface LogBase {
  readonly index: Index;
  readonly term: Term;
}

/**
 * What goes to disk in one write, synced as one. Entries may overwrite a suffix of the log: everything at or after
 * `entries[0].index` is replaced.
 */
export interface WriteGroup {
  readonly hardState: HardState | undefined;
  readonly entries: readonly Entry[];
}
