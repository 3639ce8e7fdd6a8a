/**
 * Reads what `byte-writer.ts` wrote, from bytes that anybody may have sent. Every read is checked against the end; the first
 * that fails makes the reader bad for good and every later read returns a harmless value, so that a decoder runs straight
 * through and asks `ok` at the end (and in every loop). Never throws, never allocates by a length it was told.
 */

import { peerListElementsMax } from '../base/limits.ts';

const noBytes = Buffer.alloc(0);

/** A cursor over one frame's payload. Byte arrays it returns are views into it. */
export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;
  #ok = true;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** False once anything read was not there or out of its range. */
  get ok(): boolean {
    return this.#ok;
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.#bytes.byteLength - this.#at;
  }

  /** All was well and nothing is left over. */
  get finished(): boolean {
    return this.#ok && this.left === 0;
  }

  /** Marks the bytes as bad: a value was read that means nothing. */
  fail(): void {
    this.#ok = false;
    this.#at = this.#bytes.byteLength;
  }

  u8(): number {
    const value = this.#bytes[this.#at];
    if (value === undefined) {
      this.fail();
      return 0;
    }
    this.#at++;
    return value;
  }

  bool(): boolean {
    const value = this.u8();
    if (value > 1) this.fail();
    return value === 1;
  }

  /** A safe integer of 0 or more. */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) break;
        return value;
      }
      scale *= 0x80;
    }
    this.fail();
    return 0;
  }

  u64(): bigint {
    if (this.left < 8) {
      this.fail();
      return 0n;
    }
    this.#at += 8;
    return this.#bytes.readBigUInt64LE(this.#at - 8);
  }

  i64(): bigint {
    return BigInt.asIntN(64, this.u64());
  }

  /** A finite number. */
  f64(): number {
    if (this.left < 8) {
      this.fail();
      return 0;
    }
    this.#at += 8;
    const value = this.#bytes.readDoubleLE(this.#at - 8);
    if (Number.isFinite(value)) return value;
    this.fail();
    return 0;
  }

  /** Length and bytes, as a view. */
  bytes(): Buffer {
    return this.raw(this.varint());
  }

  text(): string {
    return this.bytes().toString('utf8');
  }

  /** The next `length` bytes, as a view. */
  raw(length: number): Buffer {
    if (!this.#ok || length > this.left) {
      this.fail();
      return noBytes;
    }
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /**
   * A list: its length, then that many of what `read` returns. Each element takes `elementBytesMin` bytes or more, so a length
   * that cannot fit is refused before the first is read.
   */
  list<T>(elementBytesMin: number, read: () => T): T[] {
    const length = this.varint();
    const list: T[] = [];
    if (length > peerListElementsMax || length * elementBytesMin > this.left) this.fail();
    for (let i = 0; i < length && this.#ok; i++) list.push(read());
    return list;
  }
}
