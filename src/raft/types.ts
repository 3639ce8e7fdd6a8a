/**
 * The nouns that only Raft and those who drive it need. Values only: no rule lives here.
 */
import type { Index, MemberId, Term } from '../store/entry.ts';

/** Who decides. A value, so that joint consensus can join `outgoing` later without a new format. */
export interface Configuration {
  /** Voting members, ascending. Never empty. */
  readonly voters: readonly MemberId[];
  /** Members that receive the log but do not count, ascending. */
  readonly learners: readonly MemberId[];
}

/** What describes an image: the last entry it covers and the configuration in force there. */
export interface SnapshotMeta {
  readonly index: Index;
  readonly term: Term;
  readonly configuration: Configuration;
}

/** The part a member plays in its term (Raft thesis §3.4, §9.6). */
export type Role = 'follower' | 'preCandidate' | 'candidate' | 'leader';
