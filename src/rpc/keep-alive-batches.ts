/**
 * Our own Lease service (`proto/leasehold/v1/lease.proto`): keep-alives many to a message, in exact milliseconds. Under the messages it
 * is etcd's stream. L2, L3.
 */
import { leasesPerKeepAliveMax } from '../base/limits.ts';
import type { Sparse } from './codec.ts';
import { wireType } from './codec.ts';
import { rpcError } from './errors.ts';
import { Headers } from './header.ts';
import { type Int, numberOf } from './int64.ts';
import { type KeepAliveMessages, keepAliveStream, type Renewal } from './keep-alive-stream.ts';
import type { LeaseObserver } from './lease-wire.ts';
import type { Member } from './member.ts';
import type { Answer, HeaderMessage } from './messages.ts';
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
  idsOf: (request) => {
    const { ids } = batchWire.KeepAliveRequest.decode(request);
    if (ids.length > leasesPerKeepAliveMax) throw rpcError('tooManyKeepAlives');
    return ids;
  },
  responses: (renewals) => {
    const responses: Uint8Array[] = [];
    for (let from = 0; from < renewals.length; from += leasesPerKeepAliveMax) {
      const some = renewals.slice(from, from + leasesPerKeepAliveMax);
      const ids = some.map(({ id }) => id);
      const ttlMs = some.map((renewal) => renewal.ttlMs);
      responses.push(batchWire.KeepAliveResponse.encode({ header: earliest(some), ids, ttlMs }));
    }
    return responses;
  },
};

/** Whoever asked first saw the least. */
function earliest(renewals: readonly Renewal[]): Sparse<HeaderMessage> {
  const seen = ({ header }: Renewal): number => numberOf(header.revision ?? 0);
  return renewals.reduce((first, each) => (seen(each) < seen(first) ? each : first)).header;
}
