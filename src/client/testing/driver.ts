/**
 * Makes virtual time pass: one step after the other, and after each all that programs make of it (promises and what follows from them)
 * before the next. Time passes only while somebody asks for it. Owns who asks, and nothing of what happens.
 */
import { LeaseError } from '../errors.ts';
import type { Timeline } from './timeline.ts';

/** Somebody who wants time to pass. */
interface Goal {
  /** Time passes no further for it. */
  readonly untilMs: number;
  /** It has what it wanted, before that. */
  done: boolean;
  /** Time got there. */
  reached(): void;
  failed(error: unknown): void;
}

/** Steps at one and the same time: more of them go in a circle. */
const stepsAtOnceMax = 1_000_000;
/** Steps after which nobody has anything to do, before everybody is asked all the same. */
const quietStepsMax = 1_000;
/** Of real time. */
const warnAfterMs = 1_000;

export class Driver {
  readonly #timeline: Timeline;
  readonly #goals = new Set<Goal>();
  /** Called after each step, before what programs make of it. */
  readonly #look: () => void;
  #running = false;
  /** Since the last step. */
  #asked = false;
  #warning: NodeJS.Timeout | undefined;
  #stepsAtOnce = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(timeline: Timeline, look: () => void) {
    this.#timeline = timeline;
    this.#look = look;
  }

  /** Resolves when so much time has passed. */
  advance(ms: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#want({ untilMs: this.#timeline.nowMs + ms, done: false, reached: resolve, failed: reject });
    });
  }

  /** Time passes until the promise settles; after `withinMs` of it this rejects with a `LeaseError` (`timeout`). */
  until<T>(promise: Promise<T>, withinMs: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const goal: Goal = {
        untilMs: this.#timeline.nowMs + withinMs,
        done: false,
        reached: () => reject(new LeaseError('timeout', `nothing came of it in ${withinMs} ms of virtual time`)),
        failed: reject,
      };
      const over = (): void => {
        goal.done = true;
      };
      promise.then(over, over);
      promise.then(resolve, reject);
      this.#want(goal);
    });
  }

  /** The cluster itself went wrong: whoever waits is told, and whoever comes later. */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  /** A client asks something. If time then stands still for long, the test has forgotten to let it pass. */
  asked(): void {
    this.#asked = true;
    if (!this.#running) this.#watch();
  }

  #watch(): void {
    const text = 'a call waits and time stands still: let it pass with `await cluster.until(call)`, or `advance`';
    clearTimeout(this.#warning);
    this.#warning = setTimeout(() => process.emitWarning(text, 'TestCluster'), warnAfterMs).unref();
  }

  stop(): void {
    clearTimeout(this.#warning);
  }

  #want(goal: Goal): void {
    clearTimeout(this.#warning);
    this.#goals.add(goal);
    if (this.#running) return;
    this.#running = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    for (;;) {
      await settled();
      const goal = this.#nearest();
      if (goal === undefined) break;
      try {
        if (this.#reaches(goal.untilMs)) {
          this.#goals.delete(goal);
          goal.reached();
        }
      } catch (error) {
        this.fail(error);
      }
    }
    this.#running = false;
    if (this.#asked) this.#watch();
  }

  /** Goes on to the next step after which programs may have something to do. True: there is none up to `untilMs`. */
  #reaches(untilMs: number): boolean {
    const timeline = this.#timeline;
    for (let quietSteps = 0; quietSteps < quietStepsMax; quietSteps++) {
      const { nextMs, nowMs } = timeline;
      if (nextMs === undefined || nextMs > untilMs) {
        timeline.moveTo(untilMs);
        return true;
      }
      this.#stepsAtOnce = nextMs === nowMs ? this.#stepsAtOnce + 1 : 0;
      if (this.#stepsAtOnce > stepsAtOnceMax) throw new Error('virtual time stands still: something goes in a circle');
      this.#asked = false;
      const quiet = timeline.runNext();
      this.#look();
      if (!quiet) break;
    }
    return false;
  }

  /** Of those that still want something, whose time ends first. */
  #nearest(): Goal | undefined {
    let nearest: Goal | undefined;
    for (const goal of this.#goals) {
      if (goal.done) this.#goals.delete(goal);
      else if (this.#failure !== undefined) {
        this.#goals.delete(goal);
        goal.failed(this.#failure.error);
      } else if (nearest === undefined || goal.untilMs < nearest.untilMs) nearest = goal;
    }
    return nearest;
  }
}

/**
 * When all promises that can go on have done so: Node runs them, and what they lead to, to the end before it comes to an immediate.
 * Always one turn of the event loop and no more, so that what programs leave to later turns always meets the same step.
 */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
