/**
 * `npm run holders`: holders of locks, terms and leases under faults, round after round: whoever runs and believes to hold is the only one
 * whom the cluster let in. The last line of a failure is the command that replays it.
 */
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { type FlagSpec, parseArgv } from '../src/base/argv.ts';
import { runReal } from '../test/client/faults/real/rounds.ts';
import { Totals } from '../test/client/faults/said.ts';
import { runRounds } from './holders/simulated.ts';
import { countOf, seedOf } from './sim/numbers.ts';
import { commitOfTree } from './sim/progress.ts';

const help = `Usage: npm run holders [-- flags]

Clients of leasehold/client compete for one lock, on virtual time, while their processes are paused, suspended, cut off, closed and killed,
their wall clocks jump, and members die. Checked at every step: a running process believes to hold only what the cluster gave to nobody
else; the first look after a pause says lost where it is; a store that checks tokens takes nothing stale; at the end the lock is
free for who wants it, and closed clients leave nothing behind. docs/TESTING.md has more.

  --rounds=N        so many rounds from a random seed, or from --seed   (default 200)
  --seed=0x…        this one; with --rounds: N from here
  --kind=KIND       only bare (leases and a key), lock or election      (default: drawn)
  --real            real processes and time: a member, holders that compete for locks through a TCP proxy, and are stopped (SIGSTOP)
                    and cut off; a round is one fault                   (needs npm run build)
  --naive           holders without signal and tokens, to count what the others are spared; exit code 1 if nothing is seen
  --jobs=N          processes at once                                   (default 1; this machine has ${availableParallelism()} cores)
  -w json           one JSON object at the end
  --help

Exit code 1 if a promise was broken.
`;

const specs: readonly FlagSpec[] = [
  ...['rounds', 'seed', 'kind', 'jobs'].map((name) => ({ name, kind: 'value' as const })),
  { name: 'write-out', short: 'w', kind: 'value' },
  { name: 'real', kind: 'switch' },
  { name: 'naive', kind: 'switch' },
  { name: 'help', kind: 'switch' },
];

const parsed = parseArgv(process.argv.slice(2), specs);
if (parsed.type !== 'parsed')
  refuse(`--${parsed.flag} ${parsed.type === 'unknownFlag' ? 'is no flag' : 'needs a value'}`);
const { flags, args } = parsed;
if (flags.has('help')) {
  process.stdout.write(help);
  process.exit(0);
}
if (args.length > 0) refuse(`"${args[0]}" is no flag`);
const json = flags.get('write-out') === 'json';
const kind = flags.get('kind') ?? 'any';
if (!['any', 'bare', 'lock', 'election'].includes(kind)) refuse(`--kind=${kind} is none of bare, lock, election`);
process.exitCode = flags.has('real') ? await real() : await simulated();

