/**
 * The member as its services see it; the program implements it over the node. Nothing here knows gRPC, nothing behind it
 * knows the wire. The member decides what needs the log, a quorum round or only its own memory; deadlines come in `CallContext`.
 */

import type { RenewalAnswer } from '../node/answer.ts';
import type { Askings } from '../node/asking.ts';
import type { RaisedAlarm } from '../state/alarm-record.ts';
import type { Command, LeaseId, Range, Txn } from '../state/command.ts';
import type { KvHash } from '../state/hash-kv.ts';
import type { Refused } from '../state/kv.ts';
import type { Outcome, RangeResult, TxnResult } from '../state/outcome.ts';
import type { MemberId } from '../store/entry.ts';
import type { Hub } from '../watch/hub.ts';
import type { HostClock } from './host-clock.ts';

/** What a request brings along that the node needs: how long it may take, and whether anybody still waits. */
export interface Patience {
  readonly timeoutMs: number | undefined;
  readonly signal: AbortSignal;
}

/** A member of the cluster as clients list it. `name` is empty until it has made itself known. */
export interface MemberEntry {
  readonly id: MemberId;
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  readonly isLearner: boolean;
}

/**
 * The applied state of this member (a `Machine`), read at once and never stale against itself within one step. An installed
 * snapshot brings another one, so nobody keeps it across steps.
 */
export interface MemberState {
  readonly revision: number;
  readonly compactRevision: number;
  range(range: Range): RangeResult | Refused;
  /** A txn that only reads (`isReadOnly`). */
  readTxn(txn: Txn): TxnResult | Refused;
  leases(): Iterable<LeaseId>;
  /** In byte order; empty for an unknown lease. */
  leaseKeys(id: LeaseId): readonly Uint8Array[];
  /** Hash of all key versions up to `revision`; 0: the newest. */
  hashKv(revision: number): KvHash | Refused;
}

/** For Maintenance.Status, health and `hasleader`. */
export interface MemberStatus {
  /** NO_MEMBER: none known. */
  readonly leader: MemberId;
  readonly isLeader: boolean;
  readonly isLearner: boolean;
  readonly term: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  /** Bytes of state, as counted against the quota. */
  readonly sizeBytes: number;
  /** Negative: no quota. */
  readonly quotaBytes: number;
  /** Every member's, as of what this one has applied; ascending by member. */
  readonly alarms: readonly RaisedAlarm[];
}

/** The pieces of a header; `revision` is the newest applied one. */
export interface MemberHeader {
  readonly clusterId: bigint;
  readonly memberId: MemberId;
  readonly revision: number;
  readonly term: number;
}

export interface StateDigest {
  /** Everything up to here is applied. */
  readonly index: number;
  readonly digest: string;
  readonly revision: number;
}

/** A snapshot file (decision 0014) on its way to one reader. Close it in any case. */
export interface MemberSnapshot {
  /** All but the hash at its end. */
  readonly totalBytes: number;
  /** To be gone through once. Throws `RpcError` where the image fails. */
  readonly pieces: AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

export interface MemberOptions {
  readonly name: string;
  /** Smallest TTL granted: ceil(1.5 election timeouts) in seconds, etcd's formula (server.go). */
  readonly minTtlSeconds: number;
  readonly maxTxnOps: number;
  readonly maxRequestBytes: number;
  readonly electionTimeoutMs: number;
  /** Positive, random enough that no two members choose the same. */
  newLeaseId(): LeaseId;
}

export interface Member {
  /** Replicates. Throws `UnavailableError`; a refusal is an `Outcome`. */
  propose(command: Command, patience: Patience): Promise<Outcome>;
  /** Returns when this member has applied all that was committed when it was called. Throws `UnavailableError`. */
  barrier(patience: Patience): Promise<void>;
  /**
   * Returns when what a compaction at `revision` made useless is gone from this member's memory and from its image on disk. Throws
   * `UnavailableError`; the compaction is done all the same.
   */
  swept(revision: number, patience: Patience): Promise<void>;
  /** A way to ask about many leases; what is added to it is answered in a later step. Begin another when it is `taken`. */
  askings(patience: Patience): Askings;
  /** Never rejects: what cannot be said is `unavailable`. */
  timeToLive(id: LeaseId, patience: Patience): Promise<RenewalAnswer>;
  readonly state: MemberState;
  readonly hub: Hub;
  /** Who is in the cluster, as of what this member has applied, ascending by id. */
  members(): readonly MemberEntry[];
  status(): MemberStatus;
  header(): MemberHeader;
  /** The whole state in one digest; members at one index have one digest (D1). */
  digest(): StateDigest;
  /** Hands leadership over; true when `target` leads. */
  moveLeader(target: MemberId, patience: Patience): Promise<boolean>;
  /** Tidies this member's disk, and answers when that is done. */
  defragment(patience: Patience): Promise<void>;
  /** Everything this member has applied by now, at one applied index. */
  snapshot(patience: Patience): Promise<MemberSnapshot>;
  readonly options: MemberOptions;
  /** Of the host that it runs on. */
  readonly clock: HostClock;
}
