/**
 * Fields of proto3's wire format, written by hand: sizes, and bytes put into a buffer that is large enough. A 64-bit integer is a
 * safe whole number, or two int32 halves where it is an id. Numbers of fields are below 16, so a tag is one byte. Zero is not written.
 */

export const varintType = 0;
export const bytesType = 2;
/** A varint of 64 bits. */
export const varintSizeMax = 10;

/** Both halves of an int64 or uint64. */
export interface Halves {
  /** int32 each. */
  readonly hi: number;
  readonly lo: number;
}

const scratch = new DataView(new ArrayBuffer(8));

export function halvesOf(value: bigint): Halves {
  // Takes the low 64 bits, whichever sign they are read with.
  scratch.setBigInt64(0, value);
  return { hi: scratch.getInt32(0), lo: scratch.getInt32(4) };
}

/** As a signed integer. */
export function int64From(hi: number, lo: number): bigint {
  scratch.setInt32(0, hi);
  scratch.setInt32(4, lo);
  return scratch.getBigInt64(0);
}

/** Of a safe integer that is not negative. */
export function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  if (value < 0x1000_0000) return 4;
  let size = 5;
  for (let rest = Math.floor(value / 0x8_0000_0000); rest > 0; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

export function putVarint(bytes: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  for (; rest >= 0x8000_0000; rest = Math.floor(rest / 0x80)) bytes[at++] = (rest % 0x80) | 0x80;
  for (; rest >= 0x80; rest >>>= 7) bytes[at++] = (rest & 0x7f) | 0x80;
  bytes[at++] = rest;
  return at;
}

export function halvesSize(hi: number, lo: number): number {
  return hi === 0 ? varintSize(lo >>> 0) : Math.ceil((64 - Math.clz32(hi)) / 7);
}

/** Of an int64 or uint64: one that is negative as an int64 takes ten bytes. */
export function putHalves(bytes: Uint8Array, start: number, high: number, low: number): number {
  let at = start;
  let hi = high;
  let lo = low;
  while (hi !== 0 || lo >>> 0 >= 0x80) {
    bytes[at++] = (lo & 0x7f) | 0x80;
    lo = (lo >>> 7) | (hi << 25);
    hi >>>= 7;
  }
  bytes[at++] = lo;
  return at;
}

export function putTag(bytes: Uint8Array, at: number, field: number, wireType: number): number {
  bytes[at] = (field << 3) | wireType;
  return at + 1;
}

/** A field of a number that is not negative. */
export function numberFieldSize(value: number): number {
  return value === 0 ? 0 : 1 + varintSize(value);
}

export function putNumberField(bytes: Uint8Array, at: number, field: number, value: number): number {
  return value === 0 ? at : putVarint(bytes, putTag(bytes, at, field, varintType), value);
}

/** A field of an int64 or uint64. */
export function halvesFieldSize(hi: number, lo: number): number {
  return hi === 0 && lo === 0 ? 0 : 1 + halvesSize(hi, lo);
}

export function putHalvesField(bytes: Uint8Array, at: number, field: number, hi: number, lo: number): number {
  return hi === 0 && lo === 0 ? at : putHalves(bytes, putTag(bytes, at, field, varintType), hi, lo);
}

/** Tag, length and content of that size. */
export function lengthFieldSize(size: number): number {
  return 1 + varintSize(size) + size;
}

/** Tag and length; the content is the caller's to put. */
export function putLength(bytes: Uint8Array, at: number, field: number, size: number): number {
  return putVarint(bytes, putTag(bytes, at, field, bytesType), size);
}

/** Below this a loop is faster than a call into native code. */
const copyBytesMin = 32;

export function putCopy(bytes: Uint8Array, at: number, part: Uint8Array): number {
  const { length } = part;
  if (length < copyBytesMin) for (let index = 0; index < length; index++) bytes[at + index] = part[index] as number;
  else bytes.set(part, at);
  return at + length;
}

export function bytesFieldSize({ length }: Uint8Array): number {
  return length === 0 ? 0 : lengthFieldSize(length);
}

export function putBytesField(bytes: Uint8Array, at: number, field: number, value: Uint8Array): number {
  return value.length === 0 ? at : putCopy(bytes, putLength(bytes, at, field, value.length), value);
}
