/** What a Raft core is made of: its settings and what its disk held. Values only. */
import type { Entry, HardState, Index, LogBase, MemberId } from '../store/entry.ts';
import type { Configuration } from './types.ts';

export interface RaftOptions {
  readonly id: MemberId;
  /** This member's start counter: no two starts share one. */
  readonly boot: number;
  /** Shortest election timeout, in ticks; the longest is just under twice that. etcd's default is 10. */
  readonly electionTicks: number;
  /** Ticks between heartbeats. */
  readonly heartbeatTicks: number;
  /** Entry payload bytes in one append, if not the limit of `base/limits.ts`. */
  readonly appendBytesMax?: number | undefined;
  /** The only source of chance: a seeded stream of numbers in [0, 1), another one in every boot. */
  random(): number;
}

export interface RaftRestored {
  readonly hardState: HardState;
  readonly base: LogBase;
  /** In force at `base`, or later as the image knows it; configuration entries of the log come on top. */
  readonly configuration: Configuration;
  readonly entries: readonly Entry[];
  /** The image's applied index, at least `base.index` unless `needsSnapshot`. */
  readonly applied: Index;
  /** The image is lost and the log does not begin at 1: never campaign, hand out nothing, until an image is installed. */
  readonly needsSnapshot: boolean;
}
