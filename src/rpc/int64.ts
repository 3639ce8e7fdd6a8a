/**
 * int64 and uint64 of the wire. Ids become bigints (a double would lose bits), revisions and TTLs become numbers clamped to
 * the safe range: no revision of ours comes near it, so order against any real one is kept.
 */

/** A 64-bit integer as two 32-bit halves, as protobufjs reads and writes it. */
export interface Int64 {
  readonly low: number;
  readonly high: number;
  readonly unsigned: boolean;
}

/** What may stand in a 64-bit field; a number must be a safe integer. */
export type Int = Int64 | number;

/** Every bit, signed or unsigned as the field is. */
export function bigintOf(value: Int): bigint {
  if (typeof value === 'number') return BigInt(value);
  const high = value.unsigned ? value.high >>> 0 : value.high | 0;
  return (BigInt(high) << 32n) | BigInt(value.low >>> 0);
}

/** The nearest safe integer. */
export function numberOf(value: Int): number {
  if (typeof value === 'number') return value;
  const high = value.unsigned ? value.high >>> 0 : value.high | 0;
  const wide = high * 0x1_0000_0000 + (value.low >>> 0);
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, wide));
}

/** For encoding: an int64 or uint64, bits as they are. */
export function int64Of(value: bigint): Int64 {
  return {
    low: Number(BigInt.asIntN(32, value)),
    high: Number(BigInt.asIntN(32, value >> 32n)),
    unsigned: false,
  };
}
