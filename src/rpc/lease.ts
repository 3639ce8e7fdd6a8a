/**
 * etcd's Lease service but for the keep-alive stream (`keep-alive-stream.ts`). The edge decides what an option decides: the smallest
 * TTL, the id of a lease that has none. L4: whole seconds on the wire, milliseconds inside.
 */
import type { RenewalAnswer } from '../node/answer.ts';
import { unavailableError } from './errors.ts';
import { Headers } from './header.ts';
import { grantAnswer, timeToLiveAnswer } from './hot/answers.ts';
import { bigintOf, int64Of, numberOf } from './int64.ts';
import { keepAlives } from './keep-alive.ts';
import { keepAliveStream } from './keep-alive-stream.ts';
import { write } from './kv.ts';
import { type LeaseObserver, wholeSeconds } from './lease-wire.ts';
import type { Member } from './member.ts';
import { wire } from './messages.ts';
import { hotUnary, unary } from './method.ts';
import type { ServiceTable } from './transport.ts';

export function leaseService(member: Member, observer: LeaseObserver, keepAlivesPerStream?: number): ServiceTable {
  const headers = new Headers(member);
  const { options } = member;
  return {
    '/etcdserverpb.Lease/LeaseGrant': hotUnary(wire.LeaseGrantRequest, async (message, ctx, bytes) => {
      // One that is too large is refused at apply, behind what an alarm refuses, as in etcd.
      const ttlMs = Math.max(numberOf(message.TTL), options.minTtlSeconds) * 1000;
      const wanted = bigintOf(message.ID);
      const id = wanted === 0n ? options.newLeaseId() : wanted;
      const { result, revision } = await write(member, { type: 'grant', id, ttlMs }, 'grant', ctx, bytes);
      const ttlSeconds = wholeSeconds(result.ttlMs);
      observer.leaseGranted(ttlSeconds);
      return grantAnswer(headers.field(revision).bytes, result.id, ttlSeconds);
    }),
    '/etcdserverpb.Lease/LeaseRevoke': hotUnary(wire.LeaseRevokeRequest, async (message, ctx, bytes) => {
      const { revision } = await write(member, { type: 'revoke', id: bigintOf(message.ID) }, 'done', ctx, bytes);
      observer.leaseRevoked();
      return headers.field(revision).bytes;
    }),
    '/etcdserverpb.Lease/LeaseKeepAlive': keepAliveStream(keepAlives, member, headers, observer, keepAlivesPerStream),
    '/etcdserverpb.Lease/LeaseTimeToLive': hotUnary(wire.LeaseTimeToLiveRequest, async (message, ctx) => {
      const id = bigintOf(message.ID);
      // The leader knows the time, this member's state knows the keys: a barrier, so that it knows all that was attached.
      const [answer] = await Promise.all([member.timeToLive(id, ctx), message.keys ? member.barrier(ctx) : undefined]);
      const alive = livingOrNot(answer);
      const header = headers.field().bytes;
      if (alive === undefined) return timeToLiveAnswer(header, id, -1, 0, []);
      const keys = message.keys ? member.state.leaseKeys(id) : [];
      const ttlSeconds = Math.trunc(alive.remainingMs / 1000);
      return timeToLiveAnswer(header, id, ttlSeconds, wholeSeconds(alive.grantedMs), keys);
    }),
    '/etcdserverpb.Lease/LeaseLeases': unary(
      wire.LeaseLeasesRequest,
      wire.LeaseLeasesResponse,
      async (_message, ctx) => {
        await member.barrier(ctx);
        const header = headers.now();
        return { header, leases: Array.from(member.state.leases(), (id) => ({ ID: int64Of(id) })) };
      },
    ),
  };
}

/** The living lease's times, undefined for none; throws what the client should hear if the member cannot say. */
function livingOrNot(answer: RenewalAnswer): { grantedMs: number; remainingMs: number } | undefined {
  if (answer.type === 'unavailable') throw unavailableError(answer.why);
  return answer.type === 'alive' ? answer : undefined;
}
