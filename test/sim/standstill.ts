/**
 * A process that stands still for a while: what reaches it meanwhile is held back, and when it goes on the order in which it finds its
 * timers and its messages is drawn, as both happen in Node. `frozen`: its clock stands still too, as on a suspended machine.
 */
import type { Clock } from './clock.ts';

/** On resume: timers first in a turn of their own, timers first, messages first. */
export type ResumeOrder = 0 | 1 | 2;

/** What of the process goes on, when it does. */
export interface Resumed {
  readonly held: readonly (() => void)[];
  readonly order: ResumeOrder;
}

export class Standstill {
  readonly #clock: Clock;
  #held: (() => void)[] = [];
  #untilMs = 0;
  #stands = false;
  #frozen = false;
  #order: ResumeOrder = 1;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get stands(): boolean {
    return this.#stands;
  }

  /** From now on, for `durationMs` at least. */
  begin(nowMs: number, durationMs: number, frozen: boolean, order: ResumeOrder): void {
    this.#untilMs = Math.max(this.#untilMs, nowMs + durationMs);
    this.#order = order;
    this.#stands = true;
    if (!frozen || this.#frozen) return;
    this.#frozen = true;
    this.#clock.freeze(nowMs);
  }

  isOver(nowMs: number): boolean {
    return this.#stands && nowMs >= this.#untilMs;
  }

  /** Until it goes on. */
  hold(step: () => void): void {
    this.#held.push(step);
  }

  /** It goes on: what was held, in the order it came. */
  end(nowMs: number): Resumed {
    const resumed = { held: this.#held, order: this.#order };
    this.#held = [];
    this.#stands = false;
    this.#untilMs = 0;
    if (this.#frozen) this.#clock.thaw(nowMs);
    this.#frozen = false;
    return resumed;
  }
}
