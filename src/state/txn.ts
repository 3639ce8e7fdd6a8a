/**
 * Transactions: compares decide a branch, those of txns inside it decide theirs, the whole of what was chosen is checked, then all
 * of it is done under one revision (etcd server/etcdserver/txn). Compares and checks look at the state before the
 * transaction, as etcd's do; where an earlier operation takes away what a later one needs, the transaction is refused
 * too. Recursion is bounded: the codec lets no txn in that is deeper than `txnDepthMax`. Invariants: K6, L9, K2.
 */
import { unreachable } from '../base/assert.ts';
import { byteString } from '../base/bytes.ts';
import { type Compare, type DeleteRange, NO_LEASE, type Put, type Range, type Txn, type TxnOp } from './command.ts';
import { covers, type Interval, intervalOf, type KeyVersion } from './key-index.ts';
import { type Kv, type Refused, refused } from './kv.ts';
import type { Refusal, TxnOpResult, TxnResult } from './outcome.ts';

/** A txn of which only the chosen branch is left. */
interface Chosen {
  readonly type: 'chosen';
  readonly succeeded: boolean;
  readonly ops: readonly ChosenOp[];
}
type Leaf = Put | DeleteRange | Range;
type ChosenOp = Leaf | Chosen;

/** Does the transaction, or nothing of it. The caller closes the revision. */
export function applyTxn(kv: Kv, txn: Txn): TxnResult | Refused {
  const chosen = choose(kv, txn);
  const refusal = refusalOf(kv, [...leaves(chosen)]);
  return refusal === undefined ? applyChosen(kv, chosen) : refused(refusal);
}

/** Whether a txn changes nothing whichever branch is chosen, so that it needs no place in the log. As etcd: a txn inside does. */
export function isReadOnly(txn: Txn): boolean {
  return txn.success.every(isRange) && txn.failure.every(isRange);
}

function isRange(op: TxnOp): boolean {
  return op.type === 'range';
}

function choose(kv: Kv, txn: Txn): Chosen {
  const succeeded = txn.compares.every((compare) => holds(kv, compare));
  const branch = succeeded ? txn.success : txn.failure;
  return { type: 'chosen', succeeded, ops: branch.map((op) => (op.type === 'txn' ? choose(kv, op) : op)) };
}

/** What is to be done, in order. */
function* leaves(chosen: Chosen): Generator<Leaf> {
  for (const op of chosen.ops) {
    if (op.type === 'chosen') yield* leaves(op);
    else yield op;
  }
}

/** Why it cannot be done; puts are looked at before ranges, as in etcd. */
function refusalOf(kv: Kv, ops: readonly Leaf[]): Refusal | undefined {
  const deleted: Interval[] = [];
  for (const op of ops) {
    if (op.type === 'deleteRange') deleted.push(intervalOf(byteString(op.key), byteString(op.rangeEnd)));
    if (op.type !== 'put') continue;
    const refusal = putRefusal(kv, op, deleted);
    if (refusal !== undefined) return refusal;
  }
  for (const op of ops) {
    const refusal = op.type === 'range' ? kv.refusesInTxn(op) : undefined;
    if (refusal !== undefined) return refusal;
  }
  return kv.refusesAnswer(ops.filter((op) => op.type !== 'put'));
}

function putRefusal(kv: Kv, put: Put, deleted: readonly Interval[]): Refusal | undefined {
  if (kv.lacksKey(put)) return 'keyNotFound';
  if (kv.needsKey(put)) {
    const key = byteString(put.key);
    if (deleted.some((interval) => covers(interval, key))) return 'keyNotFound';
  }
  return kv.namesUnknownLease(put) ? 'leaseNotFound' : undefined;
}

function applyChosen(kv: Kv, { succeeded, ops }: Chosen): TxnResult {
  return { type: 'txn', succeeded, responses: ops.map((op) => applyOp(kv, op)) };
}

function applyOp(kv: Kv, op: ChosenOp): TxnOpResult {
  switch (op.type) {
    case 'chosen':
      return applyChosen(kv, op);
    case 'put':
      return kv.put(op);
    case 'deleteRange':
      return kv.deleteRange(op);
    case 'range':
      return kv.checkedRange(op);
    default:
      return unreachable(op);
  }
}

/**
 * Whether a compare holds for every key it covers. On no key at all a value compare fails, and every other is made against 0:
 * so "create revision = 0" means that the key does not exist.
 */
function holds(kv: Kv, compare: Compare): boolean {
  if (compare.rangeEnd.length === 0) return satisfies(compare, kv.index.live(byteString(compare.key)));
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
