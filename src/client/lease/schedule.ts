/**
 * Which lease is next: when each is renewed, and when its safe deadline is looked at. A deadline moves with every renewal, so its slot is
 * corrected only when it comes up: once per TTL, however often the lease is renewed.
 */
import type { Clock } from '../clock.ts';
import type { Kept } from './kept.ts';
import { Slots } from './slots.ts';
import { deadlineGrainMs, renewalGrainMs } from './timing.ts';

export class Schedule {
  readonly #clock: Clock;
  readonly #renewals = new Slots<Kept>();
  readonly #deadlines = new Slots<Kept>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Monotonic ms; infinity if nothing is to be done. */
  nextMs(): number {
    const never = Number.POSITIVE_INFINITY;
    return Math.min(this.#renewals.nextMs() ?? never, this.#deadlines.nextMs() ?? never);
  }

  /** Renews it then and not before, give or take a grain. */
  renewAt(kept: Kept, atMs: number): void {
    this.doNotRenew(kept);
    kept.renewalSlot = this.#renewals.add(kept, atMs, renewalGrainMs(kept.ttlMs));
  }

  doNotRenew(kept: Kept): void {
    if (kept.renewalSlot !== undefined) this.#renewals.remove(kept, kept.renewalSlot);
    kept.renewalSlot = undefined;
  }

  /** Looks at its deadline in time. To be told again only where a deadline may have come nearer. */
  watchDeadline(kept: Kept): void {
    if (kept.deadlineSlot !== undefined) this.#deadlines.remove(kept, kept.deadlineSlot);
    const atMs = this.#clock.monotonicMs() + kept.leftMs(this.#clock);
    kept.deadlineSlot = this.#deadlines.add(kept, atMs, deadlineGrain(kept));
  }

  forget(kept: Kept): void {
    this.doNotRenew(kept);
    if (kept.deadlineSlot !== undefined) this.#deadlines.remove(kept, kept.deadlineSlot);
    kept.deadlineSlot = undefined;
  }

  /** Tells of those whose safe deadline has passed, or will before they could be looked at again. */
  takeOver(nowMs: number, over: (kept: Kept) => void): void {
    this.#deadlines.takeDue(nowMs, (kept) => {
      if (kept.over) return;
      kept.deadlineSlot = undefined;
      if (kept.leftMs(this.#clock) <= deadlineGrain(kept)) over(kept);
      else this.watchDeadline(kept);
    });
  }

  takeRenewals(nowMs: number, due: (kept: Kept) => void): void {
    this.#renewals.takeDue(nowMs, (kept) => {
      if (kept.over) return;
      kept.renewalSlot = undefined;
      due(kept);
    });
  }
}

function deadlineGrain(kept: Kept): number {
  return deadlineGrainMs(kept.known ? kept.ttlMs : kept.patienceMs);
}
