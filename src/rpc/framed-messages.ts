/**
 * Many small messages of one stream in one buffer, framed as they go out (gRPC's PROTOCOL-HTTP2.md: a flag, a length, the message): a
 * transport that takes them whole is spared a call, a view and a copy for each.
 */
import { grpcHeadBytes, type Outgoing } from './transport.ts';

export class FramedMessages {
  readonly bytes: Buffer;
  /** Where the next message begins. */
  at = grpcHeadBytes;
  /** Messages that are whole. */
  count = 0;

  /** `bytes`: room for all of them and their heads. */
  constructor(bytes: number) {
    this.bytes = Buffer.allocUnsafe(bytes);
  }

  /** The message from `at` to `end` is whole. */
  close(end: number): void {
    const { bytes } = this;
    const length = end - this.at;
    const head = this.at - grpcHeadBytes;
    bytes[head] = 0;
    bytes[head + 1] = length >>> 24;
    bytes[head + 2] = length >>> 16;
    bytes[head + 3] = length >>> 8;
    bytes[head + 4] = length;
    this.count++;
    this.at = end + grpcHeadBytes;
  }

  /** Sends all; false as `Outgoing.write` says it. */
  send(outgoing: Outgoing): boolean {
    return sendFramed(outgoing, this.bytes.subarray(0, this.at - grpcHeadBytes), this.count);
  }
}

/** Sends `count` messages in their frames, one by one where the transport does not take them whole. */
export function sendFramed(outgoing: Outgoing, frames: Buffer, count: number): boolean {
  if (outgoing.writeFramed !== undefined) return outgoing.writeFramed(frames, count);
  let more = true;
  for (let at = 0; at < frames.length; ) {
    const start = at + grpcHeadBytes;
    at = start + frames.readUInt32BE(at + 1);
    more = outgoing.write(frames.subarray(start, at)) && more;
  }
  return more;
}
