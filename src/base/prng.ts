/**
 * A seeded random stream (sfc32). The only source of chance inside the purity line: a node is a function of its inputs
 * and its seed. Fork one stream per concern, so that drawing more for one does not shift another.
 */

/** A deterministic stream of random numbers. */
export class Prng {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  /** `seed` is any integer; `label` separates streams made from one seed. */
  constructor(seed: bigint | number, label = '') {
    const wide = BigInt.asUintN(64, BigInt(seed));
    let hash = 0x811c9dc5;
    for (let i = 0; i < label.length; i++) hash = Math.imul(hash ^ label.charCodeAt(i), 0x01000193);
    this.#a = Number(wide & 0xffffffffn) | 0;
    this.#b = Number(wide >> 32n) | 0;
    this.#c = hash | 0;
    this.#d = 1;
    for (let i = 0; i < 15; i++) this.uint32();
  }

  /** A whole number in [0, 2^32). */
  uint32(): number {
    const t = (((this.#a + this.#b) | 0) + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + t) | 0;
    return t >>> 0;
  }

  /** A number in [0, 1). */
  unit(): number {
    return this.uint32() / 0x100000000;
  }

  /** A whole number in [0, limit); `limit` at least 1. */
  below(limit: number): number {
    return Math.floor(this.unit() * limit);
  }

  /** True with probability `p`. */
  chance(p: number): boolean {
    return this.unit() < p;
  }

  /** A whole number in [low, high], both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** One of `items`, which is not empty. */
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  /** A uint64. */
  uint64(): bigint {
    return (BigInt(this.uint32()) << 32n) | BigInt(this.uint32());
  }

  /** A new stream that depends on this one's present state and on `label`. */
  fork(label: string): Prng {
    return new Prng(this.uint64(), label);
  }
}
