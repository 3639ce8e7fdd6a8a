/**
 * What a lock and an election are on the wire, as etcd has it (clientv3/concurrency): the keys under `<name>/` are a queue, the one
 * created first owns it, and its create revision is the token of its owner. Here are the txns that enter, look at and leave a queue,
 * and what their answers mean.
 */
import { LeaseError } from '../errors.ts';
import type { Guard } from '../kv/guard.ts';
import { bytesOf, joined, type KeyLike, type WireRange, wireRange } from '../values.ts';
import { headerOf, type RequestOf, type ResponseOf } from '../wire/codec.ts';
import type { KeyValue } from '../wire/messages.ts';

type Txn = RequestOf<'txn'>;
type TxnAnswer = ResponseOf<'txn'>;

/** etcd's numbers for what is compared, how, and how a range is sorted. */
const target = { create: 1, mod: 2, lease: 4 } as const;
const equal = 0;
const sort = { ascend: 1, descend: 2, byCreate: 2 } as const;

/** All keys of a queue, and which of them is ours. Full keys. */
export interface QueueKey {
  readonly queue: WireRange;
  readonly key: Uint8Array;
}

/** The queue of that name. Throws `invalid_argument` for an empty name. */
export function queueRange(name: KeyLike, namespace: Uint8Array): WireRange {
  const bytes = bytesOf(name);
  if (bytes.length === 0) throw new LeaseError('invalid_argument', 'an empty name');
  return wireRange({ prefix: joined(bytes, bytesOf('/')) }, namespace);
}

/**
 * The key of one candidate: `<name>/<lease in hexadecimal>-<number>`. etcd's own clients leave the number out; to them any key of the
 * queue is as good as another. It lets one session stand in a queue twice, and makes each key the key of one candidate only, so that
 * entering may be asked again and what is left behind may be deleted without looking.
 */
export function candidateKey(queue: WireRange, lease: bigint, serial: bigint): Uint8Array {
  return joined(queue.key, bytesOf(`${lease.toString(16)}-${serial.toString(16)}`));
}

/** A candidate, as the answer of a txn shows it. */
export interface Seen {
  /** Create revision of its key. */
  readonly token: bigint;
  readonly modRevision: bigint;
  /** Its key is the oldest in the queue. */
  readonly first: boolean;
  /** The revision of all of this. */
  readonly revision: bigint;
}

/** Enters the queue; or, if only an empty one will do, does so only if it is empty. Asked twice, it enters once. */
export function enterTxn(at: QueueKey, lease: bigint, value: Uint8Array, onlyEmpty: boolean): Txn {
  const oldest = { requestRange: oldestRange(at.queue) };
  const absent = { target: target.create, result: equal, createRevision: 0n };
  return {
    // Of a range, a compare holds if it does for each key that is there.
    compare: [onlyEmpty ? { ...absent, ...at.queue } : { ...absent, key: at.key }],
    success: [{ requestPut: { key: at.key, value, lease } }, oldest],
    failure: [{ requestRange: { key: at.key } }, oldest],
  };
}

/** Asks for the key that owns the queue. */
export function oldestRange(queue: WireRange): RequestOf<'range'> {
  return { ...queue, limit: 1n, sortOrder: sort.ascend, sortTarget: sort.byCreate };
}

/** Undefined: the queue was not entered. */
export function entered(answer: TxnAnswer): Seen | undefined {
  const { revision } = headerOf(answer);
  const own = kvOf(answer, 0);
  if (!answer.succeeded && own === undefined) return undefined;
  const token = own?.createRevision ?? revision;
  return {
    token,
    modRevision: own?.modRevision ?? revision,
    first: kvOf(answer, 1)?.createRevision === token,
    revision,
  };
}

/** Asks for the candidate's own key and the next older one, in one state. */
export function lookTxn({ queue, key }: QueueKey, token: bigint): Txn {
  const older = { ...queue, keysOnly: true, limit: 1n, maxCreateRevision: token - 1n };
  return {
    success: [
      { requestRange: { key } },
      { requestRange: { ...older, sortOrder: sort.descend, sortTarget: sort.byCreate } },
    ],
  };
}

/** Where a candidate stands. */
export interface Look {
  /** Undefined: its key is gone, and will not come back. */
  readonly own: KeyValue | undefined;
  /** The key to wait for; undefined: the candidate is first, if its own key is there. */
  readonly older: KeyValue | undefined;
  readonly revision: bigint;
}

export function looked(answer: TxnAnswer, token: bigint): Look {
  const own = kvOf(answer, 0);
  return {
    own: own?.createRevision === token ? own : undefined,
    older: kvOf(answer, 1),
    revision: headerOf(answer).revision,
  };
}

/** Holds as long as the key is the one of this token, under this lease. */
export function heldCompares(key: Uint8Array, token: bigint, lease: bigint): Guard['compare'] {
  return [
    { target: target.create, result: equal, key, createRevision: token },
    { target: target.lease, result: equal, key, lease },
  ];
}

/** Deletes the key, if it is the one of this token; any of its name, if no token is known. */
export function leaveTxn(key: Uint8Array, token: bigint | undefined): Txn {
  const compare = { target: target.create, result: equal, key, createRevision: token };
  return { compare: token === undefined ? [] : [compare], success: [{ requestDeleteRange: { key } }] };
}

/** Another value for a key that is held, if it was last written at `modRevision`; else asks for the key. */
export function proclaimTxn(
  held: Guard['compare'],
  put: { readonly key: Uint8Array; readonly value: Uint8Array; readonly lease: bigint },
  modRevision: bigint,
): Txn {
  return {
    compare: [...held, { target: target.mod, result: equal, key: put.key, modRevision }],
    success: [{ requestPut: put }],
    failure: [{ requestRange: { key: put.key } }],
  };
}

/** The first key that the range at that place of the answer found. */
export function kvOf({ responses }: TxnAnswer, place: number): KeyValue | undefined {
  return responses[place]?.responseRange?.kvs[0];
}
