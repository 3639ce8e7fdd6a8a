/** Watch messages ⇄ the hub's values. */
import { bytesOf as bytesOfText } from '../base/bytes.ts';
import type { WatchEvent, WatchSpec } from '../watch/watcher.ts';
import type { Sparse } from './codec.ts';
import { bytesOf, keyValueMessage } from './convert.ts';
import { numberOf } from './int64.ts';
import { type EventMessage, type WatchCreateRequest, type WatchResponse, wire } from './messages.ts';

const firstKey = bytesOfText('\0');
const filterNoPut = 0;
const filterNoDelete = 1;
const eventPut = 0;
const eventDelete = 1;

/** An empty key stands for the smallest one, so that ("", "\0") is everything, as in etcd. */
export function watchSpecOf(message: WatchCreateRequest): WatchSpec {
  return {
    key: message.key.length === 0 ? firstKey : message.key,
    rangeEnd: bytesOf(message.rangeEnd),
    startRevision: numberOf(message.startRevision),
    noPut: message.filters.includes(filterNoPut),
    noDelete: message.filters.includes(filterNoDelete),
    prevKv: message.prevKv,
  };
}

export function eventMessage(event: WatchEvent): Sparse<EventMessage> {
  return {
    type: event.type === 'put' ? eventPut : eventDelete,
    kv: keyValueMessage(event.kv),
    prevKv: event.prevKv === undefined ? undefined : keyValueMessage(event.prevKv),
  };
}

/** A response cut into parts of at most `bytesMax` (or one event), all but the last marked; encoded. */
export function fragments(response: Sparse<WatchResponse>, bytesMax: number): readonly Uint8Array[] {
  const whole = wire.WatchResponse.encode(response);
  const { events = [] } = response;
  if (whole.length < bytesMax || events.length < 2) return [whole];
  const groups: Sparse<EventMessage>[][] = [];
  let groupBytes = Number.POSITIVE_INFINITY;
  for (const event of events) {
    const bytes = eventBytes(event);
    if (groupBytes + bytes > bytesMax) {
      groups.push([]);
      groupBytes = responseOverheadBytes;
    }
    groups.at(-1)?.push(event);
    groupBytes += bytes;
  }
  return groups.map((group, at) =>
    wire.WatchResponse.encode({ ...response, events: group, fragment: at < groups.length - 1 }),
  );
}

/** Header, ids and flags of a response, at most. */
const responseOverheadBytes = 96;

/** Bytes of one event in a response, at most. */
function eventBytes({ kv, prevKv }: Sparse<EventMessage>): number {
  let bytes = 32;
  for (const version of [kv, prevKv]) bytes += (version?.key?.length ?? 0) + (version?.value?.length ?? 0) + 72;
  return bytes;
}
