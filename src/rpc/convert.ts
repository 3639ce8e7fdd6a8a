/** Wire messages ⇄ the values of the core. No rule lives here: what may not be asked is refused in `validate.ts` before. */
import { unreachable } from '../base/assert.ts';
import { emptyBytes } from '../base/bytes.ts';
import type { Compare, CompareTarget, DeleteRange, Put, Range, Txn, TxnOp } from '../state/command.ts';
import type { DeleteRangeResult, KeyValue, PutResult, RangeResult, TxnOpResult, TxnResult } from '../state/outcome.ts';
import type { Sparse } from './codec.ts';
import { rpcError } from './errors.ts';
import { bigintOf, type Int, int64Of, numberOf } from './int64.ts';
import type {
  CompareMessage,
  DeleteRangeRequest,
  DeleteRangeResponse,
  HeaderMessage,
  KeyValueMessage,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  RequestOp,
  ResponseOp,
  TxnRequest,
  TxnResponse,
} from './messages.ts';

type Header = Sparse<HeaderMessage>;

/** Enum numbers of RangeRequest, in order. */
export const sortOrders = ['none', 'ascend', 'descend'] as const;
export const sortTargets = ['key', 'version', 'create', 'mod', 'value'] as const;
/** Enum numbers of Compare, in order. */
export const compareResults = ['equal', 'greater', 'less', 'notEqual'] as const;
export const compareTargets = ['version', 'create', 'mod', 'value', 'lease'] as const;

/** A negative limit means none; what a negative revision means is the store's to say. */
export function rangeOf(message: RangeRequest): Range {
  const sortOrder = sortOrders[message.sortOrder];
  const sortTarget = sortTargets[message.sortTarget];
  if (sortOrder === undefined || sortTarget === undefined) throw rpcError('invalidSortOption');
  return {
    type: 'range',
    key: bytesOf(message.key),
    rangeEnd: bytesOf(message.rangeEnd),
    limit: Math.max(0, numberOf(message.limit)),
    revision: numberOf(message.revision),
    sortOrder,
    sortTarget,
    keysOnly: message.keysOnly,
    countOnly: message.countOnly,
    minModRevision: numberOf(message.minModRevision),
    maxModRevision: numberOf(message.maxModRevision),
    minCreateRevision: numberOf(message.minCreateRevision),
    maxCreateRevision: numberOf(message.maxCreateRevision),
  };
}

export function putOf(message: PutRequest): Put {
  return {
    type: 'put',
    key: bytesOf(message.key),
    value: bytesOf(message.value),
    lease: bigintOf(message.lease),
    prevKv: message.prevKv,
    ignoreValue: message.ignoreValue,
    ignoreLease: message.ignoreLease,
  };
}

export function deleteRangeOf(message: DeleteRangeRequest): DeleteRange {
  return {
    type: 'deleteRange',
    key: bytesOf(message.key),
    rangeEnd: bytesOf(message.rangeEnd),
    prevKv: message.prevKv,
  };
}

/** A validated txn. */
export function txnOf(message: TxnRequest): Txn {
  return {
    type: 'txn',
    compares: message.compare.map(compareOf),
    success: message.success.map(txnOpOf),
    failure: message.failure.map(txnOpOf),
  };
}

function txnOpOf(op: RequestOp): TxnOp {
  if (op.request === 'requestRange' && op.requestRange !== null) return rangeOf(op.requestRange);
  if (op.request === 'requestPut' && op.requestPut !== null) return putOf(op.requestPut);
  if (op.request === 'requestDeleteRange' && op.requestDeleteRange !== null)
    return deleteRangeOf(op.requestDeleteRange);
  if (op.request === 'requestTxn' && op.requestTxn !== null) return txnOf(op.requestTxn);
  throw rpcError('keyNotFound');
}

function compareOf(message: CompareMessage): Compare {
  const result = compareResults[message.result];
  const target = compareTargets[message.target];
  if (result === undefined || target === undefined) throw rpcError('invalidCompare');
  return {
    target,
    result,
    key: bytesOf(message.key),
    rangeEnd: bytesOf(message.rangeEnd),
    operand: operandOf(message, target),
  };
}

/** An operand sent for another target does not count: zero or empty stands in, as in etcd. */
function operandOf(message: CompareMessage, target: CompareTarget): Compare['operand'] {
  switch (target) {
    case 'version':
      return revisionOperand(message, 'version');
    case 'create':
      return revisionOperand(message, 'createRevision');
    case 'mod':
      return revisionOperand(message, 'modRevision');
    case 'value':
      return message.targetUnion === 'value' && message.value !== null ? bytesOf(message.value) : emptyBytes;
    case 'lease':
      return message.targetUnion === 'lease' && message.lease !== null ? bigintOf(message.lease) : 0n;
    default:
      return unreachable(target);
  }
}

function revisionOperand(message: CompareMessage, field: 'version' | 'createRevision' | 'modRevision'): number {
  const sent: Int | null = message.targetUnion === field ? message[field] : null;
  return sent === null ? 0 : numberOf(sent);
}

/** Bytes of the request; protobufjs reads an unset field as an empty array. */
export function bytesOf(field: Uint8Array): Uint8Array {
  return field.length === 0 ? emptyBytes : field;
}

export function keyValueMessage(kv: KeyValue): Sparse<KeyValueMessage> {
  return {
    key: kv.key,
    createRevision: kv.createRevision,
    modRevision: kv.modRevision,
    version: kv.version,
    value: kv.value,
    lease: kv.lease === 0n ? 0 : int64Of(kv.lease),
  };
}

export function rangeResponse(result: RangeResult, header: Header): Sparse<RangeResponse> {
  return { header, kvs: result.kvs.map(keyValueMessage), more: result.more, count: result.count };
}

export function putResponse(result: PutResult, header: Header): Sparse<PutResponse> {
  const { prevKv } = result;
  return { header, prevKv: prevKv === undefined ? undefined : keyValueMessage(prevKv) };
}

export function deleteRangeResponse(result: DeleteRangeResult, header: Header): Sparse<DeleteRangeResponse> {
  return { header, deleted: result.deleted, prevKvs: result.prevKvs.map(keyValueMessage) };
}

/**
 * The answers inside carry a header with nothing but the revision, as etcd's do: the one before the txn until its first write,
 * then the txn's own. That of a txn inside is empty.
 */
export function txnResponse(result: TxnResult, header: Header, revision: number): Sparse<TxnResponse> {
  let at = wrote(result) ? revision - 1 : revision;
  return txnMessage(result, header);

  function txnMessage({ succeeded, responses }: TxnResult, own: Header): Sparse<TxnResponse> {
    return { header: own, succeeded, responses: responses.map(responseOp) };
  }

  function responseOp(inner: TxnOpResult): Sparse<ResponseOp> {
    if (inner.type === 'txn') return { responseTxn: txnMessage(inner, {}) };
    if (wrote(inner)) at = revision;
    switch (inner.type) {
      case 'range':
        return { responseRange: rangeResponse(inner, { revision: at }) };
      case 'put':
        return { responsePut: putResponse(inner, { revision: at }) };
      case 'deleteRange':
        return { responseDeleteRange: deleteRangeResponse(inner, { revision: at }) };
      default:
        return unreachable(inner);
    }
  }
}

function wrote(result: TxnOpResult): boolean {
  if (result.type === 'txn') return result.responses.some(wrote);
  return result.type === 'put' || (result.type === 'deleteRange' && result.deleted > 0);
}
