import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OrderedMap } from '../../src/base/ordered-map.ts';
import { Prng } from '../../src/base/prng.ts';

function entries(map: OrderedMap<number>, from: string, to: string | undefined, back = false): [string, number][] {
  const seen: [string, number][] = [];
  const visit = (value: number, key: string) => seen.push([key, value]) > 0;
  if (back) map.scanBack(from, to, visit);
  else map.scan(from, to, visit);
  return seen;
}

function modelEntries(model: Map<string, number>, from: string, to: string | undefined): [string, number][] {
  return [...model]
    .filter(([key]) => key >= from && (to === undefined || key < to))
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Byte strings over few bytes, the highest among them, so that keys collide and byte order matters. */
const key = fc.string({ unit: fc.constantFrom('\0', 'a', 'b', '\x7f', '\x80', '\xff'), maxLength: 4 });
const bound = fc.option(key, { nil: undefined });

describe('OrderedMap', () => {
  it('does what a sorted Map does', () => {
    const step = fc.oneof(
      fc.record({ type: fc.constant('set' as const), key, value: fc.integer() }),
      fc.record({ type: fc.constant('delete' as const), key }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 600 }), key, bound, (steps, from, to) => {
        const map = new OrderedMap<number>();
        const model = new Map<string, number>();
        for (const next of steps) {
          if (next.type === 'set') {
            map.set(next.key, next.value);
            model.set(next.key, next.value);
          } else expect(map.delete(next.key)).toBe(model.delete(next.key));
        }
        map.check();
        expect(map.size).toBe(model.size);
        const wanted = modelEntries(model, from, to);
        expect(entries(map, from, to)).toEqual(wanted);
        expect(entries(map, from, to, true)).toEqual(wanted.reverse());
        expect(map.count(from, to)).toBe(wanted.length);
        for (const [k, v] of model) expect(map.get(k)).toBe(v);
        expect(map.get('no such key')).toBeUndefined();
      }),
      { numRuns: 200 },
    );
  });

  it.each(['ascending', 'descending', 'random'])('grows several levels and shrinks to nothing, %s', (order) => {
    const prng = new Prng(7, order);
    const count = 20_000;
    const keys = Array.from({ length: count }, (_, i) => i.toString(36).padStart(5, '0'));
    if (order === 'descending') keys.reverse();
    if (order === 'random') keys.sort(() => (prng.chance(0.5) ? -1 : 1));
    const map = new OrderedMap<number>();
    keys.forEach((k, i) => {
      map.set(k, i);
    });
    map.check();
    expect(map.size).toBe(count);
    const sorted = [...keys].sort();
    expect(entries(map, '', undefined).map(([k]) => k)).toEqual(sorted);
    for (let i = 0; i < 200; i++) {
      const [a, b] = [prng.below(count), prng.below(count)];
      const [from, to] = [sorted[a] as string, sorted[b] as string];
      expect(map.count(from, to)).toBe(Math.max(0, b - a));
    }
    const removed = new Set<string>();
    for (let i = 0; i < count; i++) {
      const k = keys[(i * 7919) % count] as string;
      expect(map.delete(k)).toBe(true);
      removed.add(k);
      if (i % 2500 === 0) {
        map.check();
        expect(map.size).toBe(count - removed.size);
      }
    }
    expect(map.size).toBe(0);
    expect(entries(map, '', undefined)).toEqual([]);
    expect(map.delete('00000')).toBe(false);
  });

  it('ends a scan when told to', () => {
    const map = new OrderedMap<number>();
    for (let i = 0; i < 500; i++) map.set(String(i).padStart(3, '0'), i);
    const up: number[] = [];
    map.scan('100', undefined, (value) => up.push(value) < 3);
    const down: number[] = [];
    map.scanBack('', '400', (value) => down.push(value) < 3);
    expect(up).toEqual([100, 101, 102]);
    expect(down).toEqual([399, 398, 397]);
  });
});
