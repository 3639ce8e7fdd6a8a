import { describe, expect, it } from 'vitest';
import { hashOf, IdTable, NO_SLOT } from '../../src/base/id-table.ts';
import { Prng } from '../../src/base/prng.ts';

const MIN = -(2n ** 63n);
const MAX = 2n ** 63n - 1n;

describe('IdTable', () => {
  it('keeps every bit of an id', () => {
    const table = new IdTable();
    const ids = [
      0n,
      1n,
      -1n,
      MIN,
      MAX,
      7587861231231231231n,
      7587861231231231232n,
      1n << 32n,
      (1n << 32n) + 1n,
      -(1n << 32n),
    ];
    const slots = ids.map((id) => table.add(id));
    expect(new Set(slots).size).toBe(ids.length);
    ids.forEach((id, i) => {
      expect(table.find(id)).toBe(slots[i]);
      expect(table.idAt(slots[i] as number)).toBe(id);
    });
    expect(table.find(2n)).toBe(NO_SLOT);
    expect(table.findHalves(-1, -1)).toBe(table.find(-1n));
    expect(() => table.add(MIN)).toThrow('added once');
  });

  it.each([1, 2, 3, 4])('does what a Map does under churn, seed %i', (seed) => {
    const prng = new Prng(seed, 'id-table');
    const table = new IdTable();
    const model = new Map<bigint, number>();
    // Few ids, in clusters: long runs of cells, and removal from their middle.
    const draw = () =>
      BigInt.asIntN(64, (BigInt(prng.below(3)) << 40n) - BigInt(prng.below(400)) * (seed % 2 === 0 ? 1n : 4096n));
    for (let i = 0; i < 20_000; i++) {
      const id = draw();
      const slot = model.get(id);
      expect(table.find(id), `seed ${seed} step ${i}`).toBe(slot ?? NO_SLOT);
      if (slot === undefined) model.set(id, table.add(id));
      else {
        table.remove(slot);
        model.delete(id);
      }
    }
    expect(table.size).toBe(model.size);
    expect(new Set(model.values()).size).toBe(model.size);
    for (const [id, slot] of model) expect(table.idAt(slot)).toBe(id);
    expect(table.slotCount).toBeLessThanOrEqual(1_200);
  });

  it('stays as small as its fullest moment, however often ids come and go (C46)', () => {
    const table = new IdTable();
    for (let i = 0; i < 1_000_000; i++) {
      const slot = table.add(BigInt(i) * 0x9e3779b97f4an);
      table.remove(slot);
    }
    expect(table.slotCount).toBe(1);
    expect(table.size).toBe(0);
  });

  it('restores ids in their slots, with the slots between free', () => {
    const table = new IdTable();
    expect(table.restoreHalves(3, 0, 7)).toBe(true);
    expect(table.restoreHalves(70, -1, -7)).toBe(true);
    expect(table.restoreHalves(71, 0, 7)).toBe(false);
    expect([table.find(7n), table.find(-7n), table.size, table.slotCount]).toEqual([3, 70, 2, 71]);
    const given = Array.from({ length: 70 }, (_, i) => table.add(BigInt(100 + i)));
    expect(new Set([...given, 3, 70]).size).toBe(72);
    expect([Math.min(...given), Math.max(...given)]).toEqual([0, 71]);
    expect(given.slice(0, -1).every((slot) => slot < 70)).toBe(true);
    expect(() => table.restoreHalves(5, 0, 1_000)).toThrow('ascending');
  });

  it('refuses to remove what is not there', () => {
    const table = new IdTable();
    const slot = table.add(5n);
    table.remove(slot);
    expect(() => table.remove(slot)).toThrow('only a taken slot');
  });
});

it('ids chosen to fall into one run of cells under one seed do not under another', () => {
  const defaultSeed = 0x297a2d39;
  const chosen = Array.from({ length: 8_000 }, (_, i): [number, number] => {
    const lo = i + 1;
    const first = Math.imul(lo ^ defaultSeed, 0x2c1b3c6d);
    return [first ^ (first >>> 16), lo];
  });
  // How many cells of 2^14 the ids would have to themselves, or share with a few.
  const homes = (seed: number): number => new Set(chosen.map(([hi, lo]) => hashOf(hi, lo, seed) & 0x3fff)).size;
  expect(homes(defaultSeed)).toBe(1);
  for (const seed of [1, 0x1234_5678, 0xffff_ffff]) expect(homes(seed), `seed ${seed}`).toBeGreaterThan(4_000);
});