async function simulated(): Promise<number> {
  const seedText = flags.get('seed');
  const first = seedText === undefined ? BigInt(`0x${randomBytes(6).toString('hex')}`) : seedOf(seedText, refuse);
  const count = number('rounds', seedText === undefined ? 200 : 1);
  const naive = flags.has('naive');
  const totals = new Totals();
  const began = performance.now();
  const from = `0x${first.toString(16)}`;
  say(`${count} rounds from ${from}`);
  const failed = await runRounds({ first, count, jobs: number('jobs', 1), kind, naive }, (passed) => {
    totals.add(passed);
    if (json) return;
    if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K${totals.rounds}/${count} rounds`);
    else if (totals.rounds % 1_000 === 0) say(`${totals.rounds}/${count} rounds`);
  });
  const seconds = (performance.now() - began) / 1_000;
  const commit = commitOfTree();
  if (process.stdout.isTTY && !json) process.stdout.write('\r\x1b[K');
  if (failed !== undefined) {
    const again = `npm run holders -- --seed=${failed.seed}${kind === 'any' ? '' : ` --kind=${kind}`}${naive ? ' --naive' : ''}`;
    if (json) process.stdout.write(`${JSON.stringify({ ...failed, commit, again })}\n`);
    say(`FAILED ${failed.invariant} in round ${failed.seed} (${failed.kind}), after ${totals.rounds} that passed`);
    say(failed.message);
    say(`commit ${commit}; replay: ${again}`);
    return 1;
  }
  const clean = !naive || totals.overlaps + totals.stale > 0;
  if (json) process.stdout.write(`${JSON.stringify({ from, clean, naive, seconds, commit, ...totals })}\n`);
  else print(totals, seconds, `${from}${naive ? ', naive' : ''}; commit ${commit}`);
  return clean ? 0 : 1;
}

async function real(): Promise<number> {
  const seedText = flags.get('seed') ?? `0x${randomBytes(6).toString('hex')}`;
  const seed = seedOf(seedText, refuse);
  const count = number('rounds', 20);
  const naive = flags.has('naive');
  const began = performance.now();
  say(`${count} real rounds, seed ${seedText}`);
  const report = await runReal({
    seed,
    naive,
    rounds: count,
    heard: (rounds) => {
      if (process.stdout.isTTY && !json) process.stdout.write(`\r\x1b[K${rounds}/${count} rounds`);
    },
  });
  const seconds = (performance.now() - began) / 1_000;
  const commit = commitOfTree();
  const good = naive === report.violations.length > 0;
  if (process.stdout.isTTY && !json) process.stdout.write('\r\x1b[K');
  if (json) process.stdout.write(`${JSON.stringify({ seed: seedText, good, naive, seconds, commit, ...report })}\n`);
  for (const violation of report.violations.slice(0, 20)) say(`${naive ? 'seen' : 'FAILED'} ${violation}`);
  const { holds, handovers, told, asleep, closestMs, accepted, turnedAway, violations } = report;
  say(`faults: ${list(report.faults)}`);
  say(
    `${holds} holds, ${handovers} followed by another: ${told} after their signal had aborted, ${asleep} while asleep`,
  );
  if (told > 0) say(`the closest such abort was ${closestMs.toFixed(0)} ms before another was let in`);
  say(`${accepted} writes accepted, ${turnedAway} turned away by their token`);
  say(
    `${report.rounds} rounds in ${seconds.toFixed(0)} s, ${violations.length} violations${naive ? ' of naive holders' : ''}; ` +
      `commit ${commit}; the same faults: npm run holders -- --real --rounds=${count} --seed=${seedText}${naive ? ' --naive' : ''}`,
  );
  return good ? 0 : 1;
}

function list(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
}

function print(totals: Totals, seconds: number, about: string): void {
  say(`faults: ${list(totals.faults)}`);
  say(`${totals.holds} holds (${list(totals.kinds)}), ${totals.changes} changes of owner, ${totals.writes} writes`);
  say(`${totals.looks} first looks after a pause or a jump, ${totals.looksLost} said lost`);
  say(`${totals.timedOut} holds had been ended by a timer when another was let in`);
  say(`${totals.turnedAway} late writes turned away by their token`);
  if (flags.has('naive'))
    say(`${totals.overlaps} times another was let in while a naive holder believed; ${totals.stale} stale writes`);
  const perRound = totals.cpuMs / Math.max(1, totals.rounds);
  say(
    `${totals.rounds} rounds ${flags.has('naive') ? 'run' : 'clean'}: ${(totals.simulatedMs / 1_000).toFixed(0)} s simulated in ` +
      `${seconds.toFixed(1)} s, ${perRound.toFixed(0)} ms of a core each; from ${about}`,
  );
}

function say(line: string): void {
  if (!json) process.stdout.write(`${line}\n`);
}

function number(name: string, fallback: number): number {
  return countOf(name, flags.get(name) ?? fallback, 1, refuse);
}

function refuse(why: string): never {
  process.stderr.write(`holders: ${why}; --help lists all flags\n`);
  process.exit(2);
}
