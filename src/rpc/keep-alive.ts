/** etcd's keep-alive stream (LeaseKeepAlive): one lease a message, whole seconds. */
import { keepAliveResponses, readKeepAlive } from './hot/keep-alive-codec.ts';
import type { KeepAliveMessages } from './keep-alive-stream.ts';
import { wholeSeconds } from './lease-wire.ts';
import { wire } from './messages.ts';

const byProtobufjs = (request: Uint8Array) => wire.LeaseKeepAliveRequest.decode(request).ID;

export const keepAlives: KeepAliveMessages = {
  read: (request, take) => readKeepAlive(request, take, byProtobufjs),
  ttlOf: (ttlMs) => (ttlMs === 0 ? 0 : wholeSeconds(ttlMs)),
  responses: (renewals) => [keepAliveResponses(renewals)],
};
