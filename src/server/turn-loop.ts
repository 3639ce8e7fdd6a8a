/**
 * The host's loop: libuv's poll phase gathers all that arrived, the check phase runs one turn on all of it (house §3, rule 2).
 * One timer ticks, one rings for the next deadline before that; there is never a timer per lease. A bug inside the node ends the
 * process: the log replays (house §10.4).
 */
import type { Node } from '../node/node.ts';

export class TurnLoop {
  readonly #tickMs: number;
  readonly #fatal: (error: Error) => void;
  #node: Node | undefined;
  #scheduled = false;
  #ticker: NodeJS.Timeout | undefined;
  #alarm: NodeJS.Timeout | undefined;
  /** When it rings. */
  #alarmAtMs = Number.POSITIVE_INFINITY;

  constructor(tickMs: number, fatal: (error: Error) => void) {
    this.#tickMs = tickMs;
    this.#fatal = fatal;
  }

  /** From now on `node` takes turns. */
  start(node: Node): void {
    this.#node = node;
    this.#ticker = setInterval(() => node.enqueue({ type: 'tick' }), this.#tickMs);
    if (this.#scheduled) setImmediate(this.#turn);
  }

  /** The node's wake port. */
  wake(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    if (this.#node !== undefined) setImmediate(this.#turn);
  }

  /** The node's other wake port. */
  wakeIn(delayMs: number): void {
    // Timers keep to whole milliseconds.
    const atMs = performance.now() + delayMs;
    if (atMs >= this.#alarmAtMs - 1) return;
    clearTimeout(this.#alarm);
    this.#alarmAtMs = atMs;
    this.#alarm = setTimeout(() => {
      this.#alarmAtMs = Number.POSITIVE_INFINITY;
      this.wake();
    }, Math.ceil(delayMs));
  }

  stop(): void {
    clearInterval(this.#ticker);
    clearTimeout(this.#alarm);
    this.#node = undefined;
  }

  readonly #turn = (): void => {
    this.#scheduled = false;
    try {
      this.#node?.turn(performance.now());
    } catch (error) {
      this.stop();
      this.#fatal(error instanceof Error ? error : new Error(String(error)));
    }
  };
}
