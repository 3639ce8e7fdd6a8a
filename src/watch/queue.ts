/**
 * Owns what a lock and an election are (etcd: clientv3/concurrency): the keys `<name>/<lease>` are a queue, the one created
 * first owns it, and its create revision is the fencing token. Here are the commands that enter and leave a queue, and the
 * wait in it; who proposes them, and who is told, is the caller's. Both the services and the simulator build on this.
 * Keeps F1 (a later owner has a greater token: nothing enters but at the end), F3 (a wait is over only for a key that is there
 * and has nothing older beside it in one state), F5 (value and resignation are guarded by the token).
 */
import { assert } from '../base/assert.ts';
import { bytesOf, emptyBytes } from '../base/bytes.ts';
import type { Compare, LeaseId, Put, Range, Txn, TxnOp } from '../state/command.ts';
import type { Refused } from '../state/kv.ts';
import type { KeyValue, RangeResult, TxnResult } from '../state/outcome.ts';
import type { Hub } from './hub.ts';
import type { Watcher, WatchSpec } from './watcher.ts';

/** The applied state as a queue reads it; asked for anew at every look, as a snapshot brings another one. */
export interface QueueState {
  readonly revision: number;
  range(range: Range): RangeResult | Refused;
}

/** A key in a queue. Its create revision tells it from an earlier or later key of the same name. */
export interface Candidate {
  /** `<name>/` */
  readonly prefix: Uint8Array;
  readonly key: Uint8Array;
  /** The fencing token. */
  readonly createRevision: number;
}

/** What entering came to. */
export interface Joined {
  readonly candidate: Candidate;
  /** False: the lease was in the queue already, and this is its key. */
  readonly created: boolean;
  readonly value: Uint8Array;
  /** It owns the queue at once. */
  readonly first: boolean;
}

/** Where a candidate stands. */
export type Place =
  | 'first'
  /** Something older is there; `wake` will be called when it is worth looking again. */
  | 'waits'
  /** Its key is deleted. It will not come back: a new one of the same name is another candidate. */
  | 'gone'
  /** This member has no watcher left for it. */
  | 'tooManyWatchers';

/** `<name>/` */
export function queuePrefix(name: Uint8Array): Uint8Array {
  return Buffer.concat([name, bytesOf('/')]);
}

/** `<name>/<lease id>`: hexadecimal in lower case, a sign before a negative id, no padding. */
export function candidateKey(prefix: Uint8Array, lease: LeaseId): Uint8Array {
  return Buffer.concat([prefix, bytesOf(lease.toString(16))]);
}

/** Enters at the end, or finds the key the lease has there already; and asks who is first. `joinedOf` reads the result. */
export function joinCommand(prefix: Uint8Array, lease: LeaseId, value: Uint8Array): Txn {
  const key = candidateKey(prefix, lease);
  const first = oldestIn(prefix);
  return {
    type: 'txn',
    compares: [createdAt(key, 0)],
    success: [putCommand(key, value, lease), first],
    failure: [rangeOf(key), first],
  };
}

/** `revision` is that of the outcome. */
export function joinedOf(prefix: Uint8Array, lease: LeaseId, result: TxnResult, revision: number): Joined {
  const [mine, oldest] = result.responses;
  assert(oldest?.type === 'range', 'F3: entering a queue asks who is first');
  const own = mine?.type === 'range' ? mine.kvs[0] : undefined;
  assert(own !== undefined || result.succeeded, 'F3: a key that was not made was there');
  const createRevision = own?.createRevision ?? revision;
  return {
    candidate: { prefix, key: candidateKey(prefix, lease), createRevision },
    created: own === undefined,
    value: own?.value ?? emptyBytes,
    first: oldest.kvs[0]?.createRevision === createRevision,
  };
}

/** Deletes the key, if it is still the one of this token. */
export function leaveCommand(key: Uint8Array, createRevision: number): Txn {
  return guarded(createdAt(key, createRevision), deleteCommand(key));
}

/** Deletes the key, if it was made after this revision: for a `joinCommand` of which nobody knows what it came to. */
export function leaveUnknownCommand(key: Uint8Array, revision: number): Txn {
  return guarded({ ...createdAt(key, revision), result: 'greater' }, deleteCommand(key));
}

