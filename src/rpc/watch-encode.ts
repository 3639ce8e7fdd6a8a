/**
 * Watch responses that carry events, written by hand in proto3's wire format: an event is encoded once and its bytes are shared by all
 * watchers that see it; the header is made once a revision, the watch id once a watcher (`wire.WatchResponse` writes all responses
 * without events). All responses of a stream and turn are one buffer. A property test holds these bytes to those of protobufjs. Keeps
 * W12: what is kept for sharing is bounded.
 */
import { watchEventBytesKeptMax } from '../base/limits.ts';
import type { EventView } from '../state/history.ts';
import { FramedMessages } from './framed-messages.ts';
import { halvesFieldSize, halvesOf, putCopy, putHalvesField, putNumberField } from './hot/fields.ts';
import { eventField } from './hot/key-value.ts';
import { grpcHeadBytes } from './transport.ts';

/** Events as the bytes of WatchResponse's field `events`, tag and length included. One for all streams of a member. */
export class EventBytes {
  readonly #keptMax: number;
  #kept = new WeakMap<EventView, Uint8Array>();
  #keptBytes = 0;
  #encoded = 0;

  constructor(keptMax = watchEventBytesKeptMax) {
    this.#keptMax = keptMax;
  }

  /** How many events were encoded so far. */
  get encoded(): number {
    return this.#encoded;
  }

  /** Bytes kept for whoever asks next. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  of(event: EventView): Uint8Array {
    const known = this.#kept.get(event);
    if (known !== undefined) return known;
    const bytes = eventField(eventsNumber, event);
    this.#encoded++;
    if (this.#keptBytes + bytes.length > this.#keptMax) {
      // Nobody asks for old events twice; what is still wanted of these is soon made again.
      this.#kept = new WeakMap();
      this.#keptBytes = 0;
    }
    if (bytes.length > this.#keptMax) return bytes;
    this.#kept.set(event, bytes);
    this.#keptBytes += bytes.length;
    return bytes;
  }
}

/** What is the same in all responses of a watcher: encoded once. */
export type FieldBytes = Uint8Array;

/** The field `watch_id` of a response; nothing for id 0. */
export function watchIdField(id: bigint): FieldBytes {
  const { hi, lo } = halvesOf(id);
  const bytes = new Uint8Array(halvesFieldSize(hi, lo));
  putHalvesField(bytes, 0, watchIdNumber, hi, lo);
  return bytes;
}

/** All of a response but its events. */
export interface ResponseFrame {
  /** Of `Headers.field`. */
  readonly header: FieldBytes;
  /** Of `watchIdField`. */
  readonly watchId: FieldBytes;
}

/** A response that is decided and not yet written: events `from` up to, not including, `to`, which are `eventBytes` together. */
interface Part {
  readonly frame: ResponseFrame;
  readonly events: readonly Uint8Array[];
  readonly from: number;
  readonly to: number;
  readonly fragment: boolean;
}

const watchIdNumber = 2;
const fragmentNumber = 7;
const eventsNumber = 11;

/** Responses of one stream that go out together. */
export class WatchResponses {
  #parts: Part[] = [];
  #bytes = 0;

  /** Of what waits, heads included. */
  get bytes(): number {
    return this.#bytes;
  }

  /** One whole response with these events. */
  add(frame: ResponseFrame, events: readonly Uint8Array[]): void {
    this.#add(frame, events, 0, events.length, false, totalOf(events));
  }

  /**
   * The same response cut as etcd cuts it (v3rpc/watch.go): whole if it is smaller than `bytesMax` or has one event; else each part
   * takes events while it stays below, at least one, and all but the last are marked.
   */
  addFragmented(frame: ResponseFrame, events: readonly Uint8Array[], bytesMax: number): void {
    const whole = totalOf(events);
    if (frameSize(frame, false) + whole < bytesMax || events.length < 2) {
      this.#add(frame, events, 0, events.length, false, whole);
      return;
    }
    const frameBytes = frameSize(frame, true);
    let from = 0;
    let partBytes = 0;
    for (const [at, { length }] of events.entries()) {
      if (at > from && frameBytes + partBytes + length >= bytesMax) {
        this.#add(frame, events, from, at, true, partBytes);
        from = at;
        partBytes = 0;
      }
      partBytes += length;
    }
    this.#add(frame, events, from, events.length, false, partBytes);
  }

  /** All of them, written; undefined: none. */
  take(): FramedMessages | undefined {
    if (this.#parts.length === 0) return undefined;
    const messages = new FramedMessages(this.#bytes);
    for (const part of this.#parts) messages.close(putResponse(messages.bytes, messages.at, part));
    this.#parts = [];
    this.#bytes = 0;
    return messages;
  }

  #add(
    frame: ResponseFrame,
    events: readonly Uint8Array[],
    from: number,
    to: number,
    fragment: boolean,
    eventBytes: number,
  ): void {
    this.#parts.push({ frame, events, from, to, fragment });
    this.#bytes += grpcHeadBytes + frameSize(frame, fragment) + eventBytes;
  }
}

function totalOf(events: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const { length } of events) bytes += length;
  return bytes;
}

function frameSize({ header, watchId }: ResponseFrame, fragment: boolean): number {
  return header.length + watchId.length + (fragment ? 2 : 0);
}

function putResponse(bytes: Uint8Array, start: number, { frame, events, from, to, fragment }: Part): number {
  let at = putCopy(bytes, start, frame.header);
  at = putCopy(bytes, at, frame.watchId);
  if (fragment) at = putNumberField(bytes, at, fragmentNumber, 1);
  for (let index = from; index < to; index++) at = putCopy(bytes, at, events[index] as Uint8Array);
  return at;
}
