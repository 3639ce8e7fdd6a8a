/** What a measured stretch of load comes to: operations, their times, and the CPU they cost. */
import { cpuSeconds } from '../row.ts';

/** A stretch that was measured. */
export interface Measured {
  readonly operations: number;
  readonly errors: number;
  /** Words of the first one; '' if there was none. */
  readonly firstError: string;
  readonly seconds: number;
  readonly msMedian: number;
  readonly msP99: number;
  readonly msMax: number;
  /** Of the members' processes together. */
  readonly memberCpuSeconds: number;
  /** Of the load's own process: 1 would be a whole core. */
  readonly loadCores: number;
}

/** Whoever is told what became of the load. */
export interface Told {
  /** An operation is done; `nowMs` when its answer came. */
  done(sentMs: number, nowMs: number): void;
  failed(text: string): void;
  /** So far. */
  readonly errors: number;
}

/** Parts of a power of two that times are told apart by: 0.8 %. */
const parts = 128;

/** Counts of times, in columns that grow with the time. */
class Times {
  readonly #counts = new Uint32Array(64 * parts);
  #count = 0;
  #maxMs = 0;

  add(ms: number): void {
    const micros = Math.max(0, Math.min(2 ** 30, Math.round(ms * 1_000)));
    const scale = Math.max(0, 24 - Math.clz32(micros));
    const column = scale * parts + (micros >>> scale);
    this.#counts[column] = (this.#counts[column] as number) + 1;
    this.#count++;
    if (ms > this.#maxMs) this.#maxMs = ms;
  }

  /** Milliseconds below which the share `q` lies; the largest for 1. */
  quantile(q: number): number {
    if (q >= 1) return this.#maxMs;
    let left = Math.floor(this.#count * q);
    for (let column = 0; column < this.#counts.length; column++) {
      left -= this.#counts[column] as number;
      if (left >= 0) continue;
      const scale = column < 2 * parts ? 0 : Math.floor(column / parts) - 1;
      return ((column - scale * parts) * 2 ** scale) / 1_000;
    }
    return this.#maxMs;
  }
}

/** Counts between `begin` and `end`; what is told before or after is not counted. */
export class Meter implements Told {
  readonly #members: readonly { readonly pid: number }[];
  #times = new Times();
  #operations = 0;
  #errors = 0;
  #firstError = '';
  #on = false;
  #beganMs = 0;
  #memberCpu = 0;
  #ownCpu = process.cpuUsage();
  #measured: Measured | undefined;

  constructor(members: readonly { readonly pid: number }[]) {
    this.#members = members;
  }

  begin(): void {
    this.#times = new Times();
    this.#operations = 0;
    this.#memberCpu = cpuSeconds(this.#members);
    this.#ownCpu = process.cpuUsage();
    this.#beganMs = performance.now();
    this.#on = true;
  }

  done(sentMs: number, nowMs: number): void {
    if (!this.#on) return;
    this.#operations++;
    this.#times.add(nowMs - sentMs);
  }

  /** Errors count whenever they happen, so that none in the warm-up is overlooked. */
  failed(text: string): void {
    this.#errors++;
    if (this.#firstError === '') this.#firstError = text;
  }

  /** Since `begin`. */
  get operations(): number {
    return this.#operations;
  }

  get errors(): number {
    return this.#errors;
  }

  end(): void {
    if (!this.#on) return;
    this.#on = false;
    const seconds = (performance.now() - this.#beganMs) / 1_000;
    const { user, system } = process.cpuUsage(this.#ownCpu);
    this.#measured = {
      operations: this.#operations,
      errors: this.#errors,
      firstError: this.#firstError,
      seconds,
      msMedian: this.#times.quantile(0.5),
      msP99: this.#times.quantile(0.99),
      msMax: this.#times.quantile(1),
      memberCpuSeconds: cpuSeconds(this.#members) - this.#memberCpu,
      loadCores: (user + system) / 1e6 / seconds,
    };
  }

  /** What was measured; errors that came afterwards included. */
  result(): Measured {
    if (this.#measured === undefined) throw new Error('nothing was measured');
    return { ...this.#measured, errors: this.#errors, firstError: this.#firstError };
  }
}
