/** Runs simulated rounds in child processes, each with its own share, and stops all of them at the first that fails. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { RoundFailed, RoundPassed, RoundSaid } from '../../test/client/faults/said.ts';
import { root } from '../steps.ts';

export interface Rounds {
  readonly first: bigint;
  readonly count: number;
  readonly jobs: number;
  /** `any` or one kind. */
  readonly kind: string;
  readonly naive: boolean;
}

/** Resolves to the first failure, if any. */
export async function runRounds(
  rounds: Rounds,
  passed: (round: RoundPassed) => void,
): Promise<RoundFailed | undefined> {
  const jobs = Math.min(rounds.jobs, rounds.count);
  const children: ChildProcess[] = [];
  let failed: RoundFailed | undefined;
  const heard = (line: string): void => {
    if (!line.startsWith('{')) return;
    const said = JSON.parse(line) as RoundSaid;
    if (said.type === 'passed') passed(said);
    else {
      failed ??= said;
      for (const child of children) child.kill();
    }
  };
  for (let job = 0; job < jobs; job++) children.push(start(rounds, job, jobs));
  const codes = await Promise.all(children.map((child) => follow(child, heard)));
  const bad = codes.find((code) => code !== 0);
  if (failed === undefined && bad !== undefined) throw new Error(`a process that ran rounds ended with ${bad}`);
  return failed;
}

function start({ first, count, kind, naive }: Rounds, job: number, jobs: number): ChildProcess {
  const share = Math.floor(count / jobs) + (job < count % jobs ? 1 : 0);
  const script = join(root, 'test/client/faults/rounds-process.ts');
  const args = ['--import', 'tsx', script, `${first + BigInt(job)}`, `${share}`, `${jobs}`, kind, naive ? 'naive' : ''];
  return spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
}

function follow(child: ChildProcess, heard: (line: string) => void): Promise<number | null> {
  if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', heard);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
}
