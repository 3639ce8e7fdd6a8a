import { expect, test } from 'vitest';
import { World } from './world.ts';

/** More seeds, or one: `PRIMARY_SEEDS=100000`, `PRIMARY_SEED=17`. */
const seeds = Number(process.env['PRIMARY_SEEDS'] ?? 4_000);
const only = process.env['PRIMARY_SEED'];

test(`L1, L2, L4, L6, no false dead: ${seeds} seeds of three primaries over one log`, { timeout: 600_000 }, () => {
  const seen: Record<string, number> = {};
  for (let seed = only === undefined ? 1 : Number(only); seed <= (only === undefined ? seeds : Number(only)); seed++) {
    const world = new World(seed);
    try {
      world.run(250);
    } catch (error) {
      throw new Error(`${error}\nPRIMARY_SEED=${seed} npx vitest run test/primary/world.test.ts`, { cause: error });
    }
    for (const [what, count] of Object.entries(world.seen)) seen[what] = (seen[what] ?? 0) + count;
  }
  // The search went where it hurts, or it proves nothing.
  if (only === undefined)
    for (const count of Object.values(seen)) expect(count, JSON.stringify(seen)).toBeGreaterThan(50);
});
