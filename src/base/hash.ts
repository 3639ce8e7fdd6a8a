/**
 * A fast hash of bytes in four 32-bit lanes, for the state digest (D1). It finds accidents and divergence; it is no defence
 * against an adversary. Frozen: its values are compared between members and stored in images (goldens in the tests).
 */

/** Hashes `bytes[start, end)` into `lanes`, four 32-bit words; what was in them is replaced. */
export function hashBytes(bytes: Uint8Array, start: number, end: number, lanes: Uint32Array): void {
  const length = end - start;
  let a = 0x2545f491 ^ length;
  let b = 0x9e3779b9;
  let c = 0x7f4a7c15;
  let d = 0x85157af5 ^ length;
  let at = start;
  for (; at + 16 <= end; at += 16) {
    a = Math.imul(rotate(a ^ Math.imul(word(bytes, at), 0x85ebca6b), 13) + b, 0x9e3779b1);
    b = Math.imul(rotate(b ^ Math.imul(word(bytes, at + 4), 0xc2b2ae35), 15) + c, 0x85ebca77);
    c = Math.imul(rotate(c ^ Math.imul(word(bytes, at + 8), 0x27d4eb2f), 17) + d, 0xc2b2ae3d);
    d = Math.imul(rotate(d ^ Math.imul(word(bytes, at + 12), 0x165667b1), 19) + a, 0x27d4eb2f);
  }
  for (; at < end; at++) {
    a = Math.imul(rotate(a ^ (bytes[at] as number), 11) + d, 0x9e3779b1);
    c = Math.imul(rotate(c + a, 7) ^ b, 0xc2b2ae3d);
    b = (b + c) | 0;
    d = rotate(d, 5) ^ a;
  }
  // Every lane sees every other before each is finished by itself, so that one flipped bit reaches all four.
  a = (a + b + c + d) | 0;
  b = finish(b + a);
  c = finish(c + a);
  d = finish(d + a);
  a = finish(a + b + c + d);
  lanes[0] = a;
  lanes[1] = b + a;
  lanes[2] = c + a;
  lanes[3] = d + a;
}

/** A little-endian 32-bit word. */
function word(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

function rotate(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits));
}

/** Spreads each bit over the whole word (the finishing step of MurmurHash3). */
function finish(x: number): number {
  let y = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  y = Math.imul(y ^ (y >>> 13), 0xc2b2ae35);
  return (y ^ (y >>> 16)) >>> 0;
}
