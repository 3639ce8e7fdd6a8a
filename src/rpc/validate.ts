/**
 * What etcd refuses before anything is proposed (etcd: api/v3rpc/key.go, checkRangeRequest … checkIntervals), in its order and
 * with its texts. Everything a client can send is refused as a value here, never asserted on later.
 */
import { compareBytes } from '../base/bytes.ts';
import { rpcError } from './errors.ts';
import { bigintOf, numberOf } from './int64.ts';
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

/** `opsMax` bounds each of the three lists. */
export function checkTxn(message: TxnRequest, opsMax: number): void {
  const ops = Math.max(message.compare.length, message.success.length, message.failure.length);
  if (ops > opsMax) throw rpcError('tooManyOps');
  for (const compare of message.compare) {
    if (compare.key.length === 0) throw rpcError('emptyKey');
    if (compare.result < 0 || compare.result > 3 || compare.target < 0 || compare.target > 4) {
      throw rpcError('invalidCompare');
    }
  }
  for (const op of message.success) checkOp(op);
  for (const op of message.failure) checkOp(op);
  checkOverlap(message.success);
  checkOverlap(message.failure);
}

function checkOp(op: RequestOp): void {
  if (op.request === 'requestRange' && op.requestRange !== null) {
    checkRange(op.requestRange);
    // Alone, a negative revision means the newest; in a txn etcd takes it for one long compacted.
    if (numberOf(op.requestRange.revision) < 0) throw rpcError('compacted');
  } else if (op.request === 'requestPut' && op.requestPut !== null) checkPut(op.requestPut);
  else if (op.request === 'requestDeleteRange' && op.requestDeleteRange !== null)
    checkDeleteRange(op.requestDeleteRange);
  else throw rpcError(op.request === 'requestTxn' ? 'nestedTxn' : 'keyNotFound');
}

/**
 * No key may be put twice in a branch, nor put and deleted. A delete "from key on" (range_end of one zero byte) is not looked
 * at: etcd takes it for an empty interval, and 3.4.23 lets such a txn pass.
 */
function checkOverlap(ops: readonly RequestOp[]): void {
  const puts = new Set<string>();
  for (const op of ops) {
    if (op.request !== 'requestPut' || op.requestPut === null) continue;
    const { key } = op.requestPut;
    const name = Buffer.from(key).toString('latin1');
    if (puts.has(name)) throw rpcError('duplicateKey');
    puts.add(name);
    for (const other of ops) {
      if (other.request !== 'requestDeleteRange' || other.requestDeleteRange === null) continue;
      if (deletes(other.requestDeleteRange, key)) throw rpcError('duplicateKey');
    }
  }
}

function deletes(range: DeleteRangeRequest, key: Uint8Array): boolean {
  if (range.rangeEnd.length === 0) return compareBytes(range.key, key) === 0;
  return compareBytes(range.key, key) <= 0 && compareBytes(key, range.rangeEnd) < 0;
}
