/** The command line of `npm run bench -- compare`. */
import { parseArgs } from 'node:util';
import { roads } from './rows.ts';

export interface CompareOptions {
  readonly roads: readonly string[];
  readonly targets: readonly Target[];
  readonly rounds: number;
  readonly seconds: number;
  readonly warmSeconds: number;
  readonly write: 'simple' | 'markdown' | 'json';
  readonly svg: string | undefined;
  readonly check: boolean;
}

export type Target = 'leasehold' | 'etcd';

export const compareHelp = `Usage: npm run bench -- compare [road…] [flags]

Starts three members, and three of etcd where it is installed, fresh ones for each road, and does the same work on both in turn
(A B A B). Prints medians of the rounds with their spread, the ratio to etcd, the CPU of the servers' processes per operation, and
the load's own share of the machine. Without roads: all of these.

${roads.map((road) => `  ${road}`).join('\n')}

  --rounds=N    of each, one after the other                       (default 3)
  --seconds=S   measured in each round                             (default 3)
  --warm=S      of the same work before, unmeasured                (default 1.5)
  --target=T    leasehold, etcd or both                            (default both)
  -w HOW        simple, markdown, or json: one object a row        (default simple)
  --svg=FILE    also draws the ratios into it
  --check       exit with 1 if a wanted ratio is missed
  --help
`;

/** What is asked for; `help`; or what is wrong with it. */
export function compareArguments(
  args: readonly string[],
): CompareOptions | { readonly help: true } | { readonly mistake: string } {
  const parsed = parse(args);
  if ('mistake' in parsed) return parsed;
  const { values, positionals } = parsed;
  if (values.help) return { help: true };
  const unknown = positionals.find((word) => !roads.includes(word));
  if (unknown !== undefined) return { mistake: `${unknown} is no road of compare` };
  const rounds = Number(values.rounds);
  const seconds = Number(values.seconds);
  const warmSeconds = Number(values.warm);
  if (!Number.isInteger(rounds) || rounds < 1) return { mistake: '--rounds must be a whole number above 0' };
  if (!(seconds > 0)) return { mistake: '--seconds must be above 0' };
  if (!(warmSeconds >= 0)) return { mistake: '--warm must not be below 0' };
  const targets = targetsOf.get(values.target);
  if (targets === undefined) return { mistake: '--target must be leasehold, etcd or both' };
  const write = ways.find((way) => way === values['write-out']);
  if (write === undefined) return { mistake: '-w must be simple, markdown or json' };
  if (values.check && targets.length < 2) return { mistake: '--check compares: it takes --target=both' };
  if (values.svg !== undefined && targets.length < 2) return { mistake: '--svg compares: it takes --target=both' };
  return {
    roads: positionals.length === 0 ? roads : positionals,
    targets,
    rounds,
    seconds,
    warmSeconds,
    write,
    svg: values.svg,
    check: values.check,
  };
}

const targetsOf: ReadonlyMap<string, readonly Target[]> = new Map([
  ['leasehold', ['leasehold']],
  ['etcd', ['etcd']],
  ['both', ['leasehold', 'etcd']],
]);
const ways = ['simple', 'markdown', 'json'] as const;

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        rounds: { type: 'string', default: '3' },
        seconds: { type: 'string', default: '3' },
        warm: { type: 'string', default: '1.5' },
        target: { type: 'string', default: 'both' },
        'write-out': { type: 'string', short: 'w', default: 'simple' },
        svg: { type: 'string' },
        check: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    return { mistake: error instanceof Error ? error.message : String(error) };
  }
}
