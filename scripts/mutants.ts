/**
 * `npm run mutants`: plants every mutant of `test/mutants/` in a copy of the tree and looks for it with the simulator, until an
 * invariant names it. The table it prints is the proof that the checks have teeth.
 */
import { type FlagSpec, parseArgv } from '../src/base/argv.ts';
import { fastest, mutants } from '../test/mutants/all.ts';
import { Hunter, type Verdict } from '../test/mutants/hunter.ts';
import { seedsMax } from '../test/mutants/hunts.ts';
import type { HuntName, Mutant } from '../test/mutants/mutant.ts';

const help = `Usage: npm run mutants [-- flags]

Plants each mutant (a small bug, a patch to the real source) in a copy of the tree outside it, and runs seeds until an invariant is
violated by name. Exit code 1 if one is not caught, if an equivalent one is, or if a patch does not fit any more.

  --only=LIST      ids, comma-separated (M22,O5)
  --fastest        only the ones that npm test plants
  --seeds=N        at most so many seeds a hunt              (default 2000)
  --minutes=N      at most so long a mutant                  (default 20)
  --from=SEED      first seed                                (default 1)
  --hunt=PREFIX    only in hunts whose name begins so (sim, sim:leases, raft, primary, scenario)
  --clean          no mutant: the same hunts and seeds on the clean tree must pass (--seeds of each; default 50)
  --verbose        the first line of each failure
  --list           what there is, planted nowhere
  -w json          one JSON object a mutant
  -w markdown      the table of docs/TESTING.md
  --help
`;

const specs: readonly FlagSpec[] = [
  ...['only', 'seeds', 'minutes', 'from', 'hunt'].map((name) => ({ name, kind: 'value' as const })),
  { name: 'write-out', short: 'w', kind: 'value' },
  ...['fastest', 'clean', 'verbose', 'list', 'help'].map((name) => ({ name, kind: 'switch' as const })),
];

const parsed = parseArgv(process.argv.slice(2), specs);
if (parsed.type !== 'parsed')
  refuse(`--${parsed.flag} ${parsed.type === 'unknownFlag' ? 'is no flag' : 'needs a value'}`);
const { flags } = parsed;
if (flags.has('help')) {
  process.stdout.write(help);
  process.exit(0);
}
const format = flags.get('write-out') ?? 'text';
if (!['text', 'json', 'markdown'].includes(format)) refuse(`-w ${format} is none of text, json, markdown`);
const limits = {
  firstSeed: positive('from', 1),
  seeds: positive('seeds', flags.has('clean') ? 50 : 2_000),
  seconds: 60 * positive('minutes', 20),
};
const chosen = choose();
if (flags.has('list')) {
  for (const { id, what, caughtBy } of chosen) say(`${id.padEnd(5)} ${what}  [${caughtBy.join(', ')}]`);
  process.exit(0);
}
process.exitCode = flags.has('clean') ? await runClean() : await runMutants();

async function runMutants(): Promise<number> {
  const hunter = new Hunter();
  let bad = 0;
  say(row('mutant', 'verdict', 'by', 'seeds', 'seconds', 'hunt', 'what'));
  try {
    for (const mutant of chosen) {
      const verdict = await hunter.hunt(mutant, limits);
      if (!verdict.good) bad++;
      if (format === 'json') process.stdout.write(`${JSON.stringify(verdict)}\n`);
      else if (format === 'markdown') process.stdout.write(`${markdown(mutant, verdict)}\n`);
      else print(mutant, verdict);
    }
  } finally {
    hunter.close();
  }
  say(`${chosen.length - bad} of ${chosen.length} mutants as they should be`);
  return bad === 0 ? 0 : 1;
}

async function runClean(): Promise<number> {
  const hunter = new Hunter();
  let bad = 0;
  const names = [...new Set(chosen.flatMap((mutant) => mutant.hunts))];
  try {
    for (const name of names) bad += await cleanHunt(hunter, name);
  } finally {
    hunter.close();
  }
  return bad === 0 ? 0 : 1;
}

async function cleanHunt(hunter: Hunter, name: HuntName): Promise<number> {
  const said = await hunter.run(name, { ...limits, seeds: Math.min(limits.seeds, seedsMax(name)) });
  const broken = said.filter(({ type }) => type !== 'end');
  const seeds = said.find(({ type }) => type === 'end')?.seeds ?? 0;
  say(`${broken.length === 0 ? 'clean ' : 'BROKEN'} ${name.padEnd(32)} ${seeds} seeds`);
  for (const { message } of broken) say(`       ${message ?? ''}`);
  return broken.length;
}

function print(mutant: Mutant, verdict: Verdict): void {
  const { id, outcome, good, invariant, seeds, seconds, hunt, what, line, crashes } = verdict;
  const expected = invariant === undefined || mutant.caughtBy.includes(invariant);
  const word = good ? outcome : outcome.toUpperCase();
  say(row(id, word, `${invariant ?? '-'}${expected ? '' : ' (!)'}`, `${seeds}`, seconds.toFixed(1), hunt ?? '-', what));
  if (!good || flags.has('verbose'))
    say(`      ${crashes > 0 ? `${crashes} nameless crashes; ` : ''}${line.slice(0, 200)}`);
}

function markdown(mutant: Mutant, { id, outcome, invariant, hunt, seeds, seconds, what }: Verdict): string {
  const { equivalent, without } = mutant;
  const note = equivalent !== undefined ? `. *Harmless: ${equivalent.because}; pair ${equivalent.pair}*` : '';
  const hidden = without === undefined ? '' : `. *Without: ${without}*`;
  const by = outcome === 'caught' ? invariant : outcome;
  return `| ${id} | ${what}${note}${hidden} | ${by} | ${hunt ?? '-'} | ${seeds} | ${seconds.toFixed(1)} |`;
}

function row(
  id: string,
  verdict: string,
  by: string,
  seeds: string,
  seconds: string,
  hunt: string,
  what: string,
): string {
  return `${id.padEnd(6)} ${verdict.padEnd(8)} ${by.padEnd(9)} ${seeds.padStart(5)} ${seconds.padStart(7)}  ${hunt.padEnd(28)} ${what}`;
}

function choose(): readonly Mutant[] {
  const only = flags.get('only')?.split(',') ?? (flags.has('fastest') ? fastest : undefined);
  const stranger = only?.find((id) => !mutants.some((mutant) => mutant.id === id));
  if (stranger !== undefined) refuse(`there is no mutant ${stranger}; --list names all`);
  const prefix = flags.get('hunt') ?? '';
  return mutants
    .filter(({ id }) => only === undefined || only.includes(id))
    .map((mutant) => ({ ...mutant, hunts: mutant.hunts.filter((name) => name.startsWith(prefix)) }))
    .filter(({ hunts }) => hunts.length > 0);
}

function positive(name: string, fallback: number): number {
  const number = Number(flags.get(name) ?? fallback);
  if (!(number > 0)) refuse(`--${name} must be a number above 0`);
  return number;
}

function say(line: string): void {
  if (format === 'text') process.stdout.write(`${line}\n`);
}

function refuse(why: string): never {
  process.stderr.write(`mutants: ${why}; --help lists all flags\n`);
  process.exit(2);
}
