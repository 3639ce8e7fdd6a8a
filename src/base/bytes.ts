/**
 * Byte strings. Inside the core a key is a `ByteString`: a JavaScript string whose every code unit is one byte
 * (latin-1). V8 stores it at one byte a character, a `Map` finds it in O(1), and `<` on two of them *is* byte order
 * (the UTF-16 trap of ordinary strings cannot arise, as no code unit exceeds 255).
 */

/** One byte per code unit; compare with `<`, look up in a `Map`. Made by `byteString`, undone by `bytesOf`. */
export type ByteString = string;

/** The bytes as a `ByteString`. Copies. */
export function byteString(bytes: Uint8Array): ByteString {
  return asBuffer(bytes).toString('latin1');
}

/** The bytes of a `ByteString`. Copies. */
export function bytesOf(text: ByteString): Uint8Array {
  return Buffer.from(text, 'latin1');
}

/** Byte order of two arrays: negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}

/** Byte order of two byte strings: negative, zero or positive. */
export function compareByteStrings(a: ByteString, b: ByteString): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A `Buffer` over the same memory. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The empty byte array; shared, as it has nothing to change. */
export const emptyBytes: Uint8Array = new Uint8Array(0);

/**
 * Memory for something that is kept long after what was made beside it: not part of Node's shared slabs of 8 KiB, each of which would stay
 * as long as it does. Not cleared.
 */
export function longLivedBytes(count: number): Buffer {
  return Buffer.allocUnsafeSlow(count);
}
