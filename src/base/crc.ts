/**
 * CRC-32 (the zlib polynomial). Owns nothing; the one place inside the purity line that may import `node:zlib`, as its
 * `crc32` is a pure function. Finds damage (S2); it is no defence against forgery.
 */
import { crc32 as zlibCrc32 } from 'node:zlib';

/** CRC-32 of `bytes` as a uint32, continued from `seed` (an earlier CRC, or any uint32 as a key). */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return zlibCrc32(bytes, seed);
}
