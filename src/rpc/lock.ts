/**
 * etcd's Lock service: the queue of `rpc/queues.ts` with empty values. Every error has code Unknown, as etcd's. F1, F3: the key's
 * create revision is the fencing token.
 */
import { emptyBytes } from '../base/bytes.ts';
import { bytesOf } from './convert.ts';
import { rpcError, unknownErrors } from './errors.ts';
import { Headers } from './header.ts';
import { bigintOf } from './int64.ts';
import { write } from './kv.ts';
import type { Member } from './member.ts';
import { unary } from './method.ts';
import { queueWire } from './queue-messages.ts';
import type { Queues } from './queues.ts';
import type { ServiceTable } from './transport.ts';
import { checkDeleteRange } from './validate.ts';

export function lockService(member: Member, queues: Queues): ServiceTable {
  const headers = new Headers(member);
  return {
    '/v3lockpb.Lock/Lock': unary(queueWire.LockRequest, queueWire.LockResponse, (message, ctx, bytes) =>
      unknownErrors(async () => {
        const lease = bigintOf(message.lease);
        const request = { name: bytesOf(message.name), lease, value: emptyBytes, proclaims: false, bytes };
        const turn = await queues.turn(request, ctx);
        if (turn === 'gone') throw rpcError('sessionExpired');
        return { header: headers.at(turn.foundAt), key: turn.key };
      }),
    ),
    '/v3lockpb.Lock/Unlock': unary(queueWire.UnlockRequest, queueWire.UnlockResponse, ({ key }, ctx, bytes) =>
      unknownErrors(async () => {
        const request = { key, rangeEnd: emptyBytes, prevKv: false };
        checkDeleteRange(request);
        const { revision } = await write(member, { type: 'deleteRange', ...request }, 'deleteRange', ctx, bytes);
        return { header: headers.at(revision) };
      }),
    ),
  };
}
