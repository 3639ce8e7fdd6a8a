/** The shortest TTL of many leases that come and go; there are few different ones. */

/** Stands for a TTL while none is known, in ms. */
const unknownMs = 60_000;

export class ShortestTtl {
  /** TTL in ms → leases that have it. */
  readonly #counts = new Map<number, number>();
  #ttlMs: number | undefined;

  /** In ms. */
  get ttlMs(): number {
    this.#ttlMs ??= [...this.#counts.keys()].reduce((least, ttlMs) => Math.min(least, ttlMs), unknownMs);
    return this.#ttlMs;
  }

  /** A lease had this TTL and has another now; 0 is none. */
  change(fromMs: number, toMs: number): void {
    if (toMs > 0) {
      this.#counts.set(toMs, (this.#counts.get(toMs) ?? 0) + 1);
      this.#ttlMs = Math.min(this.ttlMs, toMs);
    }
    const left = (this.#counts.get(fromMs) ?? 0) - 1;
    if (left > 0) this.#counts.set(fromMs, left);
    else if (this.#counts.delete(fromMs)) this.#ttlMs = undefined;
  }
}
