/** Runs seeds in child processes, each with its own share, and stops all of them at the first that fails. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { SeedFailed, SeedPassed, SeedSaid } from '../../test/sim/seed-said.ts';
import { root } from '../steps.ts';

export interface SeedRange {
  readonly profile: string;
  readonly first: bigint;
  readonly count: number;
  readonly jobs: number;
}

/** Resolves to the first failure, if any. */
export async function runSeeds(range: SeedRange, passed: (seed: SeedPassed) => void): Promise<SeedFailed | undefined> {
  const children: ChildProcess[] = [];
  let failed: SeedFailed | undefined;
  const fail = (what: SeedFailed): void => {
    failed ??= what;
    for (const child of children) child.kill();
  };
  const jobs = Math.min(range.jobs, range.count);
  await Promise.all(
    Array.from({ length: jobs }, (_, job) => {
      const child = start(range, job, jobs);
      children.push(child);
      return follow(child, passed, fail, () => failed !== undefined);
    }),
  );
  return failed;
}

function start({ profile, first, count }: SeedRange, job: number, jobs: number): ChildProcess {
  const share = Math.floor(count / jobs) + (job < count % jobs ? 1 : 0);
  const script = join(root, 'test/sim/seeds-process.ts');
  const args = ['--import', 'tsx', script, profile, `${first + BigInt(job)}`, `${share}`, `${jobs}`];
  return spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
}

function follow(
  child: ChildProcess,
  passed: (seed: SeedPassed) => void,
  failed: (seed: SeedFailed) => void,
  stopping: () => boolean,
): Promise<void> {
  const lines = child.stdout === null ? undefined : createInterface({ input: child.stdout });
  lines?.on('line', (line) => {
    if (!line.startsWith('{')) return;
    const said = JSON.parse(line) as SeedSaid;
    if (said.type === 'passed') passed(said);
    else failed(said);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0 || stopping()) resolve();
      else reject(new Error(`a process that ran seeds ended with ${code}`));
    });
  });
}
