/**
 * What a command came to, decided at apply by every member alike. A refusal is deterministic and a value; it is turned
 * into etcd's code and text by `rpc/errors.ts`.
 */
import type { Command, LeaseId, Origin } from './command.ts';

/** A deterministic no. Nothing of the command was done. */
export type Refusal =
  | 'leaseNotFound'
  | 'leaseExists'
  | 'leaseTtlTooLarge'
  | 'keyNotFound'
  | 'compacted'
  | 'futureRevision'
  /** A NOSPACE alarm is raised, and the command grows the state. */
  | 'noSpace'
  /** A CORRUPT alarm is raised. */
  | 'corrupt'
  | 'tooManyAlarms'
  /** Of keys and values it would answer with; nothing is done. */
  | 'answerTooLarge'
  /** An `expire`, `checkpoint` or `clear` whose term is not its entry's. */
  | 'wrongTerm';

/** A key at one revision. `value` is shared, never changed. */
export interface KeyValue {
  readonly key: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly value: Uint8Array;
  readonly lease: LeaseId;
}

/**
 * The keys and values of a result, here and below, unless few, are copied when they are asked for, and each time: every member applies a
 * command and most have nobody to tell, and a few commands of an entry may answer with more than there is memory for copies.
 */
export interface RangeResult {
  readonly type: 'range';
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
  /** Keys in the range, whatever the limit. */
  readonly count: number;
}
export interface PutResult {
  readonly type: 'put';
  readonly prevKv: KeyValue | undefined;
}
export interface DeleteRangeResult {
  readonly type: 'deleteRange';
  readonly deleted: number;
  /** Empty unless asked for. */
  readonly prevKvs: readonly KeyValue[];
}
export interface TxnResult {
  readonly type: 'txn';
  readonly succeeded: boolean;
  readonly responses: readonly TxnOpResult[];
}
export type TxnOpResult = RangeResult | PutResult | DeleteRangeResult | TxnResult;
export interface GrantResult {
  readonly type: 'grant';
  readonly id: LeaseId;
  readonly ttlMs: number;
}
/**
 * For revoke, expire, checkpoint, clear, publish, alarm: so many leases, members or alarms were found and changed. For a sweep: so
 * many versions are gone.
 */
export interface DoneResult {
  readonly type: 'done';
  readonly touched: number;
}

export type Result = RangeResult | PutResult | DeleteRangeResult | TxnResult | GrantResult | DoneResult;

/** `revision` is the store's after the command, for the answer's header. */
export type Outcome =
  | { readonly ok: true; readonly revision: number; readonly result: Result }
  | { readonly ok: false; readonly revision: number; readonly refusal: Refusal };

/** What became of one command of an entry. */
export interface AppliedCommand {
  readonly origin: Origin;
  readonly command: Command;
  readonly outcome: Outcome;
}
