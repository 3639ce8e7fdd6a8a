/** etcd's keep-alive stream (LeaseKeepAlive): one lease a message, whole seconds. */
import type { KeepAliveMessages } from './keep-alive-stream.ts';
import { wholeSeconds } from './lease-wire.ts';
import { wire } from './messages.ts';

export const keepAlives: KeepAliveMessages = {
  idsOf: (request) => [wire.LeaseKeepAliveRequest.decode(request).ID],
  responses: (renewals) =>
    renewals.map(({ id, header, ttlMs }) => {
      const TTL = ttlMs === 0 ? 0 : wholeSeconds(ttlMs);
      return wire.LeaseKeepAliveResponse.encode({ header, ID: id, TTL });
    }),
};
