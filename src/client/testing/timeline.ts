/**
 * Virtual time: what is to happen, in the order of time and, at one time, in the order it was asked for. Keeps a fingerprint of all that
 * happened. Owns no meaning of what runs.
 */
import { hashBytes } from '../../base/hash.ts';

/** A step that waits for its time. */
export class Step {
  readonly atMs: number;
  readonly seq: number;
  #run: (() => void) | undefined;

  constructor(atMs: number, seq: number, run: () => void) {
    this.atMs = atMs;
    this.seq = seq;
    this.#run = run;
  }

  get cancelled(): boolean {
    return this.#run === undefined;
  }

  cancel(): void {
    this.#run = undefined;
  }

  /** Once. */
  take(): (() => void) | undefined {
    const run = this.#run;
    this.#run = undefined;
    return run;
  }
}

export class Timeline {
  #nowMs = 0;
  #seq = 0;
  #steps = 0;
  #quiet = false;
  /** A heap: each is due before the two at 2i + 1 and 2i + 2. */
  #heap: Step[] = [];
  readonly #happened = new Float64Array(4);
  readonly #happenedBytes = new Uint8Array(this.#happened.buffer);
  readonly #lanes = new Uint32Array(4);

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Steps that ran so far. */
  get steps(): number {
    return this.#steps;
  }

  at(atMs: number, run: () => void): Step {
    const step = new Step(Math.max(atMs, this.#nowMs), this.#seq++, run);
    this.#push(step);
    return step;
  }

  after(delayMs: number, run: () => void): Step {
    return this.at(this.#nowMs + Math.max(0, delayMs), run);
  }

  /** When the next step is due; undefined: nothing is to come. */
  get nextMs(): number | undefined {
    while (this.#heap[0]?.cancelled === true) this.#pop();
    return this.#heap[0]?.atMs;
  }

  /** Says inside a step that no promise was settled in it, and nothing else was begun that goes on by itself. */
  quiet(): void {
    this.#quiet = true;
  }

  /** Time moves to the next step, which runs. True: it was quiet. */
  runNext(): boolean {
    if (this.nextMs === undefined) return false;
    const step = this.#pop() as Step;
    this.#quiet = false;
    this.#nowMs = step.atMs;
    this.#steps++;
    this.note(step.seq);
    step.take()?.();
    return this.#quiet;
  }

  /** Time moves on to `atMs`, before which nothing is due. */
  moveTo(atMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, atMs);
  }

  /** Takes a number into the fingerprint, with the time. */
  note(what: number): void {
    this.#happened[0] = this.#nowMs;
    this.#happened[1] = what;
    this.#happened[2] = this.#lanes[0] as number;
    this.#happened[3] = this.#lanes[1] as number;
    hashBytes(this.#happenedBytes, 0, 32, this.#lanes);
  }

  /** 16 hexadecimal digits; differs where anything happened at another time or in another order. */
  get fingerprint(): string {
    return [this.#lanes[0], this.#lanes[1]].map((lane) => (lane as number).toString(16).padStart(8, '0')).join('');
  }

  /** Nothing more will happen. */
  clear(): void {
    this.#heap = [];
  }

  #push(step: Step): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(step);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(step, heap[parent] as Step)) break;
      heap[at] = heap[parent] as Step;
      at = parent;
    }
    heap[at] = step;
  }

  #pop(): Step | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || last === first) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Step, heap[child] as Step)) child++;
      if (!before(heap[child] as Step, last)) break;
      heap[at] = heap[child] as Step;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function before(a: Step, b: Step): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.seq < b.seq);
}
