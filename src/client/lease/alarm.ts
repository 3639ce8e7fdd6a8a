/** One timer for everything that wants to be woken: it rings at the earliest time that was asked for. */
import type { Clock, Timer } from '../clock.ts';

export class Alarm {
  readonly #clock: Clock;
  readonly #ring: (lateMs: number) => void;
  #timer: Timer | undefined;
  #atMs = Number.POSITIVE_INFINITY;

  /** `ring` is told how much later than asked it is; it must not throw. */
  constructor(clock: Clock, ring: (lateMs: number) => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  /** Rings at that time of the monotonic clock, or earlier if it is set to. Once. */
  at(atMs: number): void {
    if (this.#atMs <= atMs) return;
    this.#timer?.cancel();
    this.#atMs = atMs;
    this.#timer = this.#clock.after(Math.max(0, atMs - this.#clock.monotonicMs()), () => {
      this.#timer = undefined;
      this.#atMs = Number.POSITIVE_INFINITY;
      this.#ring(this.#clock.monotonicMs() - atMs);
    });
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#atMs = Number.POSITIVE_INFINITY;
  }
}
