/** Plants mutants and hunts them, one after the other, each hunt in a process of its own. Owns the verdict. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { seedsMax } from './hunts.ts';
import type { HuntName, Mutant } from './mutant.ts';
import { Bed } from './plant.ts';

/** How far a hunt goes. */
export interface HuntLimits {
  readonly firstSeed: number;
  readonly seeds: number;
  /** For all hunts of a mutant together. */
  readonly seconds: number;
}

/**
 * `caught`: an invariant named it, and the clean tree passes the same seed. `harmless`: an equivalent one passed, as it should.
 * `survived` and `misfit` (the patch does not apply) are failures, and so is `caught` of an equivalent one.
 */
export interface Verdict {
  readonly id: string;
  readonly what: string;
  readonly outcome: 'caught' | 'harmless' | 'survived' | 'misfit';
  readonly good: boolean;
  readonly invariant: string | undefined;
  readonly hunt: HuntName | undefined;
  /** Run until it was caught, in all hunts together. */
  readonly seeds: number;
  readonly seconds: number;
  /** Crashes that name no invariant. */
  readonly crashes: number;
  /** The first line of what caught it, of the last crash, or why it does not fit. */
  readonly line: string;
}

/** What a hunting process says. */
interface Said {
  readonly type: 'caught' | 'crash' | 'end';
  readonly seeds: number;
  readonly seed?: number;
  readonly invariant?: string;
  readonly message?: string;
}

/** What hunts have come to so far. */
interface Found {
  seeds: number;
  crashes: number;
  line: string;
  said: Said | undefined;
}

/** Hunts one mutant after the other in one bed. */
export class Hunter {
  readonly #bed = new Bed();

  async hunt(mutant: Mutant, limits: HuntLimits): Promise<Verdict> {
    const began = performance.now();
    const verdict = (rest: Partial<Verdict>): Verdict => {
      const outcome = rest.outcome ?? 'survived';
      return {
        id: mutant.id,
        what: mutant.what,
        outcome,
        good: outcome === (mutant.equivalent === undefined ? 'caught' : 'harmless'),
        invariant: undefined,
        hunt: undefined,
        seeds: 0,
        seconds: (performance.now() - began) / 1_000,
        crashes: 0,
        line: '',
        ...rest,
      };
    };
    const sum: Found = { seeds: 0, crashes: 0, line: '', said: undefined };
    for (const hunt of mutant.hunts) {
      const secondsLeft = (): number => limits.seconds - (performance.now() - began) / 1_000;
      const misfit = await this.#huntIn(mutant, hunt, limits, secondsLeft, sum);
      if (misfit !== undefined) return verdict({ outcome: 'misfit', line: misfit.message });
      const { said, seeds, crashes, line } = sum;
      if (said !== undefined)
        return verdict({ outcome: 'caught', invariant: said.invariant, hunt, seeds, crashes, line });
    }
    const outcome = mutant.equivalent === undefined ? 'survived' : 'harmless';
    return verdict({ outcome, seeds: sum.seeds, crashes: sum.crashes, line: sum.line });
  }

  /** One hunt, until it catches something that the clean tree does not fail with the same seed. */
  async #huntIn(
    mutant: Mutant,
    hunt: HuntName,
    limits: HuntLimits,
    secondsLeft: () => number,
    found: Found,
  ): Promise<Error | undefined> {
    let { firstSeed, seeds } = { ...limits, seeds: Math.min(limits.seeds, seedsMax(hunt)) };
    while (seeds > 0 && secondsLeft() > 0) {
      const takeOut = this.#bed.plant(mutant);
      if (takeOut instanceof Error) return takeOut;
      const all = await this.run(hunt, { firstSeed, seeds, seconds: secondsLeft() });
      takeOut();
      const caught = all.find(({ type }) => type === 'caught');
      const last = all.findLast(({ type }) => type !== 'end');
      found.crashes += all.filter(({ type }) => type === 'crash').length;
      found.seeds += all.find(({ type }) => type === 'end')?.seeds ?? 0;
      if (last !== undefined) found.line = firstLine(last.message ?? '');
      if (caught?.seed === undefined) return undefined;
      const clean = await this.run(hunt, { firstSeed: caught.seed, seeds: 1, seconds: 60 });
      if (clean.every(({ type }) => type === 'end')) {
        found.said = caught;
        return undefined;
      }
      found.line = `the clean tree fails with seed ${caught.seed} of ${hunt} as well`;
      seeds -= caught.seed + 1 - firstSeed;
      firstSeed = caught.seed + 1;
    }
    return undefined;
  }

  /** Runs a hunt in the bed as it stands. */
  run(name: HuntName, { firstSeed, seeds, seconds }: HuntLimits): Promise<readonly Said[]> {
    const script = join(this.#bed.path, 'test/mutants/hunt-process.ts');
    const count = Math.min(seeds, seedsMax(name));
    const args = ['--import', 'tsx', script, name, `${firstSeed}`, `${count}`, `${seconds}`];
    return new Promise((resolve) => {
      const child = spawn(process.execPath, args, { cwd: this.#bed.path, stdio: ['ignore', 'pipe', 'pipe'] });
      // A seed that never ends would keep the process beyond its time.
      const guard = setTimeout(() => child.kill('SIGKILL'), (seconds + 60) * 1_000);
      const out: Buffer[] = [];
      const errors: Buffer[] = [];
      child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
      child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
      child.on('close', () => {
        clearTimeout(guard);
        const said = Buffer.concat(out)
          .toString()
          .split('\n')
          .filter((text) => text.startsWith('{'))
          .map((text) => JSON.parse(text) as Said);
        const ended = said.some(({ type }) => type === 'end');
        if (!ended)
          said.push({
            type: 'crash',
            seeds: 0,
            message: Buffer.concat(errors).toString() || 'killed: a seed did not end',
          });
        resolve(said);
      });
    });
  }

  close(): void {
    this.#bed.remove();
  }
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? '';
}
