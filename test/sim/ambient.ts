/**
 * The host's clocks, timers and chance, made virtual while a run executes: they are those of the member whose turn runs. The clean
 * node touches none of them; they are here so that code which does behaves as it would in production. Owns the globals.
 */
import type { Prng } from '../../src/base/prng.ts';

/** A host as its process sees it. */
export interface Host {
  readonly chance: Prng;
  monoMs(): number;
  wallMs(): number;
  /** Runs `step` in this process after `ms` of its monotonic time, unless it is gone by then. */
  after(ms: number, step: () => void): void;
}

/** Node's limit: a longer timer fires after 1 ms. */
const timerMsMax = 2 ** 31 - 1;

/** Whose turn runs. Set by `asHost` only. */
let present: Host | undefined;
let installed = 0;
let restore: (() => void) | undefined;

/** Runs `step` as if in the process of `host`. */
export function asHost<T>(host: Host, step: () => T): T {
  const before = present;
  present = host;
  try {
    return step();
  } finally {
    present = before;
  }
}

/** Runs `run` with the virtual globals in place; they are restored whatever happens. */
export function withVirtualGlobals<T>(run: () => T): T {
  if (installed++ === 0) restore = install();
  try {
    return run();
  } finally {
    if (--installed === 0) restore?.();
  }
}

/** A timer's handle, as far as programs use it. */
class Timer {
  readonly host: Host;
  readonly ms: number;
  readonly again: boolean;
  readonly step: () => void;
  /** Grows when it is cleared or started anew, so that the old one fires into nothing. */
  #life = 0;

  constructor(host: Host, ms: number, again: boolean, step: () => void) {
    this.host = host;
    this.ms = ms;
    this.again = again;
    this.step = step;
    this.refresh();
  }

  refresh(): this {
    const life = ++this.#life;
    this.host.after(this.ms, () => {
      if (life !== this.#life) return;
      if (this.again) this.refresh();
      asHost(this.host, this.step);
    });
    return this;
  }

  clear(): void {
    this.#life++;
  }

  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
  hasRef(): boolean {
    return true;
  }
  [Symbol.dispose](): void {
    this.clear();
  }
}

type Callback = (...args: unknown[]) => void;

function install(): () => void {
  const real = {
    Date: globalThis.Date,
    random: Math.random,
    performanceNow: performance.now,
    setTimeout: globalThis.setTimeout,
    setInterval: globalThis.setInterval,
    setImmediate: globalThis.setImmediate,
    clearTimeout: globalThis.clearTimeout,
    clearInterval: globalThis.clearInterval,
    clearImmediate: globalThis.clearImmediate,
  };
  const wallNow = (): number => Math.floor(present === undefined ? real.Date.now() : present.wallMs());
  class VirtualDate extends real.Date {
    constructor(...args: readonly unknown[]) {
      if (args.length === 0) super(wallNow());
      else super(...(args as [number]));
    }
    static override now(): number {
      return wallNow();
    }
  }
  const timer =
    (again: boolean, fallback: Callback) =>
    (callback: Callback, ms?: number, ...args: unknown[]): unknown => {
      if (present === undefined) return (fallback as (...all: unknown[]) => unknown)(callback, ms, ...args);
      const delayMs = ms === undefined || !(ms >= 1) || ms > timerMsMax ? 1 : Math.trunc(ms);
      return new Timer(present, delayMs, again, () => callback(...args));
    };
  const clear =
    (fallback: Callback) =>
    (handle: unknown): void => {
      if (handle instanceof Timer) handle.clear();
      else fallback(handle);
    };
  Object.assign(globalThis, {
    Date: VirtualDate,
    setTimeout: timer(false, real.setTimeout as unknown as Callback),
    setInterval: timer(true, real.setInterval as unknown as Callback),
    setImmediate: (callback: Callback, ...args: unknown[]): unknown =>
      present === undefined
        ? (real.setImmediate as unknown as (...all: unknown[]) => unknown)(callback, ...args)
        : new Timer(present, 0, false, () => callback(...args)),
    clearTimeout: clear(real.clearTimeout as unknown as Callback),
    clearInterval: clear(real.clearInterval as unknown as Callback),
    clearImmediate: clear(real.clearImmediate as unknown as Callback),
  });
  Math.random = () => (present === undefined ? real.random() : present.chance.unit());
  performance.now = () => (present === undefined ? real.performanceNow.call(performance) : present.monoMs());
  return () => {
    const { random, performanceNow, ...globals } = real;
    Object.assign(globalThis, globals);
    Math.random = random;
    performance.now = performanceNow;
  };
}
