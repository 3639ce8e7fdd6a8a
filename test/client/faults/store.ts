/**
 * What the lock protects: a store outside of the cluster, which turns away whoever comes with a token smaller than one it has seen. Writes
 * take their time to it.
 */
import type { Clock } from '../../../src/client/clock.ts';

export class Store {
  readonly #clock: Clock;
  #newest = 0n;
  /** Tokens that were accepted, in order. */
  readonly accepted: bigint[] = [];
  turnedAway = 0;
  /** What a store that looks at no token would have taken of those whose time was over. */
  stale = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A write leaves for it; `stale`: though another owns the lock already. */
  write(token: bigint, delayMs: number, stale: boolean): void {
    this.#clock.after(delayMs, () => {
      if (stale) this.stale++;
      if (token < this.#newest) {
        this.turnedAway++;
        return;
      }
      this.#newest = token;
      this.accepted.push(token);
    });
  }
}
