/**
 * What a node is told once: who it is, how long things may take, and what its disks held.
 */
import type { RaftRestored } from '../raft/raft.ts';
import type { Machine } from '../state/machine.ts';
import type { AppliedCommand } from '../state/outcome.ts';
import type { Entry, MemberId } from '../store/entry.ts';

export interface NodeOptions {
  readonly member: MemberId;
  /** This member's start counter; with `member` it is the origin of its commands. */
  readonly boot: number;
  /** Length of one `Input{tick}` (the lessor's tick). */
  readonly tickMs: number;
  /** Raft ticks (heartbeat intervals) are this many lessor ticks. */
  readonly ticksPerRaftTick: number;
  /** Election timeout in Raft ticks; at least 5 heartbeats, as in etcd. */
  readonly electionTicks: number;
  /** Seeds the election jitter and where lease ids lie in memory; nothing else in here is random. Unknown to clients. */
  readonly seed: bigint;
  /** Bytes of state above which growth is refused (etcd's --quota-backend-bytes); infinite: never. */
  readonly quotaBytes: number;
  /** Entries kept behind the image, if not `limits.ts`'s number: few, and every slow member needs a snapshot. */
  readonly logTrailingEntriesMax?: number;
  /** Entry payload bytes in one append, if not `limits.ts`'s number: small ones set conflicts of logs further apart than one append. */
  readonly appendBytesMax?: number | undefined;
  /** Sees every applied entry, after its effects and before its answers: metrics and the simulator's checkers. */
  readonly observe?: (entry: Entry, commands: readonly AppliedCommand[]) => void;
  /** On the primary: how long after its deadline each expired lease's end was applied. */
  readonly observeLag?: (lagMs: number) => void;
  /** On the primary: what was left of a lease, and its granted TTL, when a renewal of it was asked for. */
  readonly observeMargin?: (remainingMs: number, grantedMs: number) => void;
}

/** What the disks held. `machine` stands at the image's applied index; a lost image is an empty machine. */
export interface NodeRestored {
  readonly raft: RaftRestored;
  readonly machine: Machine;
}
