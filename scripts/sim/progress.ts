/** The figures of a set of runs: a line that is drawn over while it goes on, and the last word. */
import { spawnSync } from 'node:child_process';
import { Coverage } from '../../test/sim/coverage.ts';
import type { RunReport } from '../../test/sim/report.ts';
import type { SeedPassed } from '../../test/sim/seed-said.ts';
import { root } from '../steps.ts';

export class Progress {
  readonly #count: number;
  readonly #json: boolean;
  readonly #began = performance.now();
  readonly #coverage = new Coverage();
  readonly #sum = { seeds: 0, simulatedMs: 0, faultsMs: 0, cpuMs: 0, calls: 0, events: 0, entries: 0, crashes: 0 };

  constructor(count: number, json: boolean) {
    this.#count = count;
    this.#json = json;
  }

  /** A run in this process. */
  passed(report: RunReport, cpuMs: number): void {
    const coverage = new Coverage();
    coverage.add(report);
    const { simulatedMs, callCount: calls, events, entries, crashes } = report;
    const { faultsMs } = report.schedule;
    this.#take({ simulatedMs, faultsMs, cpuMs, calls, events, entries, crashes });
    this.#coverage.addJson(coverage.toJson());
  }

  /** A run in another. */
  add(passed: SeedPassed): void {
    this.#take(passed);
    this.#coverage.addJson(passed.coverage);
    if (this.#json || !process.stdout.isTTY) return;
    const { seeds, simulatedMs } = this.#sum;
    const rate = `${(simulatedMs / 1_000).toFixed(0)} s simulated, ${this.#rate().toFixed(0)}x on a core`;
    process.stdout.write(`\r\x1b[K${seeds}/${this.#count} seeds, ${rate}`);
  }

  /** The last line, or the last object. `clean`: no seed failed. */
  finish(first: string, profile: string, withCoverage: boolean, clean = true): void {
    const { seeds, simulatedMs, faultsMs, calls, crashes, entries } = this.#sum;
    const seconds = (performance.now() - this.#began) / 1_000;
    const faults = this.#coverage.total;
    const perSecond = (what: number): number => (faultsMs === 0 ? 0 : (what * 1_000) / faultsMs);
    const commit = commitOfTree();
    if (this.#json) {
      const figures = { ...this.#sum, seconds, simulatedPerCpu: this.#rate(), faults, ...this.#coverage.toJson() };
      process.stdout.write(`${JSON.stringify({ first, profile, clean, commit, ...figures })}\n`);
      return;
    }
    if (process.stdout.isTTY && this.#count > 1) process.stdout.write('\r\x1b[K');
    if (withCoverage) process.stdout.write(`${this.#coverage.table().join('\n')}\n`);
    const kinds = this.#coverage.kinds.map(([kind, count]) => `${kind} ${count}`);
    if (kinds.length > 0) process.stdout.write(`faults: ${kinds.join(', ')}\n`);
    process.stdout.write(
      `${seeds} ${seeds === 1 ? 'seed' : 'seeds'} ${clean ? 'clean' : 'passed'} from ${first} (${profile}): ` +
        `${(simulatedMs / 1_000).toFixed(0)} s simulated in ${seconds.toFixed(1)} s, ` +
        `${this.#rate().toFixed(0)} per second of a core; ` +
        `${perSecond(calls).toFixed(1)} operations and ${perSecond(faults).toFixed(2)} faults per simulated second ` +
        `(${calls} and ${faults}; ${crashes} crashes, ${entries} entries); commit ${commit}\n`,
    );
  }

  #take(run: Omit<SeedPassed, 'type' | 'seed' | 'coverage'>): void {
    const sum = this.#sum;
    sum.seeds++;
    sum.simulatedMs += run.simulatedMs;
    sum.faultsMs += run.faultsMs;
    sum.cpuMs += run.cpuMs;
    sum.calls += run.calls;
    sum.events += run.events;
    sum.entries += run.entries;
    sum.crashes += run.crashes;
  }

  /** Simulated seconds per second of one core. */
  #rate(): number {
    return this.#sum.cpuMs === 0 ? 0 : this.#sum.simulatedMs / this.#sum.cpuMs;
  }
}

/** Short commit of the tree, with a + if it is changed. */
export function commitOfTree(): string {
  const git = (...args: string[]): string => spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout ?? '';
  const commit = git('rev-parse', '--short', 'HEAD').trim();
  return commit === '' ? 'unknown' : `${commit}${git('status', '--porcelain', '-uno').trim() === '' ? '' : '+'}`;
}
