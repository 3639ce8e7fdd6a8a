/**
 * Virtual time: a queue of events in (time, seeded tie-break) order. One run is a function of its seed.
 */
import type { Prng } from '../../src/base/prng.ts';

interface Event {
  readonly atMs: number;
  readonly tie: number;
  readonly run: () => void;
}

export class Timeline {
  nowMs = 0;
  eventsRun = 0;
  readonly #prng: Prng;
  readonly #heap: Event[] = [];

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  /** Runs `run` after `delayMs` of virtual time; events due together run in an order drawn from the seed. */
  after(delayMs: number, run: () => void): void {
    const heap = this.#heap;
    heap.push({ atMs: this.nowMs + Math.max(0, delayMs), tie: this.#prng.uint32(), run });
    let i = heap.length - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(heap[i] as Event, heap[parent] as Event)) break;
      this.#swap(i, parent);
      i = parent;
    }
  }

  /** Runs everything due up to `untilMs`, and leaves the clock there. */
  runUntil(untilMs: number): void {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#pop();
      this.nowMs = next.atMs;
      this.eventsRun++;
      next.run();
    }
    this.nowMs = untilMs;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    if (heap.length === 0) return;
    heap[0] = last;
    let i = 0;
    for (;;) {
      const left = 2 * i + 1;
      const right = left + 1;
      let least = i;
      if (left < heap.length && before(heap[left] as Event, heap[least] as Event)) least = left;
      if (right < heap.length && before(heap[right] as Event, heap[least] as Event)) least = right;
      if (least === i) return;
      this.#swap(i, least);
      i = least;
    }
  }

  #swap(i: number, j: number): void {
    const heap = this.#heap;
    [heap[i], heap[j]] = [heap[j] as Event, heap[i] as Event];
  }
}

function before(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.tie < b.tie);
}
