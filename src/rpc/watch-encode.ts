/**
 * Watch responses that carry events, written by hand in proto3's wire format: an event is encoded once and its bytes are shared
 * by all watchers that see it; only header, watch id and flags are made for each (`wire.WatchResponse` writes all responses
 * without events). A property test holds these bytes to those of protobufjs. Keeps W12: what is kept for sharing is bounded.
 */
import { asBuffer } from '../base/bytes.ts';
import { watchEventBytesKeptMax } from '../base/limits.ts';
import type { EventView } from '../state/history.ts';
import type { KeyValue } from '../state/outcome.ts';

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
    const bytes = encodeEvent(event);
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

/** What is the same in all responses of a stream, or of a watcher: encoded once. */
export type FieldBytes = Uint8Array;

/** The fields `cluster_id` and `member_id` of a header. */
export function headerIds(clusterId: bigint, memberId: bigint): FieldBytes {
  const bytes = Buffer.alloc(2 * (1 + wideVarintSizeMax));
  let at = 0;
  if (clusterId !== 0n) at = wideVarint(bytes, tag(bytes, at, 1, varint), clusterId);
  if (memberId !== 0n) at = wideVarint(bytes, tag(bytes, at, 2, varint), memberId);
  return bytes.subarray(0, at);
}

/** The field `watch_id` of a response; nothing for id 0. */
export function watchIdField(id: bigint): FieldBytes {
  const bytes = Buffer.alloc(1 + wideVarintSizeMax);
  return bytes.subarray(0, id === 0n ? 0 : wideVarint(bytes, tag(bytes, 0, 2, varint), id));
}

/** All of a response but its events. */
export interface ResponseFrame {
  /** Of `headerIds`. */
  readonly ids: FieldBytes;
  readonly revision: number;
  readonly term: number;
  /** Of `watchIdField`. */
  readonly watchId: FieldBytes;
}

/** One whole response with these events. */
export function eventsResponse(frame: ResponseFrame, events: readonly Uint8Array[]): Uint8Array {
  return written(frame, false, events, 0, events.length, totalOf(events));
}

/**
 * The same response cut as etcd cuts it (v3rpc/watch.go): whole if it is smaller than `bytesMax` or has one event; else each part
 * takes events while it stays below, at least one, and all but the last are marked.
 */
export function fragmentedResponse(
  frame: ResponseFrame,
  events: readonly Uint8Array[],
  bytesMax: number,
): Uint8Array[] {
  const whole = totalOf(events);
  if (frameSize(frame, false) + whole < bytesMax || events.length < 2) {
    return [written(frame, false, events, 0, events.length, whole)];
  }
  const frameBytes = frameSize(frame, true);
  const parts: Uint8Array[] = [];
  let from = 0;
  let partBytes = 0;
  for (const [at, { length }] of events.entries()) {
    if (at > from && frameBytes + partBytes + length >= bytesMax) {
      parts.push(written(frame, true, events, from, at, partBytes));
      from = at;
      partBytes = 0;
    }
    partBytes += length;
  }
  parts.push(written(frame, false, events, from, events.length, partBytes));
  return parts;
}

const varint = 0;
const lengthDelimited = 2;
/** An int64 that is negative takes ten bytes. */
const wideVarintSizeMax = 10;

function totalOf(events: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const { length } of events) bytes += length;
  return bytes;
}

function headerSize({ ids, revision, term }: ResponseFrame): number {
  return ids.length + numberFieldSize(revision) + numberFieldSize(term);
}

function frameSize(frame: ResponseFrame, fragment: boolean): number {
  const header = headerSize(frame);
  return 1 + varintSize(header) + header + frame.watchId.length + (fragment ? 2 : 0);
}

/** Events `from` up to, not including, `to`, which are `eventBytes` together. */
function written(
  frame: ResponseFrame,
  fragment: boolean,
  events: readonly Uint8Array[],
  from: number,
  to: number,
  eventBytes: number,
): Uint8Array {
  const bytes = Buffer.allocUnsafe(frameSize(frame, fragment) + eventBytes);
  let at = numberVarint(bytes, tag(bytes, 0, 1, lengthDelimited), headerSize(frame));
  at = copied(bytes, at, frame.ids);
  at = numberField(bytes, at, 3, frame.revision);
  at = numberField(bytes, at, 4, frame.term);
  at = copied(bytes, at, frame.watchId);
  if (fragment) at = numberVarint(bytes, tag(bytes, at, 7, varint), 1);
  for (let index = from; index < to; index++) at = copied(bytes, at, events[index] as Uint8Array);
  return bytes;
}

