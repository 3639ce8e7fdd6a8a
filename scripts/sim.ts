/**
 * `npm run sim`: the cluster in virtual time, seed after seed, with every check on. A failure is shrunk to a small schedule, written
 * to a file together with a readable trace, and the last line is the command that replays it.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { type FlagSpec, parseArgv } from '../src/base/argv.ts';
import { drawSchedule } from '../test/sim/draw.ts';
import { profiles } from '../test/sim/profiles.ts';
import { decodeSchedule, type Schedule } from '../test/sim/schedule.ts';
import { reportFailure, tryOnce } from './sim/failure.ts';
import { countOf, seedOf } from './sim/numbers.ts';
import { Progress } from './sim/progress.ts';
import { runSeeds } from './sim/seeds.ts';

const help = `Usage: npm run sim [-- flags]

Runs the real node over simulated disks, clocks and network. One seed is one run: at least a minute of faults under load, then
healing and rest; every check is on.

  --seeds=N         so many seeds from a random one            (default 20)
  --seed=0x…        this one; with --seeds: N from here
  --profile=NAME    ${Object.keys(profiles).join(', ')}
                    (default usual)
  --schedule=FILE   run a written schedule, as a failure leaves behind
  --jobs=N          processes at once                          (default 1; this machine has ${availableParallelism()} cores)
  --coverage        how often each fault struck, and each two met
  --trace=FILE      with one seed or a schedule: write what happened, line by line
  --shrink-seconds=N  how long a failure is shrunk             (default 60; 0: not)
  -w json           one JSON object at the end
  --help

Exit code 1 if a check failed.
`;

const specs: readonly FlagSpec[] = [
  ...['seeds', 'seed', 'profile', 'schedule', 'jobs', 'trace', 'shrink-seconds'].map((name) => ({
    name,
    kind: 'value' as const,
  })),
  { name: 'write-out', short: 'w', kind: 'value' },
  { name: 'coverage', kind: 'switch' },
  { name: 'help', kind: 'switch' },
];

const parsed = parseArgv(process.argv.slice(2), specs);
if (parsed.type !== 'parsed') {
  const nearest = parsed.type === 'unknownFlag' && parsed.nearest !== undefined ? ` (--${parsed.nearest}?)` : '';
  refuse(`--${parsed.flag} ${parsed.type === 'unknownFlag' ? `is no flag${nearest}` : 'needs a value'}`);
}
const { flags, args } = parsed;
if (flags.has('help')) {
  process.stdout.write(help);
  process.exit(0);
}
if (args.length > 0) refuse(`"${args[0]}" is no flag`);
const json = flags.get('write-out') === 'json';
const profile = flags.get('profile') ?? 'usual';
if (profiles[profile] === undefined) refuse(`--profile=${profile} is not one of ${Object.keys(profiles).join(', ')}`);
const shrinkSeconds = number('shrink-seconds', 60);
const file = flags.get('schedule');
process.exitCode = await main();

async function main(): Promise<number> {
  if (file !== undefined) return runOne(readSchedule(file));
  const seedText = flags.get('seed');
  const seed = seedText === undefined ? BigInt(`0x${randomBytes(6).toString('hex')}`) : seedOf(seedText, refuse);
  if (seedText !== undefined && !flags.has('seeds')) return runOne(drawSchedule(seed, profile));
  return runMany(seed, number('seeds', 20));
}

/** A single run, in this process. */
function runOne(schedule: Schedule): number {
  const progress = new Progress(1, json);
  const began = process.cpuUsage();
  const outcome = tryOnce(schedule);
  const { user, system } = process.cpuUsage(began);
  if (outcome.failing !== undefined) return reportFailure(schedule, outcome, { shrinkSeconds, json, file });
  progress.passed(outcome.report, (user + system) / 1_000);
  const trace = flags.get('trace');
  if (trace !== undefined) outcome.writeTrace(trace);
  progress.finish(`0x${schedule.seed.toString(16)}`, schedule.profile, flags.has('coverage'));
  if (!json) process.stdout.write(`trace hash ${outcome.report.traceHash}\n`);
  return 0;
}

async function runMany(first: bigint, count: number): Promise<number> {
  const progress = new Progress(count, json);
  if (!json) process.stdout.write(`${count} seeds from 0x${first.toString(16)}, profile ${profile}\n`);
  const failed = await runSeeds({ profile, first, count, jobs: number('jobs', 1) }, (passed) => progress.add(passed));
  progress.finish(`0x${first.toString(16)}`, profile, flags.has('coverage'), failed === undefined);
  if (failed === undefined) return 0;
  const schedule = drawSchedule(BigInt(failed.seed), profile);
  const failing = { invariant: failed.invariant, atMs: failed.atMs };
  return reportFailure(schedule, { failing, message: failed.message }, { shrinkSeconds, json });
}

function readSchedule(path: string): Schedule {
  try {
    return decodeSchedule(readFileSync(path, 'utf8'));
  } catch (error) {
    return refuse(`--schedule=${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function number(name: string, fallback: number): number {
  return countOf(name, flags.get(name) ?? fallback, name === 'shrink-seconds' ? 0 : 1, refuse);
}

function refuse(why: string): never {
  process.stderr.write(`sim: ${why}; --help lists all flags\n`);
  process.exit(2);
}
