import { expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { PackedRecords } from '../../src/disk/packed-records.ts';
import type { ImageRecord } from '../../src/store/image.ts';

const hex = ({ key, value }: ImageRecord): string =>
  `${Buffer.from(key).toString('hex')}=${Buffer.from(value).toString('hex')}`;

test('gives back what was put in, in order, any number of times, whatever the sizes', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const prng = new Prng(seed);
    const records = Array.from({ length: prng.between(0, 400) }, () => ({
      key: Buffer.alloc(prng.below(40), prng.below(256)),
      value: Buffer.alloc(prng.chance(0.02) ? prng.below(3_000_000) : prng.below(9_000), prng.below(256)),
    }));
    async function* chunks(): AsyncIterable<ImageRecord[]> {
      for (let at = 0; at < records.length; at += 7) yield records.slice(at, at + 7);
    }
    const packed = await PackedRecords.of(chunks());
    expect(packed.count).toBe(records.length);
    expect(packed.sizeBytes).toBe(records.reduce((sum, { key, value }) => sum + key.length + value.length, 0));
    for (let pass = 0; pass < 2; pass++) {
      let at = 0;
      for (const record of packed) {
        const wanted = records[at++] as ImageRecord;
        expect(
          Buffer.compare(record.key, wanted.key) + Buffer.compare(record.value, wanted.value),
          `seed ${seed}`,
        ).toBe(0);
      }
      expect(at).toBe(records.length);
    }
  }
});

test('keeps its own copy', () => {
  const packed = new PackedRecords();
  const value = Buffer.from('before');
  packed.add([{ key: Buffer.from('k'), value }]);
  value.fill(0);
  expect([...packed].map(hex)).toEqual([hex({ key: Buffer.from('k'), value: Buffer.from('before') })]);
});
