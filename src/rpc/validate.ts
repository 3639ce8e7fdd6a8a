/**
 * What etcd refuses before anything is proposed (etcd: api/v3rpc/key.go, checkRangeRequest … checkIntervals), in its order and
 * with its texts. Everything a client can send is refused as a value here, never asserted on later.
 */
import { type ByteString, byteString } from '../base/bytes.ts';
import { txnDepthMax } from '../base/limits.ts';
import { rpcError } from './errors.ts';
import { bigintOf } from './int64.ts';
import { type KeyRange, KeySet } from './key-set.ts';
import type { DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest } from './messages.ts';

/** etcd 3.5 refuses unknown sort numbers; 3.4.23 crashes on one (sort_target 9), so this is not for 3.4's texts. */
export function checkRange(message: RangeRequest): void {
  if (message.key.length === 0) throw rpcError('emptyKey');
  if (message.sortOrder < 0 || message.sortOrder > 2 || message.sortTarget < 0 || message.sortTarget > 4) {
    throw rpcError('invalidSortOption');
  }
}

export function checkPut(message: PutRequest): void {
  if (message.key.length === 0) throw rpcError('emptyKey');
  if (message.ignoreValue && message.value.length !== 0) throw rpcError('valueProvided');
  if (message.ignoreLease && bigintOf(message.lease) !== 0n) throw rpcError('leaseProvided');
}

export function checkDeleteRange(message: DeleteRangeRequest): void {
  if (message.key.length === 0) throw rpcError('emptyKey');
}

/**
 * `opsMax` bounds each of the three lists; what the longest of them leaves of it bounds the lists of a txn inside. `depth` is 1
 * for a txn that stands for itself.
 */
export function checkTxn(message: TxnRequest, opsMax: number): void {
  checkOps(message, opsMax, 1);
  for (const ops of [message.success, message.failure]) {
    // One operation by itself meets no other.
    if (ops.length > 1 || ops[0]?.request === 'requestTxn') checkOverlap(ops);
  }
}

function checkOps(message: TxnRequest, opsMax: number, depth: number): void {
  const ops = Math.max(message.compare.length, message.success.length, message.failure.length);
  if (ops > opsMax || depth > txnDepthMax) throw rpcError('tooManyOps');
  for (const compare of message.compare) {
    if (compare.key.length === 0) throw rpcError('emptyKey');
    if (compare.result < 0 || compare.result > 3 || compare.target < 0 || compare.target > 4) {
      throw rpcError('invalidCompare');
    }
  }
  for (const op of message.success) checkOp(op, opsMax - ops, depth);
  for (const op of message.failure) checkOp(op, opsMax - ops, depth);
}

function checkOp(op: RequestOp, opsLeft: number, depth: number): void {
  if (op.request === 'requestRange' && op.requestRange !== null) checkRange(op.requestRange);
  else if (op.request === 'requestPut' && op.requestPut !== null) checkPut(op.requestPut);
  else if (op.request === 'requestDeleteRange' && op.requestDeleteRange !== null)
    checkDeleteRange(op.requestDeleteRange);
  else if (op.request === 'requestTxn' && op.requestTxn !== null) checkOps(op.requestTxn, opsLeft, depth + 1);
  else throw rpcError('keyNotFound');
}

/** What a list of operations writes, whichever branches are chosen. */
interface Written {
  readonly puts: ReadonlySet<ByteString>;
  readonly deletes: KeySet;
}

/**
 * No key may be put twice, nor put and deleted, by operations that could both be done: those of two branches of one txn inside
 * cannot. As etcd does it, a put inside an earlier txn may meet a delete inside a later one.
 */
function checkOverlap(ops: readonly RequestOp[]): Written {
  const deletes = new KeySet();
  deletes.add(ops.flatMap((op) => deletedRange(op) ?? []));
  const puts = new Set<ByteString>();
  for (const { request, requestTxn } of ops) {
    if (request !== 'requestTxn' || requestTxn === null) continue;
    const [success, failure] = [checkOverlap(requestTxn.success), checkOverlap(requestTxn.failure)];
    for (const key of success.puts) {
      if (puts.has(key) || deletes.has(key)) throw rpcError('duplicateKey');
    }
    for (const key of failure.puts) {
      if (puts.has(key) || deletes.has(key)) throw rpcError('duplicateKey');
    }
    for (const branch of [success, failure]) {
      for (const key of branch.puts) puts.add(key);
      deletes.add(branch.deletes.ranges);
    }
  }
  for (const { request, requestPut } of ops) {
    if (request !== 'requestPut' || requestPut === null) continue;
    const key = byteString(requestPut.key);
    if (puts.has(key) || deletes.has(key)) throw rpcError('duplicateKey');
    puts.add(key);
  }
  return { puts, deletes };
}

/**
 * A delete "from key on" (range_end of one zero byte) counts as an empty one: etcd takes it for that here, and 3.4.23 lets
 * such a txn pass.
 */
function deletedRange({ request, requestDeleteRange }: RequestOp): KeyRange | undefined {
  if (request !== 'requestDeleteRange' || requestDeleteRange === null) return undefined;
  const { key, rangeEnd } = requestDeleteRange;
  const from = byteString(key);
  return { from, to: rangeEnd.length === 0 ? `${from}\0` : byteString(rangeEnd) };
}
