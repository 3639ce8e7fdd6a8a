/**
 * Time as the library sees it, as a port: the system's, or one that a test moves. Two clocks on purpose. Promises about leases are
 * counted on the monotonic one; the wall clock is read beside it only to notice that the machine slept, which the monotonic
 * clock of most systems does not count.
 */

import { onAbort } from './abort.ts';

/** A step that waits for its time. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds from some fixed point; never goes back. */
  monotonicMs(): number;
  /** Milliseconds since 1970; may jump. */
  wallMs(): number;
  /**
   * Runs `step` once, not before `delayMs` have passed on the monotonic clock. `background`: nobody waits for it, so that it is no
   * reason for the process to go on.
   */
  after(delayMs: number, step: () => void, background?: 'background'): Timer;
  /** In [0, 1): spreads what would otherwise happen at once. */
  random(): number;
}

/** Node's longest timer; a longer one would fire at once. */
const timerMsMax = 2 ** 31 - 1;

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  random: () => Math.random(),
  after(delayMs, step, background) {
    let timer: NodeJS.Timeout;
    const endMs = performance.now() + delayMs;
    const wait = (): void => {
      const leftMs = endMs - performance.now();
      timer = leftMs > timerMsMax ? setTimeout(wait, timerMsMax) : setTimeout(step, Math.max(0, leftMs));
      if (background !== undefined) timer.unref();
    };
    wait();
    return { cancel: () => clearTimeout(timer) };
  },
};

/** A point of time on both clocks, read together. */
export interface Instant {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

export function instantOf(clock: Clock): Instant {
  return { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() };
}

/**
 * How long ago `then` was, at the most: the larger of what both clocks say. A wall clock that jumps ahead of the monotonic one may
 * mean that the machine slept, so it counts; one that is set back does not.
 */
export function elapsedMs(clock: Clock, then: Instant): number {
  return Math.max(clock.monotonicMs() - then.monotonicMs, clock.wallMs() - then.wallMs);
}

/** Resolves after `delayMs`, or as soon as the signal fires. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    let undo = (): void => {};
    const end = (): void => {
      timer.cancel();
      undo();
      resolve();
    };
    const timer = clock.after(delayMs, end);
    if (signal !== undefined) undo = onAbort(signal, end);
  });
}
