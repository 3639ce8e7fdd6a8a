/** The set of keys against one that is written out key by key. */
import { expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { type KeyRange, KeySet } from '../../src/rpc/key-set.ts';

test('holds what any of its ranges holds, and nothing else', () => {
  const prng = new Prng(1, 'key set');
  const bounds = ['\0', 'a', 'a\0', 'aa', 'b', 'b\0', 'c', '\xff', '\xff\xff'];
  for (let round = 0; round < 500; round++) {
    const set = new KeySet();
    const added: KeyRange[] = [];
    for (let adds = prng.below(4); adds >= 0; adds--) {
      const ranges = Array.from({ length: prng.below(4) }, () => ({ from: prng.pick(bounds), to: prng.pick(bounds) }));
      set.add(ranges);
      added.push(...ranges);
      for (const key of bounds) expect(set.has(key)).toBe(added.some(({ from, to }) => from <= key && key < to));
    }
  }
});
