/**
 * From a schedule that fails to a small one that fails in the same way: fault kinds go first, then single faults, clients and
 * their operations, members, then lengths are halved and noise is silenced. A step is kept only if the *same* invariant is violated.
 * Noise streams are forked by label, so what is left of a schedule happens as it did before.
 */
import { calmNoise } from './calm.ts';
import type { Fault, Noise, Op, Schedule, Target } from './schedule.ts';

/** How a schedule fails: which invariant, and when. */
export interface Failing {
  readonly invariant: string;
  readonly atMs: number;
}

/** Runs a schedule; undefined if it passes. */
export type Try = (schedule: Schedule) => Failing | undefined;

export interface Shrunk {
  readonly schedule: Schedule;
  readonly failing: Failing;
  readonly tries: number;
  /** The time was over before nothing more could be taken away. */
  readonly timedOut: boolean;
}

/** Shrinks until nothing more can go, or `outOfTime` says so. */
export function shrink(schedule: Schedule, failing: Failing, attempt: Try, outOfTime: () => boolean): Shrunk {
  const shrinker = new Shrinker(schedule, failing, attempt, outOfTime);
  shrinker.run();
  return { schedule: shrinker.best, failing: shrinker.failing, tries: shrinker.tries, timedOut: outOfTime() };
}

class Shrinker {
  best: Schedule;
  failing: Failing;
  tries = 0;
  readonly #attempt: Try;
  readonly #outOfTime: () => boolean;

  constructor(schedule: Schedule, failing: Failing, attempt: Try, outOfTime: () => boolean) {
    this.best = schedule;
    this.failing = failing;
    this.#attempt = attempt;
    this.#outOfTime = outOfTime;
  }

  run(): void {
    for (let before = ''; before !== this.#size() && !this.#outOfTime(); ) {
      before = this.#size();
      this.#cutAfterFailure();
      this.#withoutKinds();
      this.#fewer('faults');
      this.#withoutClients();
      this.#fewer('ops');
      this.#fewerMembers();
      this.#shorter();
      this.#silence();
    }
  }

  #size(): string {
    const { faults, ops, members, faultsMs, noise } = this.best;
    return JSON.stringify([faults.length, ops.length, members, faultsMs, noise, faults.map(({ forMs }) => forMs)]);
  }

  /** Keeps a candidate if it fails in the same way. */
  #keep(change: Partial<Schedule>): boolean {
    if (this.#outOfTime()) return false;
    this.tries++;
    const candidate = { ...this.best, ...change };
    const failing = this.#attempt(candidate);
    if (failing?.invariant !== this.failing.invariant) return false;
    this.best = candidate;
    this.failing = failing;
    return true;
  }

  /** What comes after the failure cannot have caused it; the safety phase need last no longer. */
  #cutAfterFailure(): void {
    const { atMs } = this.failing;
    const early = <T extends { readonly atMs: number }>(items: readonly T[]): T[] =>
      items.filter((item) => item.atMs <= atMs);
    const { faults, ops, faultsMs } = this.best;
    const change = { faults: early(faults), ops: early(ops) };
    if (atMs < faultsMs && this.#keep({ ...change, faultsMs: Math.ceil(atMs) + 1 })) return;
    if (change.faults.length < faults.length || change.ops.length < ops.length) this.#keep(change);
  }

  #withoutKinds(): void {
    for (const kind of new Set(this.best.faults.map((fault) => fault.kind)))
      this.#keep({ faults: this.best.faults.filter((fault) => fault.kind !== kind) });
  }

  #withoutClients(): void {
    for (const client of new Set(this.best.ops.map((op) => op.client)))
      this.#keep({ ops: this.best.ops.filter((op) => op.client !== client) });
  }

  /** ddmin: takes away ever smaller pieces of the list, as long as it still fails. */
  #fewer(what: 'faults' | 'ops'): void {
    let pieces = 2;
    while (this.best[what].length > 0 && !this.#outOfTime()) {
      const items: readonly (Fault | Op)[] = this.best[what];
      const length = Math.ceil(items.length / pieces);
      let taken = false;
      for (let end = items.length; end > 0 && !taken; end -= length) {
        const rest = [...items.slice(0, Math.max(0, end - length)), ...items.slice(end)];
        taken = this.#keep({ [what]: rest });
      }
      if (taken) pieces = Math.max(2, pieces - 1);
      else if (length <= 1) return;
      else pieces = Math.min(items.length, pieces * 2);
    }
  }

  #fewerMembers(): void {
    for (const members of [3, 1]) {
      if (members >= this.best.members) continue;
      const here = (target: Target): boolean =>
        typeof target === 'string' || !('member' in target) || target.member < members;
      const core = this.best.core.filter((member) => member < members);
      this.#keep({
        members,
        core: core.length > members / 2 ? core : Array.from({ length: members }, (_, i) => i),
        faults: this.best.faults.filter(({ target }) => here(target)),
        ops: this.best.ops.map((op) => ({ ...op, member: op.member % members })),
      });
    }
  }

  /** Faults that last half as long. */
  #shorter(): void {
    for (let i = 0; i < this.best.faults.length; i++) {
      for (let fault = this.best.faults[i] as Fault; fault.forMs > 20; fault = this.best.faults[i] as Fault) {
        const faults = [...this.best.faults];
        faults[i] = { ...fault, forMs: Math.floor(fault.forMs / 2) };
        if (!this.#keep({ faults })) break;
      }
    }
  }

  #silence(): void {
    for (const key of Object.keys(calmNoise) as (keyof Noise)[]) {
      if (this.best.noise[key] !== calmNoise[key]) this.#keep({ noise: { ...this.best.noise, [key]: calmNoise[key] } });
    }
  }
}