/** Gives the key another value, if it is still the one of this token. */
export function proclaimCommand(key: Uint8Array, createRevision: number, value: Uint8Array, lease: LeaseId): Txn {
  return guarded(createdAt(key, createRevision), putCommand(key, value, lease));
}

/** The oldest key of a queue as of `revision` (0: now): who owns it. */
export function oldestIn(prefix: Uint8Array, revision = 0): Range {
  return { ...rangeOf(prefix, prefixEnd(prefix)), revision, limit: 1, sortOrder: 'ascend', sortTarget: 'create' };
}

/**
 * One candidate's wait. It watches two keys, the next older one and its own, so that a queue of n costs each release two wakes
 * and not n. Between looks it holds nothing but two cursors.
 */
export class QueueWait {
  readonly #hub: Hub;
  readonly #candidate: Candidate;
  readonly #wake: () => void;
  #watchers: Watcher[] = [];

  /** `wake` is called inside a turn, at most once after each look, and must only take a note. */
  constructor(hub: Hub, candidate: Candidate, wake: () => void) {
    this.#hub = hub;
    this.#candidate = candidate;
    this.#wake = wake;
  }

  /**
   * Where the candidate stands in this state. A caller that is told 'first' after a wait must pass a read barrier and look again
   * before it answers: this member's state may be old, and the key gone meanwhile (F3).
   */
  look(state: QueueState): Place {
    this.end();
    const { prefix, key, createRevision } = this.#candidate;
    if (onlyOf(state, rangeOf(key))?.createRevision !== createRevision) return 'gone';
    const older = onlyOf(state, {
      ...rangeOf(prefix, prefixEnd(prefix)),
      keysOnly: true,
      limit: 1,
      sortOrder: 'descend',
      sortTarget: 'create',
      maxCreateRevision: createRevision - 1,
    });
    if (older === undefined) return 'first';
    return this.#watch(key) && this.#watch(older.key) ? 'waits' : 'tooManyWatchers';
  }

  /** Forgets what it watches; doing it twice is harmless. */
  end(): void {
    for (const watcher of this.#watchers) this.#hub.cancel(watcher);
    this.#watchers = [];
  }

  /** From the next revision on: what is up to now was looked at in this step. */
  #watch(key: Uint8Array): boolean {
    const made = this.#hub.watch(watchFor(key, emptyBytes, 0, true), () => {
      if (this.#watchers.length === 0) return;
      this.end();
      this.#wake();
    });
    if ('type' in made) {
      this.end();
      return false;
    }
    this.#watchers.push(made);
    return true;
  }
}

/** A watch of a queue: of one key, or with `rangeEnd` of all; `deletes`: of deletes alone. */
export function watchFor(key: Uint8Array, rangeEnd: Uint8Array, startRevision: number, deletes: boolean): WatchSpec {
  return { key, rangeEnd, startRevision, noPut: deletes, noDelete: !deletes && rangeEnd.length > 0, prevKv: false };
}

/** The first key after all that begin with `<name>/`. */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  return Buffer.concat([prefix.subarray(0, -1), bytesOf('0')]);
}

function onlyOf(state: QueueState, range: Range): KeyValue | undefined {
  const result = state.range(range);
  assert(result.type === 'range', 'F3: the present can be read');
  return result.kvs[0];
}

function rangeOf(key: Uint8Array, rangeEnd = emptyBytes): Range {
  return {
    type: 'range',
    key,
    rangeEnd,
    limit: 0,
    revision: 0,
    sortOrder: 'none',
    sortTarget: 'key',
    keysOnly: false,
    countOnly: false,
    minModRevision: 0,
    maxModRevision: 0,
    minCreateRevision: 0,
    maxCreateRevision: 0,
  };
}

function createdAt(key: Uint8Array, revision: number): Compare {
  return { target: 'create', result: 'equal', key, rangeEnd: emptyBytes, operand: revision };
}

function guarded(compare: Compare, op: TxnOp): Txn {
  return { type: 'txn', compares: [compare], success: [op], failure: [] };
}

function putCommand(key: Uint8Array, value: Uint8Array, lease: LeaseId): Put {
  return { type: 'put', key, value, lease, prevKv: false, ignoreValue: false, ignoreLease: false };
}

function deleteCommand(key: Uint8Array): TxnOp {
  return { type: 'deleteRange', key, rangeEnd: emptyBytes, prevKv: false };
}
