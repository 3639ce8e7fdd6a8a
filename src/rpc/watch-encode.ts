/**
 * Watch responses that carry events, written by hand in proto3's wire format: an event is encoded once and its bytes are shared by all
 * watchers that see it; the header is made once a revision, the watch id once a watcher (`wire.WatchResponse` writes all responses
 * without events). All responses of a stream and turn go out together; a run of events that several watchers see is one piece for all
 * of them. A property test holds these bytes to those of protobufjs. Keeps W12: what is kept for sharing is bounded.
 */
import { watchEventBytesKeptMax, watchRunBytesMax } from '../base/limits.ts';
import type { EventView } from '../state/history.ts';
import { FramedMessages } from './framed-messages.ts';
import { halvesFieldSize, halvesOf, putCopy, putHalvesField, putNumberField } from './hot/fields.ts';
import { eventField } from './hot/key-value.ts';
import { grpcHeadBytes } from './transport.ts';

/** Events that are shown together, as the bytes of WatchResponse's fields `events`, tags and lengths included. */
export class EventRun {
  /** Of each event. */
  readonly pieces: readonly Uint8Array[];
  /** Of all of them. */
  readonly bytes: number;
  /** All of them in one piece, once somebody else is shown them as well. */
  whole: Uint8Array | undefined;

  constructor(pieces: readonly Uint8Array[]) {
    this.pieces = pieces;
    let bytes = 0;
    for (const { length } of pieces) bytes += length;
    this.bytes = bytes;
  }

  /** Somebody else is shown it as well: from now on it is one piece, which is copied sooner than many. */
  join(): void {
    if (this.whole !== undefined) return;
    if (this.pieces.length === 1) {
      this.whole = this.pieces[0];
      return;
    }
    const whole = Buffer.allocUnsafe(this.bytes);
    this.#copy(whole, 0, 0, this.pieces.length);
    this.whole = whole;
  }

  /** Writes the events from the first up to, not including, the second index; returns where they end. */
  put(bytes: Uint8Array, at: number, from: number, to: number): number {
    const { whole } = this;
    if (whole === undefined || to - from < this.pieces.length) return this.#copy(bytes, at, from, to);
    return putCopy(bytes, at, whole);
  }

  #copy(bytes: Uint8Array, start: number, from: number, to: number): number {
    let at = start;
    for (let index = from; index < to; index++) at = putCopy(bytes, at, this.pieces[index] as Uint8Array);
    return at;
  }
}

const noEvents = new EventRun([]);

/** What was encoded, for those who are shown the same. One for all streams of a member. */
export class EventBytes {
  readonly #keptMax: number;
  #kept = new WeakMap<EventView, Uint8Array>();
  #keptBytes = 0;
  #encoded = 0;
  #lastEvents: readonly EventView[] | undefined;
  #lastRun = noEvents;

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

  /** The events of a pull; watchers whom the hub gave the same list share all of it. */
  run(events: readonly EventView[]): EventRun {
    if (events === this.#lastEvents) {
      this.#lastRun.join();
      return this.#lastRun;
    }
    const run = new EventRun(events.map((event) => this.#of(event)));
    const keeps = run.bytes <= watchRunBytesMax;
    this.#lastEvents = keeps ? events : undefined;
    this.#lastRun = keeps ? run : noEvents;
    return run;
  }

  #of(event: EventView): Uint8Array {
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

/** A response that is decided and not yet written: events `from` up to, not including, `to` of a run. */
interface Part {
  readonly frame: ResponseFrame;
  readonly run: EventRun;
  readonly from: number;
  readonly to: number;
  readonly fragment: boolean;
}

/** Shorter ends of a message are copied sooner than they are sent as pieces of their own. */
const sharedBytesMin = 1024;

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
  add(frame: ResponseFrame, run: EventRun): void {
    this.#add(frame, run, 0, run.pieces.length, false, run.bytes);
  }

  /**
   * The same response cut as etcd cuts it (v3rpc/watch.go): whole if it is smaller than `bytesMax` or has one event; else each part
   * takes events while it stays below, at least one, and all but the last are marked.
   */
  addFragmented(frame: ResponseFrame, run: EventRun, bytesMax: number): void {
    const { pieces } = run;
    if (frameSize(frame, false) + run.bytes < bytesMax || pieces.length < 2) {
      this.add(frame, run);
      return;
    }
    const frameBytes = frameSize(frame, true);
    let from = 0;
    let partBytes = 0;
    for (const [at, { length }] of pieces.entries()) {
      if (at > from && frameBytes + partBytes + length >= bytesMax) {
        this.#add(frame, run, from, at, true, partBytes);
        from = at;
        partBytes = 0;
      }
      partBytes += length;
    }
    this.#add(frame, run, from, pieces.length, false, partBytes);
  }

  /** All of them, written; undefined: none. */
  take(): FramedMessages | undefined {
    if (this.#parts.length === 0) return undefined;
    let sharedBytes = 0;
    for (const part of this.#parts) sharedBytes += sharedOf(part)?.length ?? 0;
    const messages = new FramedMessages(this.#bytes - sharedBytes);
    for (const part of this.#parts) putResponse(messages, part);
    this.#parts = [];
    this.#bytes = 0;
    return messages;
  }

  #add(frame: ResponseFrame, run: EventRun, from: number, to: number, fragment: boolean, eventBytes: number): void {
    this.#parts.push({ frame, run, from, to, fragment });
    this.#bytes += grpcHeadBytes + frameSize(frame, fragment) + eventBytes;
  }
}

function frameSize({ header, watchId }: ResponseFrame, fragment: boolean): number {
  return header.length + watchId.length + (fragment ? 2 : 0);
}

/** The events of a response, if they are one piece of memory that is worth more than a copy. */
function sharedOf({ run, from, to }: Part): Uint8Array | undefined {
  return run.bytes >= sharedBytesMin && to - from === run.pieces.length ? run.whole : undefined;
}

function putResponse(messages: FramedMessages, part: Part): void {
  const { frame, run, from, to, fragment } = part;
  const { bytes } = messages;
  let at = putCopy(bytes, messages.at, frame.header);
  at = putCopy(bytes, at, frame.watchId);
  if (fragment) at = putNumberField(bytes, at, fragmentNumber, 1);
  const shared = sharedOf(part);
  if (shared !== undefined) messages.closeWith(at, shared);
  else messages.close(run.put(bytes, at, from, to));
}
