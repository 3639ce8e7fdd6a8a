/**
 * The index of the conformance list: every case from 1 on is looked at somewhere, or said not to be there. A test that is named here is
 * really in its file and is not switched off. The last thing it prints is the count.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { elsewhere, lastCase, notThere } from './cases.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const here = join(root, 'test/conformance');

/** The cases that the titles of a file of this folder begin with: `C8 …`, `C56, C58 …`. */
function casesIn(source: string): number[] {
  const titles = [...source.matchAll(/^(?:test|it)(?:\.each\([\s\S]*?\)\s*)?\(\s*['`]((?:C\d+, )*C\d+) /gm)];
  return titles.flatMap(([, numbers = '']) => [...numbers.matchAll(/C(\d+)/g)].map(([, number]) => Number(number)));
}

const own = new Set(
  readdirSync(here)
    .filter((name) => name.endsWith('.test.ts') && name !== 'cases.test.ts')
    .flatMap((name) => casesIn(readFileSync(join(here, name), 'utf8'))),
);
const all = Array.from({ length: lastCase }, (_, i) => i + 1);

test('every case is in this folder, or is tested elsewhere, or is said not to be there; none is two of these', () => {
  const places = all.map((number) => [
    number,
    [own.has(number), number in elsewhere, number in notThere].filter(Boolean).length,
  ]);
  expect(places.filter(([, count]) => count !== 1)).toEqual([]);
  const known = new Set(all);
  for (const number of [...own, ...Object.keys(elsewhere), ...Object.keys(notThere)])
    expect(known).toContain(Number(number));
});

test.each(Object.entries(elsewhere))('the tests named for C%s are there, and are run', (_, tests) => {
  for (const { file, title } of tests) {
    const source = readFileSync(join(root, file), 'utf8');
    const quoted = ["'", '`'].map((quote) => `(${quote}${title}${quote}`);
    const at = quoted.map((text) => source.replace(/\(\s+(?=['`])/g, '(').indexOf(text)).find((index) => index >= 0);
    expect(at, `${file}: ${title}`).toBeDefined();
    const line = source
      .replace(/\(\s+(?=['`])/g, '(')
      .slice(0, at)
      .split('\n')
      .at(-1);
    expect(line).toMatch(/^ *(test|it)(\.|$)/);
    expect(line).not.toMatch(/\.(skip|todo|only)\b/);
  }
});

afterAll(() => {
  const absent = Object.entries(notThere);
  for (const [number, why] of absent) process.stdout.write(`C${number} is not there: ${why}\n`);
  const counts = `${own.size} here, ${Object.keys(elsewhere).length} elsewhere, ${absent.length} listed as not there`;
  process.stdout.write(`conformance: ${lastCase} cases: ${counts}\n`);
});
