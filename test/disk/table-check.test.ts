import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { crc32c } from '../../src/disk/crc32c.ts';
import { LevelImage } from '../../src/disk/level-image.ts';
import { damagedTable, tableDamage } from '../../src/disk/table-check.ts';
import { scratchDirectory } from './scratch.ts';

test('CRC-32C gives the published values (RFC 3720 B.4)', () => {
  const of = (bytes: Buffer): number => crc32c(bytes, 0, bytes.length);
  expect(of(Buffer.from('123456789'))).toBe(0xe3069283);
  expect(of(Buffer.alloc(32))).toBe(0x8a9136aa);
  expect(of(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43);
  expect(of(Buffer.from(Array.from({ length: 32 }, (_, at) => at)))).toBe(0x46dd794e);
  expect(crc32c(Buffer.from('xx123456789yyy'), 2, 11)).toBe(0xe3069283);
  expect(of(Buffer.alloc(0))).toBe(0);
});

/** A table as LevelDB writes it. */
async function table(): Promise<Buffer> {
  const directory = join(await scratchDirectory(), 'image');
  const prng = new Prng(1);
  const image = await LevelImage.create(directory);
  const ops = Array.from({ length: 300 }, (_, at) => ({
    key: Buffer.from(`key ${String(at).padStart(5, '0')}`),
    value: Buffer.from(Array.from({ length: 40 }, () => prng.below(256))),
  }));
  await new Promise<void>((resolve) => image.write({ ops, appliedIndex: 1 }, () => resolve()));
  await image.close();
  // Opening moves what is in the log into a table.
  await (await LevelImage.open(directory)).close();
  const names = (await readdir(directory)).filter((name) => /\.(ldb|sst)$/.test(name));
  expect(names).toHaveLength(1);
  expect(await damagedTable(directory)).toBeUndefined();
  return readFile(join(directory, names[0] ?? ''));
}

test('every flipped bit of a table is found, but in the bytes that make it a table', async () => {
  const file = await table();
  expect(tableDamage(file)).toBeUndefined();
  const magic = file.length - 8;
  for (let at = 0; at < file.length; at++) {
    // All bits of the footer, one of each byte before it.
    for (let bit = at < magic - 40 ? at % 8 : 0; bit < 8; bit += at < magic - 40 ? 8 : 1) {
      file[at] = (file[at] ?? 0) ^ (1 << bit);
      const found = tableDamage(file);
      // Without its magic number it is no table, which LevelDB refuses in good order.
      expect(found !== undefined, `bit ${bit} of byte ${at} of ${file.length}`).toBe(at < magic);
      file[at] = (file[at] ?? 0) ^ (1 << bit);
    }
  }
  expect(tableDamage(file)).toBeUndefined();
});

test('a table that is cut has no footer and is left to LevelDB; random bytes end in a verdict', async () => {
  const file = await table();
  for (let length = 0; length < file.length; length += 101)
    expect(tableDamage(file.subarray(0, length))).toBeUndefined();
  const magic = file.subarray(file.length - 8);
  for (let seed = 0; seed < 300; seed++) {
    const prng = new Prng(seed);
    const noise = Buffer.from(Array.from({ length: prng.between(48, 400) }, () => prng.below(256)));
    magic.copy(noise, noise.length - 8);
    expect(tableDamage(noise), `seed ${seed}`).toBeDefined();
  }
});
