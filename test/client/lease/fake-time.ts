/** Time that a test moves: timers fire in their order at their time, and what they set off is done before the next. */
import type { Clock, Timer } from '../../../src/client/clock.ts';

interface Alarm {
  readonly atMs: number;
  readonly order: number;
  readonly step: () => void;
}

export class FakeTime implements Clock {
  /** What `random` returns. */
  chance = 0.5;
  /** How far the wall clock is ahead. */
  wallAheadMs = 1_700_000_000_000;
  #nowMs = 1_000;
  #order = 0;
  readonly #alarms = new Set<Alarm>();

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs + this.wallAheadMs;
  }

  random(): number {
    return this.chance;
  }

  after(delayMs: number, step: () => void): Timer {
    const alarm = { atMs: this.#nowMs + delayMs, order: this.#order++, step };
    this.#alarms.add(alarm);
    return { cancel: () => this.#alarms.delete(alarm) };
  }

  /** Timers that are set. */
  get timers(): number {
    return this.#alarms.size;
  }

  /** Lets time go by. */
  async pass(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settled();
    for (let next = this.#next(endMs); next !== undefined; next = this.#next(endMs)) {
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      this.#alarms.delete(next);
      next.step();
      await settled();
    }
    this.#nowMs = endMs;
    await settled();
  }

  /** Time goes by while the process stands still: nothing fires. */
  stall(ms: number): void {
    this.#nowMs += ms;
  }

  #next(endMs: number): Alarm | undefined {
    let next: Alarm | undefined;
    for (const alarm of this.#alarms) {
      if (alarm.atMs > endMs) continue;
      if (next === undefined || alarm.atMs < next.atMs || (alarm.atMs === next.atMs && alarm.order < next.order))
        next = alarm;
    }
    return next;
  }
}

/** Every promise that can be settled by now is. */
export async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
