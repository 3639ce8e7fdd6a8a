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
 * `caught`: an invariant named it. `harmless`: an equivalent one passed, as it should. `survived`, `misfit` (the patch does not
 * apply) and `dirty` (the clean tree fails with the same seed) are failures, and so is `caught` of an equivalent one.
 */
export interface Verdict {
  readonly id: string;
  readonly what: string;
  readonly outcome: 'caught' | 'harmless' | 'survived' | 'misfit' | 'dirty';
  readonly good: boolean;
  readonly invariant: string | undefined;
  readonly hunt: HuntName | undefined;
  /** Run until it was caught, in the hunt that caught it; else in all. */
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
    const takeOut = this.#bed.plant(mutant);
    if (takeOut instanceof Error) return verdict({ outcome: 'misfit', line: takeOut.message });
    let seeds = 0;
    let crashes = 0;
    let line = '';
    let caught: { readonly said: Said; readonly hunt: HuntName } | undefined;
    try {
      for (const name of mutant.hunts) {
        const left = limits.seconds - (performance.now() - began) / 1_000;
        if (left <= 0 || caught !== undefined) break;
        for (const said of await this.run(name, { ...limits, seconds: left })) {
          if (said.type === 'crash') crashes++;
          if (said.type === 'end') seeds += said.seeds;
          else line = firstLine(said.message ?? '');
          if (said.type === 'caught') caught = { said, hunt: name };
        }
      }
    } finally {
      takeOut();
    }
    if (caught === undefined)
      return verdict({ outcome: mutant.equivalent === undefined ? 'survived' : 'harmless', seeds, crashes, line });
    const { said, hunt } = caught;
    // Whatever the clean tree fails as well proves nothing.
    const alone = { ...limits, firstSeed: said.seed ?? 0, seeds: 1 };
    const clean = (await this.run(hunt, alone)).every(({ type }) => type === 'end');
    const outcome = clean ? 'caught' : 'dirty';
    return verdict({ outcome, invariant: said.invariant, hunt, seeds: said.seeds, crashes, line });
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
