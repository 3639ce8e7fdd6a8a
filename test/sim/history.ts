/**
 * What clients saw and what the log says: the records that checks read. Values only; the workload and the world write them, each
 * once, and complete them in place.
 */
import type { RenewalAnswer, Unavailable } from '../../src/node/answer.ts';
import type { Compact, DeleteRange, Grant, LeaseId, Put, Range, Revoke, Txn } from '../../src/state/command.ts';
import type { EventView } from '../../src/state/history.ts';
import type { AppliedCommand, Outcome, RangeResult, Refusal } from '../../src/state/outcome.ts';
import type { Entry } from '../../src/store/entry.ts';

/** What a client asked for, with real ids, keys and values. Values of puts are unique in a run. */
export type ClientCall =
  /** A grant whose id the member chose (`serverId`) carries that id, whether or not the client ever learnt it. */
  | {
      readonly type: 'command';
      readonly command: Grant | Revoke | Put | DeleteRange | Txn | Compact;
      readonly serverId: boolean;
    }
  | { readonly type: 'range'; readonly range: Range; readonly serializable: boolean }
  | { readonly type: 'keepAlive' | 'timeToLive'; readonly id: LeaseId };

/** What a member answered. `revision` is that of the answer's header. */
export type CallResult =
  | { readonly type: 'outcome'; readonly outcome: Outcome }
  | { readonly type: 'range'; readonly revision: number; readonly result: RangeResult }
  | { readonly type: 'rangeRefused'; readonly revision: number; readonly refusal: Refusal }
  | {
      readonly type: 'lease';
      readonly revision: number;
      readonly answer: Exclude<RenewalAnswer, { type: 'unavailable' }>;
    }
  | { readonly type: 'unavailable'; readonly why: Unavailable };

/**
 * `ok`: done. `refused`: a deterministic no. `notDone`: it did not happen and never will. `unknown`: it may have happened, or
 * may yet happen later, once.
 */
export type CallOutcome = 'open' | 'ok' | 'refused' | 'notDone' | 'unknown';

/** One call, in the order of sending. */
export interface CallRecord {
  /** From 0, in the order of sending. */
  readonly number: number;
  readonly client: number;
  /** 0-based: whom it was sent to. */
  readonly member: number;
  readonly call: ClientCall;
  /** All times are virtual real time. */
  readonly sentMs: number;
  /** When the member took it in; undefined: never, or not yet. */
  receivedMs: number | undefined;
  endedMs: number | undefined;
  outcome: CallOutcome;
  /** Set with the outcome, if an answer arrived. */
  result: CallResult | undefined;
}

/** One entry of the one true log, at its first application anywhere. */
export interface TruthEntry {
  readonly entry: Entry;
  readonly commands: readonly AppliedCommand[];
  readonly atMs: number;
  readonly revisionAfter: number;
}

/** A client's watch over all its connections. The events of all connections together must be the exact history (W5). */
export interface WatchRecord {
  readonly number: number;
  readonly client: number;
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly prevKv: boolean;
  readonly noPut: boolean;
  readonly noDelete: boolean;
  /** How long its client takes before each reading. */
  readonly slowMs: number;
  /** First revision asked for; 0: the one after `createdRevision`. */
  readonly startRevision: number;
  readonly sentMs: number;
  /** Header revision of the first connection's creation; undefined: it was never created. */
  createdRevision: number | undefined;
  readonly connections: WatchConnection[];
  readonly events: EventView[];
  /** Everything up to here was seen: what a bookmark says (W6). */
  seenRevision: number;
  /** The compacted revision it was told of, when what it wanted next was not there any more (W9); 0: never. */
  compactRevision: number;
  endedMs: number | undefined;
}

export interface WatchConnection {
  /** 0-based. */
  readonly member: number;
  readonly atMs: number;
  /** What it asked for; 0 only on the first one. */
  readonly startRevision: number;
  /** Events that the record held when it began. */
  readonly firstEvent: number;
  /** What the member had compacted when it took the watch; -1: nothing. */
  readonly compactRevision: number;
}

/** A client is told that it holds a lock, or leads. */
export interface LockRecord {
  readonly queue: number;
  readonly client: number;
  /** Of all keys in the queue. */
  readonly prefix: Uint8Array;
  readonly key: Uint8Array;
  readonly lease: LeaseId;
  /** Create revision of the key. */
  readonly token: number;
  /** The revision at which the member found it first. */
  readonly foundAt: number;
  /** The newest revision applied anywhere when the member asked a quorum before it looked; 0: entering was one step with looking. */
  readonly askedAt: number;
  readonly atMs: number;
}

/** All of a run. @public */
export interface History {
  readonly calls: readonly CallRecord[];
  readonly truth: readonly TruthEntry[];
  readonly watches: readonly WatchRecord[];
}
