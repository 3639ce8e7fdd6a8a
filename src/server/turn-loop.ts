/**
 * The host's loop: libuv's poll phase gathers all that arrived, the check phase runs one turn on all of it (house §3, rule 2). What was
 * answered together is asked together, but does not arrive at one moment: as long as each look at the sockets brings more, the turn
 * waits for the next look, a millisecond at most (decision 0026).
 * One timer ticks, one rings for the next deadline before that; there is never a timer per lease. A bug inside the node ends the
 * process: the log replays (house §10.4).
 */
import { turnGatherMsMax, turnLooksMax } from '../base/limits.ts';
import type { Node } from '../node/node.ts';

export class TurnLoop {
  readonly #tickMs: number;
  readonly #fatal: (error: Error) => void;
  #node: Node | undefined;
  #scheduled = false;
  /** Looks at the sockets since the first input of the coming turn; when the first one was; what had come by the last one. */
  #looks = 0;
  #firstLookMs = 0;
  #seen = 0;
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
    const nowMs = performance.now();
    if (this.#gathers(nowMs)) {
      setImmediate(this.#turn);
      return;
    }
    this.#looks = 0;
    this.#seen = 0;
    this.#scheduled = false;
    try {
      this.#node?.turn(nowMs);
    } catch (error) {
      this.stop();
      this.#fatal(error instanceof Error ? error : new Error(String(error)));
    }
  };

  /** Whether the last look brought something, and the next one may bring more in time. */
  #gathers(nowMs: number): boolean {
    const queued = this.#node?.queued ?? 0;
    if (queued <= this.#seen) return false;
    if (this.#looks === 0) this.#firstLookMs = nowMs;
    this.#seen = queued;
    this.#looks++;
    return this.#looks < turnLooksMax && nowMs - this.#firstLookMs < turnGatherMsMax;
  }
}
