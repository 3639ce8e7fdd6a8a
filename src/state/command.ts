/**
 * What a committed entry asks the state machine to do. No clock and no option in here: what a flag decides (minimum
 * TTL, limits, quota) the proposer decided and wrote into the command (house §5). `state/codec.ts` gives commands bytes.
 */
import type { MemberId } from '../store/entry.ts';

/** A lease id: any int64 but 0, at the edges a bigint. */
export type LeaseId = bigint;
/** No lease: on a put, detach. */
export const NO_LEASE: LeaseId = 0n;

/**
 * Who asked, so that each member can answer its own callers when it applies (house §7). `boot` counts that member's
 * starts; `seq` grows within a boot. The leader's own duties use seq 0: nobody waits for them.
 */
export interface Origin {
  readonly member: MemberId;
  readonly boot: number;
  readonly seq: number;
}

/** A lease as one life of it: the stamp is set anew by grant and by every clear (L8). */
export interface StampedLease {
  readonly id: LeaseId;
  readonly stamp: number;
}

export interface Grant {
  readonly type: 'grant';
  readonly id: LeaseId;
  /** 1 … 9e12 ms; clamped and checked by the proposer. */
  readonly ttlMs: number;
}
export interface Revoke {
  readonly type: 'revoke';
  readonly id: LeaseId;
}
export interface Put {
  readonly type: 'put';
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly lease: LeaseId;
  readonly prevKv: boolean;
  readonly ignoreValue: boolean;
  readonly ignoreLease: boolean;
}
/** `rangeEnd` empty: that key alone; the single byte 0: from `key` on; else [key, rangeEnd). */
export interface DeleteRange {
  readonly type: 'deleteRange';
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly prevKv: boolean;
}
/** A read; on its own it never enters the log, inside a txn it does. */
export interface Range {
  readonly type: 'range';
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  /** 0: no limit. */
  readonly limit: number;
  /** 0: the newest; below 0 too, but see `Kv.refusesInTxn`. */
  readonly revision: number;
  readonly sortOrder: 'none' | 'ascend' | 'descend';
  readonly sortTarget: 'key' | 'version' | 'create' | 'mod' | 'value';
  readonly keysOnly: boolean;
  readonly countOnly: boolean;
  /** 0: no bound, here and below. Any other number is one. */
  readonly minModRevision: number;
  readonly maxModRevision: number;
  readonly minCreateRevision: number;
  readonly maxCreateRevision: number;
}
export type CompareTarget = 'version' | 'create' | 'mod' | 'value' | 'lease';
export interface Compare {
  readonly target: CompareTarget;
  readonly result: 'equal' | 'greater' | 'less' | 'notEqual';
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  /** For version, create, mod: a number; for lease: a bigint; for value: bytes. */
  readonly operand: number | bigint | Uint8Array;
}
export type TxnOp = Put | DeleteRange | Range | Txn;
/** All compares, also those of the txns inside, look at the state before the command. At most `txnDepthMax` deep. */
export interface Txn {
  readonly type: 'txn';
  readonly compares: readonly Compare[];
  readonly success: readonly TxnOp[];
  readonly failure: readonly TxnOp[];
}
/** The primary's decision that these leases are over. Dropped at apply where the stamp differs (L8), one revision per lease. */
export interface Expire {
  readonly type: 'expire';
  /** The term that decided it; the entry's term must be the same (L13). */
  readonly term: number;
  readonly leases: readonly StampedLease[];
}
/** What is left of leases that nobody renewed. 1 <= remainingMs <= granted (L6). */
export interface Checkpoint {
  readonly type: 'checkpoint';
  readonly term: number;
  readonly leases: readonly (StampedLease & { readonly remainingMs: number })[];
}
/** Removes the recorded remaining TTL and sets a new stamp, so that a renewal may be acknowledged. */
export interface Clear {
  readonly type: 'clear';
  readonly term: number;
  readonly leases: readonly StampedLease[];
}
/** A member makes its name and client URLs known, as etcd's member attributes. */
export interface Publish {
  readonly type: 'publish';
  readonly member: MemberId;
  readonly name: string;
  readonly clientUrls: readonly string[];
}

/** What can be wrong with a member (etcd's AlarmType): its space is used up, or its data differ from the others'. */
export type AlarmKind = 'noSpace' | 'corrupt';
/** Raises a member's alarm, or disarms it. */
export interface Alarm {
  readonly type: 'alarm';
  readonly action: 'activate' | 'deactivate';
  readonly member: MemberId;
  readonly kind: AlarmKind;
}

/** Reads and watches below `revision` are refused from now on. What they alone would see is taken away by sweeps. */
export interface Compact {
  readonly type: 'compact';
  readonly revision: number;
}
/**
 * Takes away what the last compaction left behind, as far as the change `sub` of `revision` (not included). A place in history
 * and no amount, so that a second copy does nothing. The leader proposes sweeps until nothing is left (`node/sweeps.ts`).
 */
export interface Sweep {
  readonly type: 'sweep';
  readonly revision: number;
  readonly sub: number;
}

export type Command =
  | Grant
  | Revoke
  | Put
  | DeleteRange
  | Txn
  | Expire
  | Checkpoint
  | Clear
  | Publish
  | Alarm
  | Compact
  | Sweep;

/** A command with its asker, as it stands in an entry. */
export interface OriginatedCommand {
  readonly origin: Origin;
  readonly command: Command;
}
