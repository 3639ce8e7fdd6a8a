/**
 * Cuts the bytes of a connection into frames (RFC 9113 §3.4, §4.1). Owns the beginning of a frame of which the rest has not come; of a
 * chunk with many whole frames nothing is copied. Looks at no more of a frame than its head.
 */
import { ConnectionFault, errorCodes, frameHeadBytes, framePayloadBytesMax, preface } from './words.ts';

export interface FrameSink {
  /** One whole frame; its payload is `bytes` from `from` up to `to`. The bytes are the hearer's. */
  frame(type: number, flags: number, stream: number, bytes: Uint8Array, from: number, to: number): void;
  /** No frame is wanted any more, not even of the chunk that is being read. */
  readonly ended: boolean;
}

/** What the beginning of a frame is kept in at first. */
const heldBytesFirst = 256;

export class FrameReader {
  readonly #sink: FrameSink;
  /** How much of the preface has come. */
  #prefaceAt = 0;
  /** The beginning of a frame; doubles as its bytes come, so that nobody makes us keep more than he sent. */
  #held: Buffer | undefined;
  #heldBytes = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Throws a `ConnectionFault`; what the sink throws passes through. */
  push(chunk: Uint8Array): void {
    let at = this.#prefaceAt < preface.length ? this.#readPreface(chunk) : 0;
    if (this.#held !== undefined) at = this.#complete(this.#held, chunk, at);
    while (chunk.length - at >= frameHeadBytes && !this.#sink.ended) {
      const end = at + frameHeadBytes + payloadBytes(chunk, at);
      if (end > chunk.length) break;
      this.#hand(chunk, at, end);
      at = end;
    }
    if (at < chunk.length && this.#held === undefined && !this.#sink.ended) this.#hold(chunk, at, chunk.length);
  }

  #readPreface(chunk: Uint8Array): number {
    let at = 0;
    for (; at < chunk.length && this.#prefaceAt < preface.length; at++, this.#prefaceAt++) {
      if (chunk[at] !== preface.charCodeAt(this.#prefaceAt))
        throw new ConnectionFault(errorCodes.protocol, 'not the preface of HTTP/2');
    }
    return at;
  }

  /** Takes from the chunk what the frame at hand lacks, and hands it over when it is whole. Returns where the chunk goes on. */
  #complete(held: Buffer, chunk: Uint8Array, from: number): number {
    let at = from;
    if (this.#heldBytes < frameHeadBytes) {
      at = Math.min(chunk.length, from + frameHeadBytes - this.#heldBytes);
      this.#hold(chunk, from, at);
      if (this.#heldBytes < frameHeadBytes) return at;
    }
    const needed = frameHeadBytes + payloadBytes(this.#held ?? held, 0);
    const end = Math.min(chunk.length, at + needed - this.#heldBytes);
    this.#hold(chunk, at, end);
    if (this.#heldBytes < needed) return end;
    const whole = this.#held ?? held;
    this.#held = undefined;
    this.#heldBytes = 0;
    this.#hand(whole, 0, needed);
    return end;
  }

  #hold(chunk: Uint8Array, from: number, to: number): void {
    const length = this.#heldBytes + to - from;
    if (this.#held === undefined || length > this.#held.length) {
      const larger = Buffer.allocUnsafe(Math.max(length, 2 * this.#heldBytes, heldBytesFirst));
      this.#held?.copy(larger, 0, 0, this.#heldBytes);
      this.#held = larger;
    }
    this.#held.set(chunk.subarray(from, to), this.#heldBytes);
    this.#heldBytes = length;
  }

  #hand(bytes: Uint8Array, at: number, end: number): void {
    const stream = readUint31(bytes, at + 5);
    this.#sink.frame(bytes[at + 3] as number, bytes[at + 4] as number, stream, bytes, at + frameHeadBytes, end);
  }
}

/** The length in a frame's head. Throws where it is more than we said we take. */
function payloadBytes(bytes: Uint8Array, at: number): number {
  const length = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
  if (length > framePayloadBytesMax) throw new ConnectionFault(errorCodes.frameSize, 'a frame is too long');
  return length;
}

/** 31 bits; the highest one is reserved and not looked at. */
export function readUint31(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] as number) & 0x7f) << 24;
  return high | ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
}

export function readUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) >>> 7) * 2 ** 31 + readUint31(bytes, at);
}
