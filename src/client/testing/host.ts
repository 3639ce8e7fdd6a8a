/**
 * One process on a host of its own, a member's or a client's: its clocks and timers, which run as virtual time does unless it is told
 * otherwise, and what reaches it, which waits while it stands still. Owns whether and when a step of the process runs, not what it does.
 */
import type { Prng } from '../../base/prng.ts';
import type { Clock, Timer } from '../clock.ts';
import type { Step, Timeline } from './timeline.ts';

/** What a process that goes on finds first: the timers that came due meanwhile, or what it was sent. Node may do either. */
export type ResumeOrder = 'timers' | 'messages';

/** 2026-01-01, about where wall clocks begin. */
const wallStartMs = 1_767_225_600_000;

/** Timers that are cancelled before their time, as most are, are taken out of the list many at a time. */
const cancelledKeptMax = 64;

interface Waiting {
  /** On the monotonic clock. */
  readonly dueMs: number;
  step: (() => void) | undefined;
}

export class Host implements Clock {
  readonly name: string;
  readonly timeline: Timeline;
  readonly #prng: Prng;
  readonly #rate: number;
  /** The monotonic clock showed `#baseMs` at `#sinceMs` of virtual time. */
  #baseMs: number;
  #sinceMs: number;
  /** A timer that has run was due by then. */
  #floorMs: number;
  #wallOffMs = 0;
  #stands = false;
  #suspended = false;
  #gone = false;
  /** Earliest first. */
  #timers: Waiting[] = [];
  /** Of them (or run), about: they are kept for a while. */
  #cancelled = 0;
  #alarm: Step | undefined;
  #held: (() => void)[] = [];

  /** `rate`: milliseconds of its clocks in one of virtual time. */
  constructor(name: string, timeline: Timeline, prng: Prng, rate = 1, startMs = 0) {
    this.name = name;
    this.timeline = timeline;
    this.#prng = prng;
    this.#rate = rate;
    this.#baseMs = startMs;
    this.#floorMs = startMs;
    this.#sinceMs = timeline.nowMs;
  }

  // ── its clocks ───────────────────────────────────────────────────────────────────────────────────────────────────────

  monotonicMs(): number {
    const passedMs = this.#suspended ? 0 : (this.timeline.nowMs - this.#sinceMs) * this.#rate;
    return Math.max(this.#floorMs, this.#baseMs + passedMs);
  }

  /** Goes on while the host is suspended. */
  wallMs(): number {
    return Math.floor(wallStartMs + this.timeline.nowMs * this.#rate + this.#wallOffMs);
  }

  random(): number {
    return this.#prng.unit();
  }

  after(delayMs: number, step: () => void): Timer {
    // Whole milliseconds, and at least one, as Node's own.
    const waitMs = Number.isFinite(delayMs) ? Math.max(1, Math.ceil(delayMs)) : Number.MAX_SAFE_INTEGER;
    const waiting: Waiting = { dueMs: this.monotonicMs() + waitMs, step };
    if (!this.#gone) {
      const at = this.#timers.findLastIndex(({ dueMs }) => dueMs <= waiting.dueMs) + 1;
      this.#timers.splice(at, 0, waiting);
      if (at === 0) this.#arm();
    }
    return {
      cancel: () => {
        if (waiting.step === undefined) return;
        waiting.step = undefined;
        this.#cancelled++;
        if (this.#cancelled > cancelledKeptMax && this.#cancelled > this.#timers.length / 2) this.#tidy();
      },
    };
  }

  /** Timers that will run. */
  get pending(): number {
    return this.#timers.filter(({ step }) => step !== undefined).length;
  }

  /** As `setInterval`. */
  every(periodMs: number, step: () => void): Timer {
    let timer: Timer;
    const again = (): void => {
      timer = this.after(periodMs, again);
      step();
    };
    timer = this.after(periodMs, again);
    return { cancel: () => timer.cancel() };
  }

  jumpWall(byMs: number): void {
    this.#wallOffMs += byMs;
  }

  // ── standing still ───────────────────────────────────────────────────────────────────────────────────────────────────

  get stands(): boolean {
    return this.#stands;
  }

  /** Its process has ended, or was not started. */
  get gone(): boolean {
    return this.#gone;
  }

  /** Something reaches the process: it runs now, or when the process goes on. Nothing reaches one that is gone. */
  receive(step: () => void): void {
    if (this.#gone) return;
    if (this.#stands) this.#held.push(step);
    else step();
  }

  /** The process stands still, its clocks do not. */
  pause(): void {
    this.#stands = true;
    this.#arm();
  }

  /** The machine sleeps: the monotonic clock stands still too. */
  suspend(): void {
    if (!this.#suspended) this.#rebase(true);
    this.pause();
  }

  /** Everything that came meanwhile happens now, one step after the other. */
  resume(first: ResumeOrder): void {
    if (!this.#stands) return;
    if (this.#suspended) this.#rebase(false);
    this.#stands = false;
    const held = this.#held;
    this.#held = [];
    const nowMs = this.monotonicMs();
    const due = first === 'timers' ? this.#timers.filter(({ dueMs }) => dueMs <= nowMs) : [];
    this.#timers = this.#timers.slice(due.length);
    for (const waiting of due) this.timeline.after(0, () => this.receive(() => this.#run(waiting)));
    for (const step of held) this.timeline.after(0, () => this.receive(step));
    this.#arm();
  }

  /** The process has ended: no timer of it runs, nothing reaches it, until `begin`. */
  end(): void {
    if (this.#suspended) this.#rebase(false);
    this.#gone = true;
    this.#stands = false;
    this.#timers = [];
    this.#held = [];
    this.#alarm?.cancel();
  }

  begin(): void {
    this.#gone = false;
  }

  #rebase(suspended: boolean): void {
    this.#baseMs = this.monotonicMs();
    this.#sinceMs = this.timeline.nowMs;
    this.#suspended = suspended;
  }

  #tidy(): void {
    this.#timers = this.#timers.filter(({ step }) => step !== undefined);
    this.#cancelled = 0;
    this.#arm();
  }

  /** For the earliest timer. */
  #arm(): void {
    this.#alarm?.cancel();
    this.#alarm = undefined;
    const [first] = this.#timers;
    if (first === undefined || this.#stands) return;
    const inMs = (first.dueMs - this.monotonicMs()) / this.#rate;
    if (inMs < Number.MAX_SAFE_INTEGER / 2) this.#alarm = this.timeline.after(inMs, () => this.#ring());
  }

  #ring(): void {
    const first = this.#timers.shift();
    this.#arm();
    if (first !== undefined) this.#run(first);
  }

  #run(waiting: Waiting): void {
    // Rates are no whole numbers: the clock may be a hair short of the time for which the alarm was set.
    this.#floorMs = Math.max(this.#floorMs, waiting.dueMs);
    const { step } = waiting;
    waiting.step = undefined;
    step?.();
  }
}
