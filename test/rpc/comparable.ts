/** Answers of two servers in a form in which they can be compared, and requests that only one of them may be asked. */
import { byteString } from '../../src/base/bytes.ts';
import { txnOpsMax } from '../../src/base/limits.ts';
import type { DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest } from '../../src/rpc/messages.ts';
import { checkTxn } from '../../src/rpc/validate.ts';
import type { Status } from './wire-client.ts';

/** Who speaks, and in which term. */
const speaker = new Set(['clusterId', 'memberId', 'raftTerm']);
/** What the store's bytes hash to; and a field that etcd 3.4 does not have. */
const ofTheStore = new Set(['hash', 'hashRevision']);

/** Fields that hold the id of a lease. */
const leaseIds = new Set(['ID', 'lease']);

/**
 * A message as proto3's JSON, without what may differ; `names`: ids that the server chose, as text, and what to call them. What is
 * zero or empty is left out there, int64s are texts.
 */
export function comparable(message: object, names: ReadonlyMap<string, string>): unknown {
  return JSON.parse(
    JSON.stringify(message, function (this: object, field: string, value: unknown): unknown {
      if (speaker.has(field) || ofTheStore.has(field)) return undefined;
      // etcd keeps these in no order.
      if (field === 'leases' || (field === 'keys' && Array.isArray(value)))
        return (value as object[]).map((item) => JSON.stringify(comparable(item, names))).sort();
      if (field === 'TTL' && 'grantedTTL' in this) return Number(value) > 0 ? 'running' : value;
      if (field === 'members') return 'who they are';
      return leaseIds.has(field) ? (names.get(String(value)) ?? value) : value;
    }),
  );
}

/** How a call ended. Of bytes that are no message etcd also says what is wrong with them. */
export function comparableStatus({ code, text }: Status): Status {
  const malformed = 'grpc: error unmarshalling request';
  return { code, text: text.startsWith(malformed) ? malformed : text };
}

/**
 * Why a request is not put to both: an enum number unknown to the messages, which crashes etcd 3.4 or is passed over there;
 * or a txn that keeps the value or lease of a key it deletes, which stops etcd for good.
 */
export function leftOut(path: string, message: object): string | undefined {
  if (path.endsWith('/Range')) return hasUnknownSort(message as RangeRequest) ? 'unknown enum' : undefined;
  if (!path.endsWith('/Txn')) return undefined;
  const ops = [...opsOf(message as TxnRequest)];
  if (ops.some(({ requestRange }) => requestRange && hasUnknownSort(requestRange))) return 'unknown enum';
  if (hasUnknownCompare(message as TxnRequest)) return 'unknown enum';
  return keepsDeleted(ops) && isTaken(message as TxnRequest) ? 'keeps what it deletes' : undefined;
}

function hasUnknownSort({ sortOrder, sortTarget }: RangeRequest): boolean {
  return sortOrder < 0 || sortOrder > 2 || sortTarget < 0 || sortTarget > 4;
}

function hasUnknownCompare({ compare, success, failure }: TxnRequest): boolean {
  return (
    compare.some(({ target, result }) => target < 0 || target > 4 || result < 0 || result > 3) ||
    [...success, ...failure].some(({ requestTxn }) => requestTxn && hasUnknownCompare(requestTxn))
  );
}

function* opsOf({ success, failure }: TxnRequest): Generator<RequestOp> {
  for (const op of [...success, ...failure]) {
    if (op.requestTxn) yield* opsOf(op.requestTxn);
    else yield op;
  }
}

function keepsDeleted(ops: readonly RequestOp[]): boolean {
  const puts = ops.flatMap(({ requestPut }): PutRequest[] =>
    requestPut && (requestPut.ignoreValue || requestPut.ignoreLease) ? [requestPut] : [],
  );
  return puts.some((put) =>
    ops.some(({ requestDeleteRange }) => requestDeleteRange && deletes(requestDeleteRange, put)),
  );
}

/** Whether the txn gets as far as the store. */
function isTaken(message: TxnRequest): boolean {
  try {
    checkTxn(message, txnOpsMax);
    return true;
  } catch {
    return false;
  }
}

function deletes(range: DeleteRangeRequest, put: PutRequest): boolean {
  const [key, from, end] = [put.key, range.key, range.rangeEnd].map(textOf) as [string, string, string];
  return end === '' ? key === from : key >= from && (end === '\0' || key < end);
}

/** A field that was not sent reads as an array without a buffer. */
function textOf(field: Uint8Array): string {
  return field.length === 0 ? '' : byteString(field);
}
