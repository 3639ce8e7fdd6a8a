/** grpc.health.v1: the member serves when it knows a leader. Only the empty service name is known, as in etcd. */
import { NO_MEMBER } from '../store/entry.ts';
import { rpcError } from './errors.ts';
import type { Member } from './member.ts';
import { wire } from './messages.ts';
import { unary } from './method.ts';
import type { ServiceTable } from './transport.ts';

const serving = 1;
const notServing = 2;
const serviceUnknown = 3;
/** How often a health watch looks again. */
const lookMsDefault = 500;

export function healthService(member: Member, lookMs = lookMsDefault): ServiceTable {
  const status = (): number => (member.status().leader === NO_MEMBER ? notServing : serving);
  return {
    '/grpc.health.v1.Health/Check': unary(wire.HealthCheckRequest, wire.HealthCheckResponse, async (message) => {
      if (message.service !== '') throw rpcError('unknownHealthService');
      return { status: status() };
    }),
    '/grpc.health.v1.Health/Watch': {
      kind: 'serverStream',
      call: (request, outgoing, ctx) => {
        const known = wire.HealthCheckRequest.decode(request).service === '';
        let said: number | undefined;
        const say = (): void => {
          const now = known ? status() : serviceUnknown;
          if (now === said) return;
          said = now;
          outgoing.write(wire.HealthCheckResponse.encode({ status: now }));
        };
        say();
        const timer = member.clock.every(lookMs, say);
        ctx.signal.addEventListener('abort', () => timer.cancel());
      },
    },
  };
}
