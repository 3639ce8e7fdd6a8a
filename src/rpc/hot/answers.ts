/**
 * Answers of the KV and Lease services by hand, straight from the results of commands: their bytes are those that protobufjs makes of
 * `convert.ts`'s messages, which a property test holds. `header` is a whole field (`Headers.field`). A result may copy its keys and
 * values each time it is asked for them, so it is asked once.
 */
import type { DeleteRangeResult, KeyValue, PutResult, RangeResult, TxnResult } from '../../state/outcome.ts';
import {
  halvesFieldSize,
  halvesOf,
  lengthFieldSize,
  numberFieldSize,
  putCopy,
  putHalvesField,
  putLength,
  putNumberField,
} from './fields.ts';
import { keyValueSize, putKeyValue } from './key-value.ts';

/** An answer, or one inside a txn's, of which the size is known. */
interface Sized {
  readonly size: number;
  put(bytes: Uint8Array, at: number): number;
}

export function putAnswer(header: Uint8Array, result: PutResult): Uint8Array {
  return written(sizedPut(header, result));
}

export function rangeAnswer(header: Uint8Array, result: RangeResult): Uint8Array {
  return written(sizedRange(header, result));
}

export function deleteRangeAnswer(header: Uint8Array, result: DeleteRangeResult): Uint8Array {
  return written(sizedDeleteRange(header, result));
}

/**
 * The answers inside carry a header with nothing but the revision (`convert.ts`, `txnResponse`). Undefined: there is a txn inside, which
 * is left to protobufjs.
 */
export function txnAnswer(header: Uint8Array, result: TxnResult, revision: number): Uint8Array | undefined {
  const inner: { readonly field: number; readonly answer: Sized }[] = [];
  let size = header.length + numberFieldSize(result.succeeded ? 1 : 0);
  const writes = result.responses.some(
    (each) => each.type === 'put' || (each.type === 'deleteRange' && each.deleted > 0),
  );
  let at = revisionHeader(writes ? revision - 1 : revision);
  for (const response of result.responses) {
    let answer: Sized;
    if (response.type === 'txn') return undefined;
    if (response.type === 'put' || (response.type === 'deleteRange' && response.deleted > 0))
      at = revisionHeader(revision);
    if (response.type === 'range') answer = sizedRange(at, response);
    else if (response.type === 'put') answer = sizedPut(at, response);
    else answer = sizedDeleteRange(at, response);
    inner.push({ field: opFields[response.type], answer });
    size += lengthFieldSize(lengthFieldSize(answer.size));
  }
  const bytes = Buffer.allocUnsafe(size);
  let end = putNumberField(bytes, putCopy(bytes, 0, header), 2, result.succeeded ? 1 : 0);
  for (const { field, answer } of inner) {
    end = putLength(bytes, end, 3, lengthFieldSize(answer.size));
    end = answer.put(bytes, putLength(bytes, end, field, answer.size));
  }
  return bytes;
}

/** Fields of ResponseOp. */
const opFields = { range: 1, put: 2, deleteRange: 3 } as const;

export function grantAnswer(header: Uint8Array, id: bigint, ttlSeconds: number): Uint8Array {
  const { hi, lo } = halvesOf(id);
  const bytes = Buffer.allocUnsafe(header.length + halvesFieldSize(hi, lo) + numberFieldSize(ttlSeconds));
  putNumberField(bytes, putHalvesField(bytes, putCopy(bytes, 0, header), 2, hi, lo), 3, ttlSeconds);
  return bytes;
}

/** `ttlSeconds` may be negative. */
export function timeToLiveAnswer(
  header: Uint8Array,
  id: bigint,
  ttlSeconds: number,
  grantedSeconds: number,
  keys: readonly Uint8Array[],
): Uint8Array {
  const { hi, lo } = halvesOf(id);
  const ttl =
    ttlSeconds >= 0 ? { hi: Math.floor(ttlSeconds / 2 ** 32), lo: ttlSeconds | 0 } : halvesOf(BigInt(ttlSeconds));
  let size = header.length + halvesFieldSize(hi, lo) + halvesFieldSize(ttl.hi, ttl.lo);
  size += numberFieldSize(grantedSeconds);
  for (const { length } of keys) size += lengthFieldSize(length);
  const bytes = Buffer.allocUnsafe(size);
  let at = putHalvesField(bytes, putCopy(bytes, 0, header), 2, hi, lo);
  at = putHalvesField(bytes, at, 3, ttl.hi, ttl.lo);
  at = putNumberField(bytes, at, 4, grantedSeconds);
  for (const key of keys) at = putCopy(bytes, putLength(bytes, at, 5, key.length), key);
  return bytes;
}

function written(answer: Sized): Uint8Array {
  const bytes = Buffer.allocUnsafe(answer.size);
  answer.put(bytes, 0);
  return bytes;
}

function revisionHeader(revision: number): Uint8Array {
  const size = numberFieldSize(revision);
  const bytes = new Uint8Array(lengthFieldSize(size));
  putNumberField(bytes, putLength(bytes, 0, 1, size), 3, revision);
  return bytes;
}

function sizedPut(header: Uint8Array, { prevKv }: PutResult): Sized {
  return sized(header, 2, prevKv === undefined ? [] : [prevKv], emptyTail);
}

function sizedRange(header: Uint8Array, result: RangeResult): Sized {
  const { more, count } = result;
  return sized(header, 2, result.kvs, { kvsFirst: true, more: more ? 1 : 0, count });
}

function sizedDeleteRange(header: Uint8Array, result: DeleteRangeResult): Sized {
  return sized(header, 3, result.prevKvs, { kvsFirst: false, more: 0, count: result.deleted });
}

/** The numbers of an answer: a range has `more` and `count` behind its keys, a delete its count before them. */
interface Tail {
  readonly kvsFirst: boolean;
  readonly more: number;
  readonly count: number;
}
const emptyTail: Tail = { kvsFirst: true, more: 0, count: 0 };

function sized(header: Uint8Array, kvField: number, kvs: readonly KeyValue[], tail: Tail): Sized {
  const { kvsFirst, more, count } = tail;
  const sizes = kvs.map(keyValueSize);
  let size = header.length + numberFieldSize(more) + numberFieldSize(count);
  for (const each of sizes) size += lengthFieldSize(each);
  return {
    size,
    put(bytes: Uint8Array, start: number): number {
      let at = putCopy(bytes, start, header);
      if (!kvsFirst) at = putNumberField(bytes, at, 2, count);
      for (const [index, kv] of kvs.entries())
        at = putKeyValue(bytes, putLength(bytes, at, kvField, sizes[index] as number), kv);
      if (kvsFirst) at = putNumberField(bytes, putNumberField(bytes, at, 3, more), 4, count);
      return at;
    },
  };
}
