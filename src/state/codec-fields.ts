/**
 * Reads a tuple's values out of msgpack bytes one by one, each checked for its form and its type, with nothing in between: no list is
 * made of them, no type is guessed. Only the few forms that `codec-writer.ts` and its forerunner write are known; every length is
 * checked against the bytes before anything is taken. Owns the checks, not the meaning of any field.
 */
import { asBuffer } from '../base/bytes.ts';

/** Bytes that are not a command. A value at the edge, where they came from a peer. */
export class MalformedCommand extends Error {
  override readonly name = 'MalformedCommand';
}

/** A place in bytes that anybody may have sent. */
export class Cursor {
  readonly bytes: Buffer;
  readonly view: DataView;
  at: number;
  /** What is read lies below it. */
  end: number;

  constructor(bytes: Uint8Array) {
    this.bytes = asBuffer(bytes);
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
    this.end = bytes.length;
  }

  /** Where the next `count` bytes begin; they are there. */
  take(count: number): number {
    const { at } = this;
    if (count > this.end - at) throw new MalformedCommand('cut short');
    this.at = at + count;
    return at;
  }

  /** All was read. */
  finish(): void {
    if (this.at !== this.end) throw new MalformedCommand('bytes behind the last field');
  }
}

/** Takes the values of one tuple in order. A tuple within it is to be read to its end before its next value is. */
export class Fields {
  readonly #cursor: Cursor;
  #left: number;

  /** The tuple that begins at the cursor. */
  constructor(cursor: Cursor) {
    this.#cursor = cursor;
    this.#left = lengthOfTuple(cursor);
  }

  /** The next value, a tuple. */
  inner(): Fields {
    this.#count();
    return new Fields(this.#cursor);
  }

  /** All values must have been taken. */
  end(): void {
    if (this.#left > 0) throw new MalformedCommand('a field too many');
  }

  /** Takes groups of values until none is left. */
  rest<T>(take: (fields: Fields) => T): T[] {
    const taken: T[] = [];
    while (this.#left > 0) taken.push(take(this));
    return taken;
  }

  /** A safe integer. */
  whole(): number {
    this.#count();
    const cursor = this.#cursor;
    const first = cursor.bytes[cursor.take(1)] as number;
    return first < 0x80 ? first : longNumber(cursor, first);
  }

  /** A safe integer, 0 or more. */
  count(): number {
    const value = this.whole();
    if (value < 0) throw new MalformedCommand('a count is expected');
    return value;
  }

  /** A flag set of so many bits. */
  flags(bits: number): number {
    const value = this.count();
    if (value >= 1 << bits) throw new MalformedCommand('unknown flags');
    return value;
  }

  /** A bigint within uint64. */
  uint64(): bigint {
    const value = this.#bigint();
    if (value < 0n) throw new MalformedCommand('a uint64 is expected');
    return value;
  }

  /** A bigint within int64. */
  int64(): bigint {
    const value = this.#bigint();
    if (value > INT64_MAX) throw new MalformedCommand('an int64 is expected');
    return value;
  }

  /** A view of the bytes. */
  bytes(): Uint8Array {
    this.#count();
    const cursor = this.#cursor;
    const first = cursor.bytes[cursor.take(1)] as number;
    const { view } = cursor;
    let length: number;
    if (first === 0xc4) length = view.getUint8(cursor.take(1));
    else if (first === 0xc5) length = view.getUint16(cursor.take(2));
    else if (first === 0xc6) length = view.getUint32(cursor.take(4));
    else throw new MalformedCommand('bytes are expected');
    const start = cursor.take(length);
    return cursor.bytes.subarray(start, start + length);
  }

  text(): string {
    this.#count();
    const cursor = this.#cursor;
    const first = cursor.bytes[cursor.take(1)] as number;
    const { view } = cursor;
    let length: number;
    if (first >= 0xa0 && first <= 0xbf) length = first & 0x1f;
    else if (first === 0xd9) length = view.getUint8(cursor.take(1));
    else if (first === 0xda) length = view.getUint16(cursor.take(2));
    else if (first === 0xdb) length = view.getUint32(cursor.take(4));
    else throw new MalformedCommand('a text is expected');
    const start = cursor.take(length);
    return cursor.bytes.toString('utf8', start, start + length);
  }

  /** A number, a bigint or bytes, whichever it is. */
  scalar(): number | bigint | Uint8Array {
    const { bytes, at, end } = this.#cursor;
    const first = at < end ? (bytes[at] as number) : 0;
    if (first === 0xcf || first === 0xd3) return this.#bigint();
    return first >= 0xc4 && first <= 0xc6 ? this.bytes() : this.whole();
  }

  /** One of `choices`, by its place. */
  choice<T>(choices: readonly T[]): T {
    const chosen = choices[this.count()];
    if (chosen === undefined) throw new MalformedCommand('an unknown choice');
    return chosen;
  }

  /** A tuple of tuples. */
  list<T>(read: (fields: Fields) => T): T[] {
    return this.inner().rest((fields) => {
      const inner = fields.inner();
      const item = read(inner);
      inner.end();
      return item;
    });
  }

  #bigint(): bigint {
    this.#count();
    const cursor = this.#cursor;
    const first = cursor.bytes[cursor.take(1)] as number;
    if (first === 0xd3) return cursor.view.getBigInt64(cursor.take(8));
    if (first === 0xcf) return cursor.view.getBigUint64(cursor.take(8));
    throw new MalformedCommand('an id is expected');
  }

  #count(): void {
    if (this.#left <= 0) throw new MalformedCommand('a field is missing');
    this.#left -= 1;
  }
}

const INT64_MAX = 2n ** 63n - 1n;

function lengthOfTuple(cursor: Cursor): number {
  const first = cursor.bytes[cursor.take(1)] as number;
  if (first >= 0x90 && first <= 0x9f) return first & 0x0f;
  if (first === 0xdc) return cursor.view.getUint16(cursor.take(2));
  if (first === 0xdd) return cursor.view.getUint32(cursor.take(4));
  throw new MalformedCommand('a tuple is expected');
}

/** A number of more than one byte, or below 0. Large ones are doubles. */
function longNumber(cursor: Cursor, first: number): number {
  const { view } = cursor;
  if (first >= 0xe0) return first - 0x100;
  switch (first) {
    case 0xcc:
      return view.getUint8(cursor.take(1));
    case 0xcd:
      return view.getUint16(cursor.take(2));
    case 0xce:
      return view.getUint32(cursor.take(4));
    case 0xd0:
      return view.getInt8(cursor.take(1));
    case 0xd1:
      return view.getInt16(cursor.take(2));
    case 0xd2:
      return view.getInt32(cursor.take(4));
    case 0xcb: {
      const value = view.getFloat64(cursor.take(8));
      if (Number.isSafeInteger(value)) return value;
      throw new MalformedCommand('a number is expected');
    }
    default:
      throw new MalformedCommand('a number is expected');
  }
}
