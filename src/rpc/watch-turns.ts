/**
 * In which order the watch streams of a member send: each in turn, so many pulls at a time, and then everybody else's work in
 * between. So neither thousands of streams nor thousands of watchers hold up a heartbeat or an apply (W12).
 */
import { watchPullsPerTurnMax } from '../base/limits.ts';

/** A stream that may have something to send. */
export interface Sender {
  /** Sends with at most `pullsMax` pulls and says how many it took; asks for another turn by itself. */
  send(pullsMax: number): number;
}

export class WatchTurns {
  readonly #waiting = new Set<Sender>();
  #due = false;

  /** May be called inside a turn of the node: nothing is sent before that is over. */
  add(sender: Sender): void {
    this.#waiting.add(sender);
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => this.#run());
  }

  remove(sender: Sender): void {
    this.#waiting.delete(sender);
  }

  #run(): void {
    let pullsLeft = watchPullsPerTurnMax;
    // A sender that asks for another turn meanwhile comes last, and is met again by this loop.
    for (const sender of this.#waiting) {
      this.#waiting.delete(sender);
      // A sender costs something even if it has nothing to pull.
      pullsLeft -= Math.max(1, sender.send(pullsLeft));
      if (pullsLeft <= 0) break;
    }
    this.#due = this.#waiting.size > 0;
    if (this.#due) setImmediate(() => this.#run());
  }
}
