/**
 * Each member's lessor time, as far as it can be known from outside: an upper and a lower bound. Its clock runs within 1 ± ρ of real
 * time while it turns, and what a turn comes late by more than 250 ms never happened (house §5).
 */
import type { MemberId } from '../../../src/store/entry.ts';

/** A moment in one member's lessor time. */
export interface LessorTime {
  /** At most this. */
  readonly high: number;
  /** At least this. */
  readonly low: number;
}

interface Clock {
  turnedMs: number;
  high: number;
  low: number;
}

/** The largest step of a turn. Not read from the program: that it stays so is what is checked (L12). */
const stepMsMax = 250;

export class LessorTimes {
  readonly #clocks = new Map<MemberId, Clock>();
  readonly #rho: number;
  /** Turns further apart than this may belong to a stall or a suspended clock: they add nothing to the lower bound. */
  readonly #gapMsMax: number;

  constructor(clocksInSpec: boolean, tickMs: number) {
    this.#rho = clocksInSpec ? 1 / 500 : 0.12;
    this.#gapMsMax = 1.5 * tickMs;
  }

  /** A boot begins. Its time goes on where the last one's ended, so that moments of a member can be compared. */
  booted(id: MemberId, nowMs: number): void {
    const clock = this.#clocks.get(id);
    if (clock === undefined) this.#clocks.set(id, { turnedMs: nowMs, high: 0, low: 0 });
    else clock.turnedMs = nowMs;
  }

  /** A turn begins, or has begun, now. */
  turn(id: MemberId, nowMs: number): void {
    const clock = this.#clocks.get(id);
    if (clock === undefined) return;
    const gapMs = nowMs - clock.turnedMs;
    if (gapMs <= 0) return;
    clock.turnedMs = nowMs;
    clock.high += Math.min(gapMs * (1 + this.#rho), stepMsMax);
    if (gapMs <= this.#gapMsMax) clock.low += gapMs * (1 - this.#rho);
  }

  /** As of its last turn. */
  of(id: MemberId): LessorTime {
    const clock = this.#clocks.get(id);
    return clock === undefined ? { high: 0, low: 0 } : { high: clock.high, low: clock.low };
  }
}

/** What the program adds to a TTL so that no clock that is fast by 1/500 ends it early. */
export function stretched(ttlMs: number): number {
  return ttlMs + Math.ceil(ttlMs / 500);
}
