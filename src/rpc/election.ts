/**
 * etcd's Election service: the queue of `rpc/queues.ts`, where the first key's value is what its leader proclaims. Every error
 * has code Unknown, as etcd's. F5: a leader that is not leader any more changes nothing.
 */
import { type LeaseId, NO_LEASE } from '../state/command.ts';
import { leaveCommand, oldestIn, queuePrefix } from '../watch/queue.ts';
import { bytesOf, keyValueMessage } from './convert.ts';
import { refusalError, rpcError, unknownErrors } from './errors.ts';
import { Headers } from './header.ts';
import { bigintOf, int64Of, numberOf } from './int64.ts';
import { write } from './kv.ts';
import type { Member } from './member.ts';

import { unary } from './method.ts';
import { ObserveStream } from './observe-stream.ts';
import { type LeaderKeyMessage, queueWire } from './queue-messages.ts';
import { proclaim, type Queues } from './queues.ts';
import type { CallContext, ServiceTable } from './transport.ts';

export function electionService(member: Member, queues: Queues): ServiceTable {
  const headers = new Headers(member);
  return {
    '/v3electionpb.Election/Campaign': unary(
      queueWire.CampaignRequest,
      queueWire.CampaignResponse,
      (message, ctx, bytes) =>
        unknownErrors(async () => {
          const [name, value] = [bytesOf(message.name), bytesOf(message.value)];
          const asked = bigintOf(message.lease);
          const turn = await queues.turn({ name, lease: asked, value, proclaims: true, bytes }, ctx);
          if (turn === 'gone')
            throw rpcError((await lives(member, asked, ctx)) ? 'electionNotLeader' : 'leaseNotFound');
          const { key, token, lease, enteredAt } = turn;
          return { header: headers.at(enteredAt), leader: { name, key, rev: token, lease: int64Of(lease) } };
        }),
    ),
    '/v3electionpb.Election/Proclaim': unary(
      queueWire.ProclaimRequest,
      queueWire.ProclaimResponse,
      (message, ctx, bytes) =>
        unknownErrors(async () => {
          const { key, createRevision, ...leader } = leaderOf(message.leader);
          // etcd's server opens a session for a leader that names none, and the key goes over to it.
          const lease = leader.lease === NO_LEASE ? await queues.grant(ctx) : leader.lease;
          const revision = await proclaim(member, { key, createRevision, lease }, bytesOf(message.value), ctx, bytes);
          if (revision === undefined) throw rpcError('electionNotLeader');
          return { header: headers.at(revision) };
        }),
    ),
    '/v3electionpb.Election/Leader': unary(queueWire.LeaderRequest, queueWire.LeaderResponse, ({ name }, ctx) =>
      unknownErrors(async () => {
        await member.barrier(ctx);
        const { state } = member;
        const found = state.range(oldestIn(queuePrefix(bytesOf(name))));
        if (found.type === 'refused') throw refusalError(found.refusal);
        const [kv] = found.kvs;
        if (kv === undefined) throw rpcError('electionNoLeader');
        return { header: headers.at(state.revision), kv: keyValueMessage(kv) };
      }),
    ),
    '/v3electionpb.Election/Observe': {
      kind: 'serverStream',
      call: (request, outgoing, ctx) => {
        const { name } = queueWire.LeaderRequest.decode(request);
        new ObserveStream(member, queuePrefix(bytesOf(name)), outgoing, ctx);
      },
    },
    '/v3electionpb.Election/Resign': unary(queueWire.ResignRequest, queueWire.ResignResponse, (message, ctx, bytes) =>
      unknownErrors(async () => {
        const { key, createRevision } = leaderOf(message.leader);
        const { revision } = await write(member, leaveCommand(key, createRevision), 'txn', ctx, bytes);
        return { header: headers.at(revision) };
      }),
    ),
  };
}

function leaderOf(leader: LeaderKeyMessage | null): {
  readonly key: Uint8Array;
  readonly createRevision: number;
  readonly lease: LeaseId;
} {
  if (leader === null) throw rpcError('leaderFieldMissing');
  if (leader.key.length === 0) throw rpcError('emptyKey');
  return { key: leader.key, createRevision: numberOf(leader.rev), lease: bigintOf(leader.lease) };
}

/** Whether the caller's lease outlived its key. */
async function lives(member: Member, lease: LeaseId, ctx: CallContext): Promise<boolean> {
  return lease !== NO_LEASE && (await member.timeToLive(lease, ctx)).type !== 'gone';
}
