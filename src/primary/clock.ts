/**
 * The lessor's clock (house §5). Owns the one time that deadlines are made of and compared with. It follows the host's monotonic
 * clock in bounded steps: what a stall of our own adds beyond `lessorClockStepMsMax` never happened, so that a renewal that
 * waited in a socket buffer while we slept is seen before its lease can fall due (L12). Running slow is always safe.
 */
import { lessorClockStepMsMax } from '../base/limits.ts';

/** One per node; advanced once at the beginning of every turn, before any input is looked at. */
export class LessorClock {
  #lastMonoMs: number | undefined;
  #nowMs = 0;
  #stalledMs = 0;

  /** Takes a reading of the monotonic clock, in milliseconds with fractions, and returns the lessor's time. */
  advance(monoMs: number): number {
    // A clock that goes back (it must not) only costs time, never adds any.
    const passedMs = this.#lastMonoMs === undefined ? 0 : Math.max(0, monoMs - this.#lastMonoMs);
    const stepMs = Math.min(passedMs, lessorClockStepMsMax);
    this.#lastMonoMs = monoMs;
    this.#nowMs += stepMs;
    this.#stalledMs += passedMs - stepMs;
    return this.#nowMs;
  }

  /** The lessor's time: milliseconds since the first reading, less what was stalled. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Milliseconds of the host's time that were cut off. */
  get stalledMs(): number {
    return this.#stalledMs;
  }
}
