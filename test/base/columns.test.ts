import { expect, it } from 'vitest';
import { Float64Column, Int32Column, RefColumn, Uint8Column } from '../../src/base/columns.ts';
import { Prng } from '../../src/base/prng.ts';

/** Beyond several pieces, with stretches nobody writes to. */
const slots = 200_000;

it.each([
  ['doubles', new Float64Column(), (prng: Prng) => prng.unit() * 1e15],
  ['whole numbers', new Int32Column(), (prng: Prng) => prng.uint32() | 0],
  ['bytes', new Uint8Column(), (prng: Prng) => prng.below(256)],
] as const)('a column of %s holds what was written, and 0 elsewhere', (_name, column, draw) => {
  const prng = new Prng(7, 'columns');
  const model = new Map<number, number>();
  for (let i = 0; i < 20_000; i++) {
    const slot = prng.below(3) === 0 ? prng.below(slots) : prng.below(1_000);
    const value = draw(prng);
    column.set(slot, value);
    model.set(slot, value);
  }
  for (let slot = 0; slot < slots; slot += 7) expect(column.get(slot)).toBe(model.get(slot) ?? 0);
  for (const [slot, value] of model) expect(column.get(slot)).toBe(value);
});

it('where nothing was ever written there is 0, and no memory', () => {
  const before = process.memoryUsage().arrayBuffers;
  const [numbers, references] = [new Float64Column(), new RefColumn<object>()];
  numbers.set(100_000_000, 1);
  expect([numbers.get(0), numbers.get(100_000_000), numbers.get(2 ** 31), numbers.get(-1)]).toEqual([0, 1, 0, 0]);
  references.set(100_000_000, undefined);
  expect([references.get(100_000_000), references.get(5)]).toEqual([undefined, undefined]);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024);
});

it('a column of references gives back the very object', () => {
  const column = new RefColumn<{ n: number }>();
  const objects = Array.from({ length: 40_000 }, (_, n) => ({ n }));
  for (const object of objects) column.set(object.n, object);
  expect(objects.every((object) => column.get(object.n) === object)).toBe(true);
  column.set(3, undefined);
  expect(column.get(3)).toBeUndefined();
});
