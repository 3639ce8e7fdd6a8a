/** etcd's Watch service: one method, one `WatchStream` per call. */
import { watchProgressMsDefault } from '../base/limits.ts';
import type { Member } from './member.ts';
import type { ServiceTable } from './transport.ts';
import { EventBytes } from './watch-encode.ts';
import { WatchStream } from './watch-stream.ts';
import { WatchTurns } from './watch-turns.ts';

/** `progressIntervalMs`: etcd's --watch-progress-notify-interval. */
export function watchService(member: Member, progressIntervalMs = watchProgressMsDefault): ServiceTable {
  return watchTable(member, progressIntervalMs, new EventBytes());
}

/** The service over an encoder that the caller can ask. */
export function watchTable(member: Member, progressIntervalMs: number, events: EventBytes): ServiceTable {
  const shared = { events, turns: new WatchTurns() };
  return {
    '/etcdserverpb.Watch/Watch': {
      kind: 'bidi',
      call: (incoming, outgoing, ctx) => {
        // So that streams do not speak in chorus.
        const jitterMs = member.clock.random() * progressIntervalMs * 0.1;
        new WatchStream(member, shared, incoming, outgoing, ctx, progressIntervalMs + jitterMs);
      },
    },
  };
}
