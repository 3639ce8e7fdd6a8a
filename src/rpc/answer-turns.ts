/**
 * When large reads may be made: at once while there are few, and else some at a time, each caller's in turn, with everybody else's work
 * in between. A thousand reads of a megabyte that one quorum round lets through together would otherwise all be read and encoded before
 * a heartbeat gets out or the first of them is sent. Counts what answers came to; knows no service.
 */
import { answerBytesPerTurnMax, readsPerTurnMax } from '../base/limits.ts';

export class AnswerTurns {
  /** Reads that wait, by who waits for them; the first caller is next. */
  readonly #waiting = new Map<string, (() => void)[]>();
  readonly #bytesMax: number;
  #spentBytes = 0;
  #taken = 0;
  /** Of the turn before: how large an answer may well be. */
  #largestBytes = 0;
  #due = false;

  constructor(bytesMax = answerBytesPerTurnMax) {
    this.#bytesMax = bytesMax;
  }

  /** Resolves when it is this caller's turn. `caller` is any name of who asks. */
  async take(caller: string): Promise<void> {
    if (this.#spentBytes < this.#bytesMax && this.#taken < readsPerTurnMax && this.#waiting.size === 0) {
      // Counted now: many may ask in one go, before the first of them has made its answer.
      this.#taken++;
      this.#schedule();
      return;
    }
    await new Promise<void>((resolve) => {
      const before = this.#waiting.get(caller);
      if (before === undefined) this.#waiting.set(caller, [resolve]);
      else before.push(resolve);
      this.#schedule();
    });
  }

  /** An answer of so many bytes was made. */
  spent(bytes: number): void {
    this.#spentBytes += bytes;
    this.#largestBytes = Math.max(this.#largestBytes, bytes);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#due) return;
    this.#due = true;
    setImmediate(() => this.#run());
  }

  /** What is let go here runs when this has returned: so many as fit if all are like the largest before them. */
  #run(): void {
    this.#due = false;
    this.#spentBytes = 0;
    this.#taken = 0;
    const fit = Math.floor(this.#bytesMax / Math.max(1, this.#largestBytes));
    let left = Math.min(readsPerTurnMax, Math.max(1, fit));
    this.#largestBytes = Math.floor(this.#largestBytes / 2);
    // A caller with more to come is met again, after all others.
    for (const [caller, waiters] of this.#waiting) {
      this.#waiting.delete(caller);
      const next = waiters.shift();
      if (waiters.length > 0) this.#waiting.set(caller, waiters);
      next?.();
      this.#taken++;
      left--;
      if (left === 0) break;
    }
    if (this.#waiting.size > 0) this.#schedule();
  }
}

/** One for all, as all share the event loop. */
export const answerTurns = new AnswerTurns();
