/**
 * Puts header blocks together from HEADERS and CONTINUATION (RFC 9113 §6.2, §6.10) and reads them. Owns the block at hand, which has
 * limits of its own: a client may cut it into as many frames as it likes, but not here.
 */
import { continuationsMax, headerBlockBytesMax } from '../base/limits.ts';
import { HeadReader, type RequestHead } from './request-head.ts';
import { ConnectionFault, errorCodes, flags } from './words.ts';

const priorityBytes = 5;

export class HeaderBlocks {
  readonly #heads = new HeadReader();
  /** The stream whose block is not complete; 0: there is none. */
  stream = 0;
  /** Of the block that was complete last. */
  head: RequestHead | undefined;
  /** The client sends nothing behind it. */
  ends = false;
  #parts: Buffer | undefined;
  #bytes = 0;
  #frames = 0;

  /** A HEADERS frame. Returns whether its block is complete, and read. */
  begin(frameFlags: number, id: number, bytes: Uint8Array, start: number, end: number): boolean {
    let from = start;
    let to = end;
    if ((frameFlags & flags.padded) !== 0) {
      if (from < to) to -= bytes[from] as number;
      from++;
    }
    if ((frameFlags & flags.priority) !== 0) from += priorityBytes;
    if (from > to) throw new ConnectionFault(errorCodes.protocol, 'HEADERS too short for what they say they hold');
    this.ends = (frameFlags & flags.endStream) !== 0;
    if ((frameFlags & flags.endHeaders) !== 0) {
      this.head = this.#heads.read(bytes, from, to);
      return true;
    }
    this.stream = id;
    this.#bytes = 0;
    this.#frames = 0;
    this.#keep(bytes, from, to);
    return false;
  }

  /** A CONTINUATION frame. */
  go(frameFlags: number, bytes: Uint8Array, from: number, to: number): boolean {
    if (this.stream === 0) throw new ConnectionFault(errorCodes.protocol, 'CONTINUATION of nothing');
    if (++this.#frames > continuationsMax || this.#bytes + to - from > headerBlockBytesMax)
      throw new ConnectionFault(errorCodes.enhanceYourCalm, 'a header block without end');
    this.#keep(bytes, from, to);
    if ((frameFlags & flags.endHeaders) === 0) return false;
    this.stream = 0;
    this.head = this.#heads.read(this.#parts ?? bytes, 0, this.#bytes);
    this.#parts = undefined;
    return true;
  }

  #keep(bytes: Uint8Array, from: number, to: number): void {
    const length = this.#bytes + to - from;
    if (this.#parts === undefined || length > this.#parts.length) {
      const larger = Buffer.allocUnsafe(2 * length);
      this.#parts?.copy(larger, 0, 0, this.#bytes);
      this.#parts = larger;
    }
    this.#parts.set(bytes.subarray(from, to), this.#bytes);
    this.#bytes = length;
  }
}
