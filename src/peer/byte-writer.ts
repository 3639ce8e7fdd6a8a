/**
 * Builds byte sequences for the peer wire out of slabs: small values are copied once into the slab, large byte arrays are passed
 * on by reference. Owns number layouts (little endian, LEB128 varints); knows no message. `byte-reader.ts` is its mirror.
 */
import { assert } from '../base/assert.ts';

/** From here on a byte array is cheaper to reference than to copy. */
const referenceBytesMin = 8 * 1024;
/** Room a sequence starts with at least, so that small messages stay in one piece. */
const headroomBytes = 512;

/** Writes one sequence after another: `begin()`, values, `end()`. */
export class ByteWriter {
  readonly #slabBytes: number;
  /** Slabs are cut, never reused: the socket may hold a cut for as long as it likes. */
  #slab: Buffer;
  /** Start of the piece being written, and its end so far. */
  #start = 0;
  #at = 0;
  /** Pieces of the present sequence that are complete. */
  #pieces: Buffer[] = [];

  constructor(slabBytes = 64 * 1024) {
    this.#slabBytes = slabBytes;
    this.#slab = Buffer.allocUnsafeSlow(slabBytes);
  }

  /** Opens a new sequence. */
  begin(): void {
    this.#pieces = [];
    this.#start = this.#at;
    this.#room(headroomBytes);
  }

  /** Closes the sequence; its bytes are the pieces in order. Never empty if anything was written. */
  end(): Buffer[] {
    this.#cut();
    return this.#pieces;
  }

  /** Leaves `bytes` free at the front of a sequence that has just begun; the caller fills them in the first piece. */
  reserve(bytes: number): void {
    this.#room(bytes);
    this.#at += bytes;
  }

  u8(value: number): void {
    this.#room(1);
    this.#slab[this.#at++] = value;
  }

  bool(value: boolean): void {
    this.u8(value ? 1 : 0);
  }

  /** A safe integer of 0 or more: 1 byte below 128, 8 at most. */
  varint(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, 'peer wire: varint is a safe integer >= 0');
    this.#room(8);
    const slab = this.#slab;
    let rest = value;
    while (rest >= 0x80) {
      slab[this.#at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    slab[this.#at++] = rest;
  }

  /** A member id, or any uint64. */
  u64(value: bigint): void {
    this.#room(8);
    this.#at = this.#slab.writeBigUInt64LE(value, this.#at);
  }

  /** A lease id, or any int64. */
  i64(value: bigint): void {
    this.#room(8);
    this.#at = this.#slab.writeBigInt64LE(value, this.#at);
  }

  /** A number that may be negative or a fraction. */
  f64(value: number): void {
    this.#room(8);
    this.#at = this.#slab.writeDoubleLE(value, this.#at);
  }

  /** Length and bytes. A large array is kept by reference: it must not change any more. */
  bytes(value: Uint8Array): void {
    this.varint(value.byteLength);
    if (value.byteLength >= referenceBytesMin) {
      this.#cut();
      this.#pieces.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
      return;
    }
    this.#room(value.byteLength);
    this.#slab.set(value, this.#at);
    this.#at += value.byteLength;
  }

  /** A short text, as UTF-8. */
  text(value: string): void {
    this.bytes(Buffer.from(value, 'utf8'));
  }

  /** Bytes without a length: what opens a handshake. */
  raw(value: Uint8Array): void {
    this.#room(value.byteLength);
    this.#slab.set(value, this.#at);
    this.#at += value.byteLength;
  }

  #cut(): void {
    if (this.#at > this.#start) this.#pieces.push(this.#slab.subarray(this.#start, this.#at));
    this.#start = this.#at;
  }

  #room(bytes: number): void {
    if (this.#slab.byteLength - this.#at >= bytes) return;
    this.#cut();
    this.#slab = Buffer.allocUnsafeSlow(Math.max(this.#slabBytes, bytes));
    this.#start = 0;
    this.#at = 0;
  }
}
