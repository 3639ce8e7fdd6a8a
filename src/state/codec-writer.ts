/**
 * Writes tuples as msgpack, byte for byte as the library did that wrote the first logs (a test compares them). Numbers are brought into
 * range as they are written, so that nothing written can fail to be read. Owns the forms; `codec-fields.ts` reads them.
 */

const ROOM_BYTES = 4096;

/** One tuple after another: `begin`, values, `end`. Keeps a buffer to write into, and nothing else from one to the next. */
export class TupleWriter {
  #bytes = Buffer.allocUnsafeSlow(ROOM_BYTES);
  #view = viewOf(this.#bytes);
  #at = 0;

  begin(): this {
    this.#at = 0;
    return this;
  }

  /** The bytes, a private copy. */
  end(): Uint8Array {
    const copy = Buffer.from(this.#bytes.subarray(0, this.#at));
    // A single huge command keeps no memory for ever.
    if (this.#bytes.length > 64 * ROOM_BYTES) {
      this.#bytes = Buffer.allocUnsafeSlow(ROOM_BYTES);
      this.#view = viewOf(this.#bytes);
    }
    return copy;
  }

  /** A tuple begins; so many values follow. */
  tuple(length: number): this {
    this.#room(5);
    if (length < 0x10) this.#bytes[this.#at++] = 0x90 | length;
    else if (length < 0x1_0000) this.#uint16(0xdc, length);
    else this.#uint32(0xdd, length);
    return this;
  }

  /** A number as a safe integer: no revision, count or time of ours lies beyond, so bringing it into range changes no meaning. */
  whole(value: number): this {
    const number = Number.isSafeInteger(value) ? value : safe(value);
    this.#room(9);
    if (number >>> 0 === number) this.#unsigned(number);
    else if (number >> 0 === number) this.#negative(number);
    else {
      this.#bytes[this.#at] = 0xcb;
      this.#view.setFloat64(this.#at + 1, number);
      this.#at += 9;
    }
    return this;
  }

  int64(value: bigint): this {
    this.#room(9);
    this.#bytes[this.#at] = 0xd3;
    // What does not fit is cut as `BigInt.asIntN` would.
    this.#view.setBigInt64(this.#at + 1, value);
    this.#at += 9;
    return this;
  }

  uint64(value: bigint): this {
    this.#room(9);
    this.#view.setBigUint64(this.#at + 1, value);
    this.#bytes[this.#at] = (this.#bytes[this.#at + 1] as number) < 0x80 ? 0xd3 : 0xcf;
    this.#at += 9;
    return this;
  }

  bytes(value: Uint8Array): this {
    const { length } = value;
    this.#room(5 + length);
    if (length < 0x100) {
      this.#bytes[this.#at++] = 0xc4;
      this.#bytes[this.#at++] = length;
    } else if (length < 0x1_0000) this.#uint16(0xc5, length);
    else this.#uint32(0xc6, length);
    this.#bytes.set(value, this.#at);
    this.#at += length;
    return this;
  }

  text(value: string): this {
    const encoded = Buffer.from(value, 'utf8');
    const { length } = encoded;
    this.#room(5 + length);
    if (length < 0x20) this.#bytes[this.#at++] = 0xa0 | length;
    else if (length < 0x100) {
      this.#bytes[this.#at++] = 0xd9;
      this.#bytes[this.#at++] = length;
    } else if (length < 0x1_0000) this.#uint16(0xda, length);
    else this.#uint32(0xdb, length);
    this.#bytes.set(encoded, this.#at);
    this.#at += length;
    return this;
  }

  #unsigned(number: number): void {
    if (number < 0x80) this.#bytes[this.#at++] = number;
    else if (number < 0x100) {
      this.#bytes[this.#at++] = 0xcc;
      this.#bytes[this.#at++] = number;
    } else if (number < 0x1_0000) this.#uint16(0xcd, number);
    else this.#uint32(0xce, number);
  }

  #negative(number: number): void {
    if (number >= -0x20) this.#bytes[this.#at++] = 0x100 + number;
    else if (number >= -0x80) {
      this.#bytes[this.#at++] = 0xd0;
      this.#bytes[this.#at++] = 0x100 + number;
    } else if (number >= -0x8000) this.#uint16(0xd1, number & 0xffff);
    else this.#uint32(0xd2, number >>> 0);
  }

  #uint16(form: number, number: number): void {
    this.#bytes[this.#at] = form;
    this.#view.setUint16(this.#at + 1, number);
    this.#at += 3;
  }

  #uint32(form: number, number: number): void {
    this.#bytes[this.#at] = form;
    this.#view.setUint32(this.#at + 1, number);
    this.#at += 5;
  }

  #room(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#bytes.length) return;
    const wider = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(wider, 0, 0, this.#at);
    this.#bytes = wider;
    this.#view = viewOf(wider);
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function safe(value: number): number {
  if (Number.isNaN(value)) return 0;
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, Math.trunc(value)));
}
