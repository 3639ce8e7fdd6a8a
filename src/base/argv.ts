/**
 * Command lines as etcd's programs read them: `--flag value`, `--flag=value`, `-f value`, booleans that may stand alone,
 * `--` ends the flags. Pure: it knows no flag by itself and prints nothing; mistakes are values.
 */

/** One flag a program takes. */
export interface FlagSpec {
  readonly name: string;
  /** One letter, for `-w json`. */
  readonly short?: string;
  /** A switch may stand alone and takes a value only with `=`. */
  readonly kind: 'value' | 'switch';
}

/** What a command line says. Flags given twice: the last one wins. */
export interface ParsedArgv {
  readonly type: 'parsed';
  readonly flags: ReadonlyMap<string, string>;
  readonly args: readonly string[];
  /** How many of `args` stood behind `--`. */
  readonly behindDashes: number;
}

/** What is wrong with a command line; `flag` as it was typed, without dashes. */
export type ArgvMistake =
  | { readonly type: 'unknownFlag'; readonly flag: string; readonly nearest: string | undefined }
  | { readonly type: 'missingValue'; readonly flag: string };

/** Reads `argv` (without the program's name). Flags may stand before, between and behind arguments. */
export function parseArgv(argv: readonly string[], specs: readonly FlagSpec[]): ParsedArgv | ArgvMistake {
  const flags = new Map<string, string>();
  const args: string[] = [];
  let behindDashes = 0;
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? '';
    if (word === '--') {
      behindDashes = argv.length - i - 1;
      args.push(...argv.slice(i + 1));
      break;
    }
    if (!word.startsWith('-') || word === '-') {
      args.push(word);
      continue;
    }
    const equals = word.indexOf('=');
    const typed = word.slice(word.startsWith('--') ? 2 : 1, equals < 0 ? undefined : equals);
    const spec = findSpec(word, typed, specs);
    if (spec === undefined)
      return {
        type: 'unknownFlag',
        flag: typed,
        nearest: nearestName(
          typed,
          specs.map((one) => one.name),
        ),
      };
    if (equals >= 0) flags.set(spec.name, word.slice(equals + 1));
    else if (spec.kind === 'switch') flags.set(spec.name, 'true');
    else {
      const next = argv[i + 1];
      if (next === undefined) return { type: 'missingValue', flag: spec.name };
      flags.set(spec.name, next);
      i++;
    }
  }
  return { type: 'parsed', flags, args, behindDashes };
}

/** `-name` is accepted like `--name`, as Go's flag package does; a single letter is a short name first. */
function findSpec(word: string, typed: string, specs: readonly FlagSpec[]): FlagSpec | undefined {
  if (!word.startsWith('--') && typed.length === 1) return specs.find((spec) => spec.short === typed);
  return specs.find((spec) => spec.name === typed);
}

/** The name closest to a mistyped one, if it is close enough to be what was meant. */
export function nearestName(typed: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(typed.length / 3)) + 1;
  for (const name of names) {
    const distance = name.startsWith(typed) && typed.length >= 4 ? 1 : editDistance(typed, name);
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

/** Insertions, deletions and substitutions between two words (Levenshtein). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

const unitMs: readonly (readonly [string, number])[] = [
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['ms', 1],
  ['s', 1e3],
  ['m', 60e3],
  ['h', 3600e3],
];

/** Go's durations ("5s", "300ms", "1m30s") in milliseconds; undefined if it is none. Units are required, but for "0". */
export function parseDurationMs(text: string): number | undefined {
  if (text === '0') return 0;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)];
  if (parts.length === 0 || parts.map((part) => part[0]).join('') !== text) return undefined;
  return parts.reduce(
    (sum, [, count, unit]) => sum + Number(count) * (unitMs.find(([name]) => name === unit)?.[1] ?? 0),
    0,
  );
}

/** Go's `strconv.ParseBool`; undefined if it is none. */
export function parseSwitch(text: string): boolean | undefined {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)) return false;
  return undefined;
}
