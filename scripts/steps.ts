/**
 * The static steps of the gate: what can be said about the tree without running it. None of them writes. `ok` and `test`
 * share them, so that neither can pass what the other refuses.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root. */
export const root: string = fileURLToPath(new URL('..', import.meta.url));

/** One command of the gate; it passes if it exits with 0. */
export interface Step {
  readonly name: string;
  readonly args: readonly string[];
}

const bin = (path: string): string => join(root, 'node_modules', path);

/** All static steps, cheapest first. Each runs as `node <args>` in the root. */
export const staticSteps: readonly Step[] = [
  { name: 'format and lint', args: [bin('@biomejs/biome/bin/biome'), 'check', '--error-on-warnings', '.'] },
  { name: 'tidy', args: ['--import', 'tsx', join(root, 'scripts/tidy.ts')] },
  { name: 'types', args: [bin('typescript/bin/tsc'), '-p', join(root, 'tsconfig.json')] },
  { name: 'dead code', args: [bin('knip/bin/knip.js'), '--no-progress'] },
];

/** How a step ended. `output` is everything it printed. */
export interface StepResult {
  readonly ok: boolean;
  readonly output: string;
  readonly seconds: number;
}

/** Runs one step to its end; never throws. With `show`, its output goes straight to ours as well. */
export function runStep(step: Step, show = false, env: NodeJS.ProcessEnv = process.env): Promise<StepResult> {
  const began = performance.now();
  return new Promise((resolve) => {
    const child = spawn(process.execPath, step.args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks: Buffer[] = [];
    const take = (chunk: Buffer): void => {
      chunks.push(chunk);
      if (show) process.stdout.write(chunk);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    const end = (ok: boolean, more = ''): void =>
      resolve({ ok, output: Buffer.concat(chunks).toString() + more, seconds: (performance.now() - began) / 1000 });
    child.on('error', (error) => end(false, error.message));
    child.on('close', (code) => end(code === 0));
  });
}

/** Runs the static steps in order, prints a line for each (and the output of those that fail), and returns the names of the failed. */
export async function runStaticSteps(): Promise<readonly string[]> {
  const failed: string[] = [];
  for (const step of staticSteps) {
    const result = await runStep(step);
    process.stdout.write(`${stepLine(result.ok, step.name, result.seconds)}\n`);
    if (result.ok) continue;
    failed.push(step.name);
    process.stdout.write(`${result.output.trimEnd()}\n`);
  }
  return failed;
}

/** The one line that says how a step went. */
export function stepLine(ok: boolean, name: string, seconds: number): string {
  return `${ok ? 'ok  ' : 'FAIL'} ${name.padEnd(16)} ${seconds.toFixed(1).padStart(6)} s`;
}
