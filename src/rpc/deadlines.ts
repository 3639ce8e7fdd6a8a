/**
 * Deadlines of all calls on one timer: nobody is late early, and at most a tick late; a call that ends in time costs no timer. Owns the
 * timer, which runs while any call has a deadline.
 */
import { Wheel } from '../base/wheel.ts';

/** Who is told that his time is over. */
export interface Deadlined {
  late(): void;
}

const tickMs = 5;
/** More than calls that can be due in a tick; what is left is due in the next. */
const movesPerTickMax = 100_000;

export class Deadlines {
  readonly #wheel: Wheel;
  readonly #calls: (Deadlined | undefined)[] = [];
  readonly #free: number[] = [];
  #count = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor() {
    this.#wheel = new Wheel(performance.now());
  }

  /** `dueMs` by the clock of `performance.now()`. Returns a number to take it back by. */
  add(call: Deadlined, dueMs: number): number {
    const slot = this.#free.pop() ?? this.#calls.length;
    this.#calls[slot] = call;
    this.#wheel.set(slot, dueMs);
    this.#count++;
    this.#timer ??= setInterval(() => this.#tick(performance.now()), tickMs).unref();
    return slot;
  }

  remove(slot: number): void {
    this.#wheel.remove(slot);
    this.#calls[slot] = undefined;
    this.#free.push(slot);
    this.#count--;
  }

  /** No call is open any more. */
  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(nowMs: number): void {
    this.#wheel.advance(nowMs, movesPerTickMax);
    for (let slot = this.#wheel.peekDue(nowMs); slot !== -1; slot = this.#wheel.peekDue(nowMs)) {
      const call = this.#calls[slot];
      this.remove(slot);
      call?.late();
    }
    if (this.#count === 0) this.close();
  }
}
