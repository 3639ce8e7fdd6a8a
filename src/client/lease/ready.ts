/**
 * Renewals that are due and not yet sent. There may be more than a member answers, so who is nearest to its safe deadline goes first,
 * however many came before it: no lease is lost while room is spent on others that can wait.
 */
import type { Clock } from '../clock.ts';
import type { Kept } from './kept.ts';
import { Slots } from './slots.ts';
import { renewalGrainMs } from './timing.ts';

/** An answer that somebody waits for is as urgent as a deadline that is so near. */
const wantedMs = 1_000;

export class Ready {
  readonly #clock: Clock;
  readonly #slots = new Slots<Kept>();
  /** Where each of them stands. */
  readonly #places = new Map<Kept, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#places.size;
  }

  has(kept: Kept): boolean {
    return this.#places.has(kept);
  }

  /** One that is there already may have become more urgent. */
  add(kept: Kept): void {
    const leftMs = kept.leftMs(this.#clock);
    const isWanted = !kept.known || kept.wantedFrom > 0;
    const atMs = this.#clock.monotonicMs() + (isWanted ? Math.min(leftMs, wantedMs) : leftMs);
    const before = this.#places.get(kept);
    if (before !== undefined) {
      if (before <= atMs) return;
      this.#slots.remove(kept, before);
    }
    this.#places.set(kept, this.#slots.add(kept, atMs, grainMs(kept)));
  }

  delete(kept: Kept): void {
    const place = this.#places.get(kept);
    if (place === undefined) return;
    this.#places.delete(kept);
    this.#slots.remove(kept, place);
  }

  /** The most urgent one, taken out. */
  take(): Kept | undefined {
    const kept = this.#slots.takeFirst();
    if (kept !== undefined) this.#places.delete(kept);
    return kept;
  }

  /** All of them; one may be taken out while they are read. */
  [Symbol.iterator](): IterableIterator<Kept> {
    return this.#places.keys();
  }
}

function grainMs({ ttlMs, patienceMs }: Kept): number {
  return renewalGrainMs(ttlMs > 0 ? ttlMs : patienceMs);
}
