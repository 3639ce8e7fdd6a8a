/**
 * Many small messages of one stream in one buffer, framed as they go out (gRPC's PROTOCOL-HTTP2.md: a flag, a length, the message): a
 * transport that takes them whole is spared a call, a view and a copy for each. A message may end in bytes that others send as well;
 * these are not copied, but go out in their place between pieces of the buffer.
 */
import { grpcHeadBytes, type Outgoing } from './transport.ts';

export class FramedMessages {
  readonly bytes: Buffer;
  /** Where the next message begins. */
  at = grpcHeadBytes;
  /** Messages that are whole. */
  count = 0;
  /** What is finished, in order. */
  readonly #pieces: Uint8Array[] = [];
  /** Where in the buffer the next piece begins. */
  #from = 0;

  /** `bytes`: room for all of them and their heads, but not for shared ends. */
  constructor(bytes: number) {
    this.bytes = Buffer.allocUnsafe(bytes);
  }

  /** The message from `at` to `end` is whole. */
  close(end: number): void {
    this.#head(end - this.at);
    this.at = end + grpcHeadBytes;
  }

  /** The message from `at` to `end` goes on with these bytes, which nobody writes any more, and is whole then. */
  closeWith(end: number, shared: Uint8Array): void {
    this.#head(end - this.at + shared.length);
    this.#pieces.push(this.bytes.subarray(this.#from, end), shared);
    this.#from = end;
    this.at = end + grpcHeadBytes;
  }

  /** Sends all; false as `Outgoing.write` says it. */
  send(outgoing: Outgoing): boolean {
    const end = this.at - grpcHeadBytes;
    const pieces = this.#pieces;
    // The last one, which is all there is if nothing was shared.
    if (end > this.#from) pieces.push(this.bytes.subarray(this.#from, end));
    this.#from = end;
    return sendFramed(outgoing, pieces, this.count);
  }

  #head(length: number): void {
    const { bytes } = this;
    const head = this.at - grpcHeadBytes;
    bytes[head] = 0;
    bytes[head + 1] = length >>> 24;
    bytes[head + 2] = length >>> 16;
    bytes[head + 3] = length >>> 8;
    bytes[head + 4] = length;
    this.count++;
  }
}

/** Sends `count` messages in their frames, one by one where the transport does not take them whole. */
export function sendFramed(outgoing: Outgoing, pieces: readonly Uint8Array[], count: number): boolean {
  if (outgoing.writeFramed !== undefined) return outgoing.writeFramed(pieces, count);
  const frames = Buffer.concat(pieces);
  let more = true;
  for (let at = 0; at < frames.length; ) {
    const start = at + grpcHeadBytes;
    at = start + frames.readUInt32BE(at + 1);
    more = outgoing.write(frames.subarray(start, at)) && more;
  }
  return more;
}

export function lengthOf(pieces: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const { length } of pieces) bytes += length;
  return bytes;
}