function encodeEvent({ type, kv, prevKv }: EventView): Uint8Array {
  const kvSize = keyValueSize(kv);
  const prevSize = prevKv === undefined ? 0 : keyValueSize(prevKv);
  const typeSize = type === 'delete' ? 2 : 0;
  const size = typeSize + messageFieldSize(kvSize) + (prevKv === undefined ? 0 : messageFieldSize(prevSize));
  // Kept for as long as it is shared, so it must not pin a slab of Node's pool.
  const bytes = Buffer.allocUnsafeSlow(messageFieldSize(size));
  let at = numberVarint(bytes, tag(bytes, 0, 11, lengthDelimited), size);
  if (typeSize > 0) at = numberVarint(bytes, tag(bytes, at, 1, varint), 1);
  at = keyValue(bytes, numberVarint(bytes, tag(bytes, at, 2, lengthDelimited), kvSize), kv);
  if (prevKv !== undefined) keyValue(bytes, numberVarint(bytes, tag(bytes, at, 3, lengthDelimited), prevSize), prevKv);
  return bytes;
}

function keyValueSize({ key, createRevision, modRevision, version, value, lease }: KeyValue): number {
  return (
    bytesFieldSize(key) +
    numberFieldSize(createRevision) +
    numberFieldSize(modRevision) +
    numberFieldSize(version) +
    bytesFieldSize(value) +
    (lease === 0n ? 0 : 1 + wideVarintSize(lease))
  );
}

function keyValue(bytes: Buffer, start: number, kv: KeyValue): number {
  let at = bytesField(bytes, start, 1, kv.key);
  at = numberField(bytes, at, 2, kv.createRevision);
  at = numberField(bytes, at, 3, kv.modRevision);
  at = numberField(bytes, at, 4, kv.version);
  at = bytesField(bytes, at, 5, kv.value);
  return kv.lease === 0n ? at : wideVarint(bytes, tag(bytes, at, 6, varint), kv.lease);
}

function bytesField(bytes: Buffer, at: number, field: number, value: Uint8Array): number {
  if (value.length === 0) return at;
  return copied(bytes, numberVarint(bytes, tag(bytes, at, field, lengthDelimited), value.length), value);
}

function bytesFieldSize({ length }: Uint8Array): number {
  return length === 0 ? 0 : messageFieldSize(length);
}

/** Tag, length and content. */
function messageFieldSize(size: number): number {
  return 1 + varintSize(size) + size;
}

function numberField(bytes: Buffer, at: number, field: number, value: number): number {
  return value === 0 ? at : numberVarint(bytes, tag(bytes, at, field, varint), value);
}

function numberFieldSize(value: number): number {
  return value === 0 ? 0 : 1 + varintSize(value);
}

function copied(bytes: Buffer, at: number, part: Uint8Array): number {
  asBuffer(part).copy(bytes, at);
  return at + part.length;
}

/** Fields of these messages have numbers below 16: one byte. */
function tag(bytes: Buffer, at: number, field: number, wireType: number): number {
  bytes[at] = (field << 3) | wireType;
  return at + 1;
}

/** Of a safe integer that is not negative. */
function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

function numberVarint(bytes: Buffer, start: number, value: number): number {
  let at = start;
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes[at++] = (rest % 0x80) | 0x80;
  bytes[at++] = rest;
  return at;
}

/** Of an int64 or uint64. */
function wideVarintSize(value: bigint): number {
  let size = 1;
  for (let rest = BigInt.asUintN(64, value); rest >= 0x80n; rest >>= 7n) size++;
  return size;
}

function wideVarint(bytes: Buffer, start: number, value: bigint): number {
  let at = start;
  let rest = BigInt.asUintN(64, value);
  for (; rest >= 0x80n; rest >>= 7n) bytes[at++] = Number(rest & 0x7fn) | 0x80;
  bytes[at++] = Number(rest);
  return at;
}
