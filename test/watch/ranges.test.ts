import { expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { Ranges } from '../../src/watch/ranges.ts';
import type { KeyRange } from '../../src/watch/watcher.ts';

const hits = <T>(ranges: Ranges<T>, key: string): T[] => {
  const found: T[] = [];
  ranges.forEach(key, (owner) => found.push(owner));
  return found;
};

test('an exact key finds only itself; bounds are half open', () => {
  const ranges = new Ranges<string>();
  ranges.add({ low: 'a', high: 'a\0' }, 'exact');
  ranges.add({ low: 'a', high: 'c' }, 'half');
  ranges.add({ low: 'b', high: undefined }, 'rest');
  expect(hits(ranges, 'a')).toEqual(['exact', 'half']);
  expect(hits(ranges, 'a\0')).toEqual(['half']);
  expect(hits(ranges, 'b').sort()).toEqual(['half', 'rest']);
  expect(hits(ranges, 'c')).toEqual(['rest']);
  expect(hits(ranges, '')).toEqual([]);
});

test('W7: agrees with a list of ranges over random adds, removes and look-ups', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const prng = new Prng(seed, 'ranges');
    const ranges = new Ranges<number>();
    const naive = new Map<number, KeyRange>();
    const key = (): string => {
      let text = '';
      for (let i = prng.below(4); i > 0; i--) text += String.fromCharCode(prng.pick([0, 97, 98, 99, 255]));
      return text;
    };
    for (let step = 0; step < 400; step++) {
      if (prng.chance(0.55) || naive.size === 0) {
        const low = key();
        const end = key();
        const high = prng.chance(0.3) ? `${low}\0` : prng.chance(0.2) || end <= low ? undefined : end;
        ranges.add({ low, high }, step);
        naive.set(step, { low, high });
      } else {
        const owner = prng.pick([...naive.keys()]);
        ranges.remove(naive.get(owner) as KeyRange, owner);
        naive.delete(owner);
      }
      const probe = key();
      const expected = [...naive].filter(([, r]) => r.low <= probe && (r.high === undefined || probe < r.high));
      const found = hits(ranges, probe).sort((a, b) => a - b);
      const wanted = expected.map(([owner]) => owner).sort((a, b) => a - b);
      // `expect` on each of 24,000 look-ups would cost more than all of them.
      if (found.join() !== wanted.join()) expect(found, `seed ${seed} step ${step}`).toEqual(wanted);
    }
    for (const [owner, range] of naive) ranges.remove(range, owner);
    expect(hits(ranges, 'a'), `seed ${seed}`).toEqual([]);
  }
});

test('removing what was never added is a bug of ours and said so', () => {
  const ranges = new Ranges<number>();
  expect(() => ranges.remove({ low: 'a', high: 'a\0' }, 1)).toThrow('W7');
  expect(() => ranges.remove({ low: 'a', high: 'b' }, 1)).toThrow('W7');
});

test('W12: a look-up among 100,000 ranges visits few of them', () => {
  const ranges = new Ranges<number>();
  const pad = (n: number): string => String(n).padStart(6, '0');
  for (let i = 0; i < 100_000; i++) ranges.add({ low: `user/${pad(i)}/`, high: `user/${pad(i)}0` }, i);
  // Counted, not timed: comparisons are the price. Strings below `user/` and past all must be pruned at the root.
  let visits = 0;
  for (let i = 0; i < 100_000; i += 7) ranges.forEach(`user/${pad(i)}/x`, () => visits++);
  expect(visits).toBe(Math.ceil(100_000 / 7));
  expect(hits(ranges, 'user/')).toEqual([]);
  expect(hits(ranges, 'zzz')).toEqual([]);
});
