/**
 * Transactions: compares decide a branch, the whole branch is checked, then all of it is done under one revision (etcd
 * server/etcdserver/txn). Checks look at the state before the transaction, as etcd's do; where an earlier operation of the
 * same branch takes away what a later one needs, the transaction is refused too. Invariants: K6, L9, K2.
 */
import { assert, unreachable } from '../base/assert.ts';
import { byteString } from '../base/bytes.ts';
import { type Compare, NO_LEASE, type Put, type Txn, type TxnOp } from './command.ts';
import { covers, type Interval, intervalOf, type KeyVersion } from './key-index.ts';
import { type Kv, type Refused, refused } from './kv.ts';
import type { DeleteRangeResult, PutResult, RangeResult, Refusal, TxnResult } from './outcome.ts';

/** Does the transaction, or nothing of it. The caller closes the revision. */
export function applyTxn(kv: Kv, txn: Txn): TxnResult | Refused {
  const succeeded = txn.compares.every((compare) => holds(kv, compare));
  const branch = succeeded ? txn.success : txn.failure;
  const refusal = refusalOf(kv, branch);
  if (refusal !== undefined) return refused(refusal);
  return { type: 'txn', succeeded, responses: branch.map((op) => applyOp(kv, op)) };
}

/** Why the branch cannot be done; puts are looked at before ranges, as in etcd. */
function refusalOf(kv: Kv, branch: readonly TxnOp[]): Refusal | undefined {
  const deleted: Interval[] = [];
  for (const op of branch) {
    if (op.type === 'deleteRange') deleted.push(intervalOf(byteString(op.key), byteString(op.rangeEnd)));
    if (op.type !== 'put') continue;
    const refusal = putRefusal(kv, op, deleted);
    if (refusal !== undefined) return refusal;
  }
  for (const op of branch) {
    const refusal = op.type === 'range' ? kv.refusesRange(op) : undefined;
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

function putRefusal(kv: Kv, put: Put, deleted: readonly Interval[]): Refusal | undefined {
  if (kv.lacksKey(put)) return 'keyNotFound';
  if (kv.needsKey(put)) {
    const key = byteString(put.key);
    if (deleted.some((interval) => covers(interval, key))) return 'keyNotFound';
  }
  return kv.namesUnknownLease(put) ? 'leaseNotFound' : undefined;
}

function applyOp(kv: Kv, op: TxnOp): RangeResult | PutResult | DeleteRangeResult {
  switch (op.type) {
    case 'put':
      return kv.put(op);
    case 'deleteRange':
      return kv.deleteRange(op);
    case 'range': {
      const result = kv.range(op);
      assert(result.type === 'range', 'K6: a checked branch has no refusal left');
      return result;
    }
    default:
      return unreachable(op);
  }
}

/**
 * Whether a compare holds for every key it covers. On no key at all a value compare fails, and every other is made against 0:
 * so "create revision = 0" means that the key does not exist.
 */
function holds(kv: Kv, compare: Compare): boolean {
  const interval = intervalOf(byteString(compare.key), byteString(compare.rangeEnd));
  let any = false;
  let all = true;
  kv.index.scanLive(interval, (version) => {
    any = true;
    all = satisfies(compare, version);
    return all;
  });
  return any ? all : satisfies(compare, undefined);
}

function satisfies(compare: Compare, version: KeyVersion | undefined): boolean {
  const order = orderOf(compare, version);
  if (order === undefined) return false;
  switch (compare.result) {
    case 'equal':
      return order === 0;
    case 'notEqual':
      return order !== 0;
    case 'greater':
      return order > 0;
    case 'less':
      return order < 0;
    default:
      return unreachable(compare.result);
  }
}

/** Sign of (key's property - operand); undefined if they cannot be compared. */
function orderOf(compare: Compare, version: KeyVersion | undefined): number | undefined {
  const { target, operand } = compare;
  switch (target) {
    case 'version':
      return orderOfNumbers(version?.version ?? 0, operand);
    case 'create':
      return orderOfNumbers(version?.createRevision ?? 0, operand);
    case 'mod':
      return orderOfNumbers(version?.modRevision ?? 0, operand);
    case 'lease':
      return orderOfNumbers(version?.lease ?? NO_LEASE, operand);
    case 'value': {
      if (version === undefined || !(operand instanceof Uint8Array)) return undefined;
      const text = byteString(operand);
      return version.value < text ? -1 : version.value > text ? 1 : 0;
    }
    default:
      return unreachable(target);
  }
}

/** Numbers and bigints compare by value in JavaScript, mixed too. */
function orderOfNumbers(actual: number | bigint, operand: Compare['operand']): number | undefined {
  if (operand instanceof Uint8Array) return undefined;
  return actual < operand ? -1 : actual > operand ? 1 : 0;
}
