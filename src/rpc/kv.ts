/**
 * etcd's KV service: reads through a barrier (or not, when serializable), writes through the log; a txn that only reads is a
 * read. K4, K6: a read is answered in the step in which the barrier's state is looked at.
 */
import { unreachable } from '../base/assert.ts';
import type { Command } from '../state/command.ts';
import type { Outcome, Result, TxnResult } from '../state/outcome.ts';
import { isReadOnly } from '../state/txn.ts';
import { answerTurns } from './answer-turns.ts';
import { deleteRangeOf, putOf, rangeOf, txnOf, txnResponse } from './convert.ts';
import { refusalError, rpcError } from './errors.ts';
import { Headers } from './header.ts';
import { deleteRangeAnswer, putAnswer, rangeAnswer, txnAnswer } from './hot/answers.ts';
import { numberOf } from './int64.ts';
import type { Member } from './member.ts';
import { type TxnRequest, wire } from './messages.ts';
import { hotUnary, unary } from './method.ts';
import type { CallContext, ServiceTable } from './transport.ts';
import { checkDeleteRange, checkPut, checkRange, checkTxn } from './validate.ts';

export function kvService(member: Member): ServiceTable {
  const headers = new Headers(member);
  const txnBytes = (result: TxnResult, revision: number): Uint8Array =>
    txnAnswer(headers.field(revision).bytes, result, revision) ??
    wire.TxnResponse.encode(txnResponse(result, headers.at(revision), revision));
  return {
    '/etcdserverpb.KV/Range': hotUnary(wire.RangeRequest, async (message, ctx) => {
      checkRange(message);
      const range = rangeOf(message);
      await mayRead(member, ctx, message.serializable);
      const { state } = member;
      const result = state.range(range);
      if (result.type === 'refused') throw refusalError(result.refusal);
      return rangeAnswer(headers.field(state.revision).bytes, result);
    }),
    '/etcdserverpb.KV/Put': hotUnary(wire.PutRequest, async (message, ctx, requestBytes) => {
      checkPut(message);
      const { result, revision } = await write(member, putOf(message), 'put', ctx, requestBytes);
      return putAnswer(headers.field(revision).bytes, result);
    }),
    '/etcdserverpb.KV/DeleteRange': hotUnary(wire.DeleteRangeRequest, async (message, ctx, requestBytes) => {
      checkDeleteRange(message);
      const { result, revision } = await write(member, deleteRangeOf(message), 'deleteRange', ctx, requestBytes);
      return deleteRangeAnswer(headers.field(revision).bytes, result);
    }),
    '/etcdserverpb.KV/Txn': hotUnary(wire.TxnRequest, async (message, ctx, requestBytes) => {
      checkTxn(message, member.options.maxTxnOps);
      const txn = txnOf(message);
      if (isReadOnly(txn)) {
        await mayRead(member, ctx, isSerializable(message));
        const { state } = member;
        const read = state.readTxn(txn);
        if (read.type === 'refused') throw refusalError(read.refusal);
        return txnBytes(read, state.revision);
      }
      const { result, revision } = await write(member, txn, 'txn', ctx, requestBytes);
      return txnBytes(result, revision);
    }),
    // `physical`: answered when what the compaction made useless is gone from this member's memory and its image on disk.
    '/etcdserverpb.KV/Compact': unary(
      wire.CompactionRequest,
      wire.CompactionResponse,
      async (message, ctx, requestBytes) => {
        const revision = numberOf(message.revision);
        const compacted = await write(member, { type: 'compact', revision }, 'done', ctx, requestBytes);
        if (message.physical) await member.swept(revision, ctx);
        return { header: headers.at(compacted.revision) };
      },
    ),
  };
}

/** Waits until a read may be made: for a barrier, unless it is serializable, and for this caller's turn. */
async function mayRead(member: Member, ctx: CallContext, serializable: boolean): Promise<void> {
  if (!serializable) await member.barrier(ctx);
  await answerTurns.take(ctx.peer);
  if (ctx.unread) throw rpcError('tooManyRequests');
}

/**
 * Whether a txn that writes nothing may be answered from this member's own state: it reads, and every read of it asks for that.
 * One that only compares asks for nothing of the kind, and its answer is as good as a linearizable read's (etcd: its own state).
 */
function isSerializable(message: TxnRequest): boolean {
  const ops = [...message.success, ...message.failure];
  return ops.length > 0 && ops.every((op) => op.requestRange?.serializable === true);
}

/**
 * Proposes a command whose outcome is a result of `type`. `requestBytes` is checked against the limit of what may enter the
 * log (etcd: MaxRequestBytes), which is below the limit of what may be received.
 */
export async function write<Type extends Result['type']>(
  member: Member,
  command: Command,
  type: Type,
  ctx: CallContext,
  requestBytes: number,
): Promise<{ readonly result: Extract<Result, { type: Type }>; readonly revision: number }> {
  if (requestBytes > member.options.maxRequestBytes) throw rpcError('requestTooLarge');
  const outcome: Outcome = await member.propose(command, ctx);
  if (!outcome.ok) throw refusalError(outcome.refusal);
  const { result, revision } = outcome;
  if (!isOf(result, type)) throw new Error(`a ${command.type} came to a ${result.type}`);
  // It is done, so it is answered whatever the caller has not taken; but large answers one after the other.
  if (tells(result)) await answerTurns.take(ctx.peer);
  return { result, revision };
}

function isOf<Type extends Result['type']>(result: Result, type: Type): result is Extract<Result, { type: Type }> {
  return result.type === type;
}

/** Whether there may be keys and values of the store in the answer. */
function tells(result: Result): boolean {
  switch (result.type) {
    case 'put':
      return result.prevKv !== undefined;
    case 'deleteRange':
      return result.deleted > 0;
    case 'range':
      return result.count > 0;
    case 'txn':
      return result.responses.some(tells);
    case 'grant':
    case 'done':
      return false;
    default:
      return unreachable(result);
  }
}
