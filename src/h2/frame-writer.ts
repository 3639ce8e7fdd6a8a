/**
 * Writes frames one behind the other into one piece of memory, which is used again and again: all that a connection says in a turn
 * leaves in one write. Owns that memory, until it is left (`part`) to a socket that has not taken all of it; who writes asks for `room`
 * first, or reserves some.
 */
import { frameHeadBytes, frameTypes } from './words.ts';

/** Below it a loop is faster than a call. */
const loopBytesMax = 40;

export class FrameWriter {
  #bytes: Buffer;
  length = 0;

  constructor(bytes: number) {
    this.#bytes = Buffer.allocUnsafe(bytes);
  }

  get room(): number {
    return this.#bytes.length - this.length;
  }

  /** Makes room for so many bytes more. */
  reserve(bytes: number): void {
    if (bytes <= this.room) return;
    const larger = Buffer.allocUnsafe(2 * (this.length + bytes));
    this.#bytes.copy(larger, 0, 0, this.length);
    this.#bytes = larger;
  }

  /** Moves all that was written behind what `other` holds, which has room for it. */
  moveTo(other: FrameWriter): void {
    other.raw(this.#bytes, 0, this.length);
    this.length = 0;
  }

  /** What was written, and still is; for a receiver that looks at it now, or has the memory from now on (`part`). */
  get written(): Buffer {
    return this.#bytes.subarray(0, this.length);
  }

  /** Begins anew in the same memory. */
  clear(): void {
    this.length = 0;
  }

  /** Leaves its memory to whoever has `written`, and begins anew in other memory. Returns how much that is, in bytes. */
  part(): number {
    const bytes = this.#bytes.length;
    this.#bytes = Buffer.allocUnsafeSlow(bytes);
    this.length = 0;
    return bytes;
  }

  /** What was written, as a copy that is the receiver's; the memory is free again. */
  take(): Buffer {
    const piece = Buffer.allocUnsafe(this.length);
    this.#bytes.copy(piece, 0, 0, this.length);
    this.length = 0;
    return piece;
  }

  head(payloadBytes: number, type: number, flags: number, stream: number): void {
    const bytes = this.#bytes;
    const at = this.length;
    bytes[at] = payloadBytes >>> 16;
    bytes[at + 1] = payloadBytes >>> 8;
    bytes[at + 2] = payloadBytes;
    bytes[at + 3] = type;
    bytes[at + 4] = flags;
    this.length = at + 5;
    this.uint32(stream);
  }

  byte(value: number): void {
    this.#bytes[this.length++] = value;
  }

  uint32(value: number): void {
    const bytes = this.#bytes;
    const at = this.length;
    bytes[at] = value >>> 24;
    bytes[at + 1] = value >>> 16;
    bytes[at + 2] = value >>> 8;
    bytes[at + 3] = value;
    this.length = at + 4;
  }

  raw(source: Uint8Array, from: number, to: number): void {
    const count = to - from;
    if (count <= loopBytesMax) {
      const bytes = this.#bytes;
      let at = this.length;
      for (let next = from; next < to; next++) bytes[at++] = source[next] as number;
    } else this.#bytes.set(count === source.length ? source : source.subarray(from, to), this.length);
    this.length += count;
  }

  /** A frame whose payload was written behind a head of length 0 at `headAt`: says how long it is. */
  measured(headAt: number): void {
    const payloadBytes = this.length - headAt - frameHeadBytes;
    this.#bytes[headAt] = payloadBytes >>> 16;
    this.#bytes[headAt + 1] = payloadBytes >>> 8;
    this.#bytes[headAt + 2] = payloadBytes;
  }

  resetStream(stream: number, code: number): void {
    this.head(4, frameTypes.resetStream, 0, stream);
    this.uint32(code);
  }

  windowUpdate(stream: number, bytes: number): void {
    this.head(4, frameTypes.windowUpdate, 0, stream);
    this.uint32(bytes);
  }
}
