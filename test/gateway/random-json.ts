/** Random JSON texts for the gateway's fuzzers, and the same texts bent. */
import type { Prng } from '../../src/base/prng.ts';

const scalars = [
  'null',
  'true',
  'false',
  '0',
  '-0',
  '7',
  '-12',
  '1.5',
  '1e3',
  '2E-7',
  '9223372036854775807',
  '18446744073709551616',
  '""',
  '"YQ=="',
  '"7"',
  '" 12 "',
  '"x"',
  '"\\u0041\\n"',
  '"a\\"b\\\\"',
  '"é\u{1f600}"',
  '"DELETE"',
  '"VALUE"',
];
const spaces = ['', '', '', ' ', '\n', '\t\r '];

/** A valid text, at most `depth` deep; names of members come from `names` where given. */
export function randomJson(random: Prng, depth: number, names: readonly string[] = []): string {
  const space = random.pick(spaces);
  const inner = (): string => `${random.pick(spaces)}${randomJson(random, depth - 1, names)}${space}`;
  switch (depth <= 0 ? 0 : random.below(3)) {
    case 0:
      return random.pick(scalars);
    case 1:
      return `[${space}${Array.from({ length: random.below(4) }, inner).join(',')}${space}]`;
    default: {
      const name = (): string =>
        names.length > 0 && random.chance(0.8) ? random.pick(names) : random.pick(['a', 'key', '']);
      const member = (): string => `${space}"${name()}"${space}:${inner()}`;
      return `{${Array.from({ length: random.below(6) }, member).join(',')}${space}}`;
    }
  }
}

const splinters = [
  '"',
  '\\',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '-',
  '.',
  'e',
  '0',
  '1',
  't',
  'n',
  ' ',
  '\n',
  '\x01',
  'u',
  '+',
];

/** Some characters fewer, more or other. */
export function bentText(text: string, random: Prng): string {
  let bent = text;
  for (let bends = random.between(1, 3); bends > 0; bends--) {
    const at = random.below(bent.length + 1);
    const with_ = random.chance(0.3) ? '' : random.pick(splinters);
    bent = bent.slice(0, at) + with_ + bent.slice(random.chance(0.5) ? at : at + 1);
  }
  return bent;
}
