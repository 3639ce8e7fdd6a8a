/**
 * Virtual time: a queue of events in (time, seeded tie-break) order, and a running hash over all that happened. One run is a
 * function of its schedule; the hash shows it.
 */
import type { Prng } from '../../src/base/prng.ts';

export class Timeline {
  nowMs = 0;
  eventsRun = 0;
  readonly #prng: Prng;
  // A binary heap in three columns: no object per event but its function.
  readonly #at: number[] = [];
  readonly #tie: number[] = [];
  readonly #run: (() => void)[] = [];
  #hashA = 0x811c9dc5;
  #hashB = 0x2545f491;

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  /** Of every event so far, and of everything mixed in. */
  get traceHash(): string {
    return [this.#hashA, this.#hashB].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');
  }

  /** Adds to the trace hash what an event did. */
  mix(value: number): void {
    this.#hashA = Math.imul(this.#hashA ^ value, 0x01000193);
    this.#hashB = Math.imul(this.#hashB ^ (this.#hashB >>> 15) ^ value, 0x9e3779b1);
  }

  /** Runs `run` after `delayMs` of virtual time; events due together run in an order drawn from the seed. */
  after(delayMs: number, run: () => void): void {
    const at = this.#at;
    const tie = this.#tie;
    const runs = this.#run;
    const eventAt = this.nowMs + Math.max(delayMs, 0);
    const eventTie = this.#prng.uint32();
    let i = at.length;
    at.push(eventAt);
    tie.push(eventTie);
    runs.push(run);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const parentAt = at[parent] as number;
      if (parentAt < eventAt || (parentAt === eventAt && (tie[parent] as number) <= eventTie)) break;
      at[i] = parentAt;
      tie[i] = tie[parent] as number;
      runs[i] = runs[parent] as () => void;
      i = parent;
    }
    at[i] = eventAt;
    tie[i] = eventTie;
    runs[i] = run;
  }

  /** Runs everything due up to `untilMs`, and leaves the clock there. */
  runUntil(untilMs: number): void {
    while (this.#at.length > 0 && (this.#at[0] as number) <= untilMs) this.#next();
    this.nowMs = Math.max(this.nowMs, untilMs);
  }

  #next(): void {
    const atMs = this.#at[0] as number;
    const run = this.#run[0] as () => void;
    this.mix((this.#tie[0] as number) ^ ((atMs * 1024) | 0));
    this.#removeFirst();
    this.nowMs = atMs;
    this.eventsRun++;
    run();
  }

  #removeFirst(): void {
    const at = this.#at;
    const tie = this.#tie;
    const runs = this.#run;
    const lastAt = at.pop() as number;
    const lastTie = tie.pop() as number;
    const lastRun = runs.pop() as () => void;
    const size = at.length;
    if (size === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= size) break;
      let childAt = at[child] as number;
      const right = child + 1;
      if (right < size) {
        const rightAt = at[right] as number;
        if (rightAt < childAt || (rightAt === childAt && (tie[right] as number) < (tie[child] as number))) {
          child = right;
          childAt = rightAt;
        }
      }
      if (childAt > lastAt || (childAt === lastAt && (tie[child] as number) >= lastTie)) break;
      at[i] = childAt;
      tie[i] = tie[child] as number;
      runs[i] = runs[child] as () => void;
      i = child;
    }
    at[i] = lastAt;
    tie[i] = lastTie;
    runs[i] = lastRun;
  }
}
