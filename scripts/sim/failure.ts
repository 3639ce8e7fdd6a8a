/** What happens when a run fails: it is shrunk, written down, and the command that replays it is the last line. */
import { writeFileSync } from 'node:fs';
import { Failure, type RunReport } from '../../test/sim/report.ts';
import { runSchedule } from '../../test/sim/run.ts';
import { encodeSchedule, type Schedule } from '../../test/sim/schedule.ts';
import { type Failing, shrink } from '../../test/sim/shrink.ts';
import { traceOf } from '../../test/sim/trace.ts';
import { commitOfTree } from './progress.ts';

export interface Failed {
  readonly failing: Failing;
  readonly message: string;
}
export interface Passed {
  readonly failing: undefined;
  readonly report: RunReport;
  /** Runs it again, telling what happens. */
  writeTrace(path: string): void;
}

/** Runs a schedule once. */
export function tryOnce(schedule: Schedule): Failed | Passed {
  try {
    const report = runSchedule(schedule);
    return {
      failing: undefined,
      report,
      writeTrace: (path) => writeFileSync(path, `${traceOf(schedule).join('\n')}\n`),
    };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const { invariant, atMs } = error;
    return { failing: { invariant, atMs }, message: error.message };
  }
}

/** Tells of the failure, shrinks it, writes `repro-<invariant>-<seed>.json` and its trace. Returns the exit code. */
export function reportFailure(
  schedule: Schedule,
  { failing, message }: Failed,
  options: { readonly shrinkSeconds: number; readonly json: boolean; readonly file?: string | undefined },
): number {
  const say = (line: string): void => {
    if (!options.json) process.stdout.write(`${line}\n`);
  };
  const seed = `0x${schedule.seed.toString(16)}`;
  say(`FAILED ${failing.invariant} at ${(failing.atMs / 1_000).toFixed(3)} s of seed ${seed} (${schedule.profile})`);
  say(message);

  const endMs = performance.now() + options.shrinkSeconds * 1_000;
  const small = shrink(
    schedule,
    failing,
    (candidate) => tryOnce(candidate).failing,
    () => performance.now() >= endMs,
  );
  const name = `repro-${failing.invariant.replaceAll(' ', '-')}-${schedule.seed.toString(16)}`;
  writeFileSync(`${name}.json`, encodeSchedule(small.schedule));
  writeFileSync(`${name}.trace`, `${traceOf(small.schedule).join('\n')}\n`);

  const sizeOf = ({ faults, ops, members }: Schedule): string =>
    `${faults.length} faults, ${ops.length} operations, ${members} members`;
  const after = `${small.tries} tries${small.timedOut ? ', out of time' : ''}`;
  say(`shrunk from ${sizeOf(schedule)} to ${sizeOf(small.schedule)} (${after})`);
  say(`written: ${name}.json, ${name}.trace (legend in docs/TESTING.md)`);
  const { file } = options;
  const which = file === undefined ? `--profile=${schedule.profile} --seed=${seed}` : `--schedule=${file}`;
  const again = `npm run sim -- ${which}`;
  const commit = commitOfTree();
  if (options.json) {
    const { invariant, atMs } = failing;
    process.stdout.write(
      `${JSON.stringify({ invariant, atMs, seed, commit, message, repro: `${name}.json`, again })}\n`,
    );
  }
  say(`commit ${commit}; replay: ${again}   or, shrunk: npm run sim -- --schedule=${name}.json`);
  return 1;
}
