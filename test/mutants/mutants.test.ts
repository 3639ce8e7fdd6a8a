/** The mutants still fit the source, and the five that are caught soonest are caught. `npm run mutants` hunts all of them. */
import { afterAll, expect, test } from 'vitest';
import { fastest, mutants } from './all.ts';
import { Hunter } from './hunter.ts';
import { patched, readSource } from './plant.ts';

const hunter = new Hunter();
afterAll(() => hunter.close());

test.each(mutants)('$id fits', (mutant) => {
  const files = patched(mutant, readSource);
  expect(files instanceof Error ? files.message : '').toBe('');
  expect(mutant.caughtBy.length).toBeGreaterThan(0);
});

test('ids are given once, and a harmless mutant names the pair that is not', () => {
  const ids = mutants.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  for (const { equivalent } of mutants) if (equivalent !== undefined) expect(ids).toContain(equivalent.pair);
});

test.each(fastest)('%s is caught', { timeout: 60_000 }, async (id) => {
  const mutant = mutants.find((one) => one.id === id);
  if (mutant === undefined) throw new Error(`${id} is no mutant`);
  const verdict = await hunter.hunt(mutant, { firstSeed: 1, seeds: 200, seconds: 20 });
  expect(verdict).toMatchObject({ outcome: 'caught', good: true });
  expect(mutant.caughtBy).toContain(verdict.invariant);
});
