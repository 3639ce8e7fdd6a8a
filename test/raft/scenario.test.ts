/** Golden scenarios: each file of `scenarios/` says what happens in a classic trap. `REWRITE=1` writes what happens now. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from './scenario.ts';

const folder = join(import.meta.dirname, 'scenarios');

for (const file of readdirSync(folder).sort()) {
  test(`scenario ${file}`, () => {
    const golden = readFileSync(join(folder, file), 'utf8');
    const now = run(golden);
    if (process.env['REWRITE'] === '1') writeFileSync(join(folder, file), now);
    else expect(now).toBe(golden);
  });
}
