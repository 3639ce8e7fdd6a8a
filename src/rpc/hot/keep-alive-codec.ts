/**
 * The messages of keep-alive streams by hand: etcd's, one lease each, and ours, many. What is not written as every client writes it is
 * read by protobufjs, so that nothing is read otherwise than elsewhere; a property test holds both to it.
 */
import { FramedMessages } from '../framed-messages.ts';
import type { Int } from '../int64.ts';
import { grpcHeadBytes } from '../transport.ts';
import {
  bytesType,
  halvesFieldSize,
  halvesSize,
  lengthFieldSize,
  numberFieldSize,
  putCopy,
  putHalves,
  putHalvesField,
  putLength,
  putNumberField,
  putVarint,
  varintSize,
  varintSizeMax,
  varintType,
} from './fields.ts';

/** Takes the id of a lease, as int32 halves. */
export type TakeId = (hi: number, lo: number) => void;

/** What an answer tells of one lease: its id in halves, the field `header`, and what `ttl` says. */
export interface Answered {
  readonly hi: number;
  readonly lo: number;
  readonly header: { readonly bytes: Uint8Array };
  ttl: number;
}

const idTag = (1 << 3) | varintType;
const idsTag = (1 << 3) | bytesType;

/** The id in a LeaseKeepAliveRequest. `otherwise` decodes what is not simply that. */
export function readKeepAlive(bytes: Uint8Array, take: TakeId, otherwise: (bytes: Uint8Array) => Int): void {
  if (bytes[0] === idTag && readVarints(bytes, 1, bytes.length, 1, take)) return;
  const id = otherwise(bytes);
  if (typeof id === 'number') take(Math.floor(id / 2 ** 32) | 0, id | 0);
  else take(id.high | 0, id.low | 0);
}

/** The ids in a leasehold.v1.KeepAliveRequest if it is one packed field; false: it is not, or there are more than `idsMax`. */
export function readKeepAliveBatch(bytes: Uint8Array, idsMax: number, take: TakeId): boolean {
  if (bytes[0] !== idsTag) return false;
  // The length of the field: the rest of the message, in its shortest form.
  const { length } = bytes;
  let start = 2;
  while (start < length && (bytes[start - 1] as number) >= 0x80) start++;
  if (varintSize(length - start) !== start - 1) return false;
  const head = new Uint8Array(start - 1);
  putVarint(head, 0, length - start);
  for (let at = 1; at < start; at++) if (bytes[at] !== head[at - 1]) return false;
  let count = 0;
  for (let at = start; at < length; at++) if ((bytes[at] as number) < 0x80) count++;
  if (count > idsMax || !areVarints(bytes, start)) return false;
  return readVarints(bytes, start, length, count, take);
}

/** True if there is nothing but varints of at most ten bytes from `start` on. */
function areVarints(bytes: Uint8Array, start: number): boolean {
  let begin = start;
  for (let at = start; at < bytes.length; at++) {
    if ((bytes[at] as number) >= 0x80) continue;
    if (at - begin >= varintSizeMax) return false;
    begin = at + 1;
  }
  return begin === bytes.length;
}

/** `count` varints that fill the bytes. False, at the latest before the last is taken, where they do not. */
function readVarints(bytes: Uint8Array, start: number, end: number, count: number, take: TakeId): boolean {
  let at = start;
  for (let read = 1; read <= count; read++) {
    let lo = 0;
    let hi = 0;
    let shift = 0;
    for (;;) {
      if (at >= end || shift > 63) return false;
      const byte = bytes[at++] as number;
      const bits = byte & 0x7f;
      if (shift < 28) lo |= bits << shift;
      else if (shift === 28) {
        lo |= bits << 28;
        hi = bits >>> 4;
      } else hi |= bits << (shift - 32);
      if (byte < 0x80) break;
      shift += 7;
    }
    if (read === count && at !== end) return false;
    take(hi, lo);
  }
  return true;
}

/** A LeaseKeepAliveResponse for each: `ttl` is whole seconds. */
export function keepAliveResponses(answers: readonly Answered[]): FramedMessages {
  let bytes = 0;
  for (const { hi, lo, header, ttl } of answers)
    bytes += grpcHeadBytes + header.bytes.length + halvesFieldSize(hi, lo) + numberFieldSize(ttl);
  const messages = new FramedMessages(bytes);
  for (const { hi, lo, header, ttl } of answers) {
    let at = putCopy(messages.bytes, messages.at, header.bytes);
    at = putHalvesField(messages.bytes, at, 2, hi, lo);
    messages.close(putNumberField(messages.bytes, at, 3, ttl));
  }
  return messages;
}

/** One leasehold.v1.KeepAliveResponse for all: `ttl` is milliseconds. */
export function keepAliveBatchResponse(answers: readonly Answered[], header: Uint8Array): FramedMessages {
  let idBytes = 0;
  let ttlBytes = 0;
  for (const { hi, lo, ttl } of answers) {
    idBytes += halvesSize(hi, lo);
    ttlBytes += varintSize(ttl);
  }
  const messages = new FramedMessages(
    grpcHeadBytes + header.length + lengthFieldSize(idBytes) + lengthFieldSize(ttlBytes),
  );
  const { bytes } = messages;
  let at = putLength(bytes, putCopy(bytes, messages.at, header), 2, idBytes);
  for (const { hi, lo } of answers) at = putHalves(bytes, at, hi, lo);
  at = putLength(bytes, at, 3, ttlBytes);
  for (const { ttl } of answers) at = putVarint(bytes, at, ttl);
  messages.close(at);
  return messages;
}
