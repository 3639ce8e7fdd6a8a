/** Every schedule that once failed stays here and must pass: `test/sim/regress/*.json`, named in the track record of TESTING.md. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { runSchedule } from './run.ts';
import { decodeSchedule } from './schedule.ts';

const directory = fileURLToPath(new URL('regress', import.meta.url));
const names = readdirSync(directory).filter((name) => name.endsWith('.json'));

test.each(names)('%s', (name) => {
  runSchedule(decodeSchedule(readFileSync(join(directory, name), 'utf8')));
});

test('what failed once is kept', () => {
  expect(names.length).toBeGreaterThan(0);
});
