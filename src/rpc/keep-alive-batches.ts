/**
 * Our own Lease service (`proto/leasehold/v1/lease.proto`): keep-alives many to a message, in exact milliseconds. Under the messages it
 * is etcd's stream. L2, L3.
 */
import { leasesPerKeepAliveMax } from '../base/limits.ts';
import { wireType } from './codec.ts';
import { rpcError } from './errors.ts';
import type { FramedMessages } from './framed-messages.ts';
import { type HeaderField, Headers } from './header.ts';
import { halvesOf } from './hot/fields.ts';
import { keepAliveBatchResponse, readKeepAliveBatch } from './hot/keep-alive-codec.ts';
import { bigintOf, type Int } from './int64.ts';
import { type KeepAliveMessages, keepAliveStream, type Renewal } from './keep-alive-stream.ts';
import type { LeaseObserver } from './lease-wire.ts';
import type { Member } from './member.ts';
import type { Answer } from './messages.ts';
import type { ServiceTable } from './transport.ts';

export interface KeepAliveRequest {
  readonly ids: readonly Int[];
}
export interface KeepAliveResponse extends Answer {
  readonly ids: readonly Int[];
  readonly ttlMs: readonly Int[];
}

/** The messages of this service, by name. */
export const batchWire = {
  KeepAliveRequest: wireType<KeepAliveRequest>('leasehold.v1.KeepAliveRequest'),
  KeepAliveResponse: wireType<KeepAliveResponse>('leasehold.v1.KeepAliveResponse'),
};

export function leaseBatchService(member: Member, observer: LeaseObserver, keepAlivesPerStream?: number): ServiceTable {
  const method = keepAliveStream(batches, member, new Headers(member), observer, keepAlivesPerStream);
  return { '/leasehold.v1.Lease/KeepAlive': method };
}

const batches: KeepAliveMessages = {
  read: (request, take) => {
    if (readKeepAliveBatch(request, leasesPerKeepAliveMax, take)) return;
    const { ids } = batchWire.KeepAliveRequest.decode(request);
    if (ids.length > leasesPerKeepAliveMax) throw rpcError('tooManyKeepAlives');
    for (const id of ids) {
      const { hi, lo } = halvesOf(bigintOf(id));
      take(hi, lo);
    }
  },
  ttlOf: (ttlMs) => ttlMs,
  responses: (renewals) => {
    const responses: FramedMessages[] = [];
    for (let from = 0; from < renewals.length; from += leasesPerKeepAliveMax) {
      const some = renewals.slice(from, from + leasesPerKeepAliveMax);
      responses.push(keepAliveBatchResponse(some, earliest(some).bytes));
    }
    return responses;
  },
};

/** Whoever asked first saw the least. */
function earliest(renewals: readonly Renewal[]): HeaderField {
  return renewals.reduce((first, each) => (each.header.revision < first.header.revision ? each : first)).header;
}
