import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { imageOpsPerStepMax } from '../../src/base/limits.ts';
import { LevelImage } from '../../src/disk/level-image.ts';
import type { ImageOp, ImageOps, ImageRecord } from '../../src/store/image.ts';
import { type ImageSubject, imageContract } from '../store/image-contract.ts';
import { scratchDirectory } from './scratch.ts';

async function all(chunks: AsyncIterable<ImageRecord[]>): Promise<ImageRecord[]> {
  const records: ImageRecord[] = [];
  for await (const chunk of chunks) records.push(...chunk);
  return records;
}

imageContract('level', async (): Promise<ImageSubject> => {
  const directory = join(await scratchDirectory(), 'image');
  let failure: Error | undefined;
  const seam = {
    beforeWrite: () => {
      const error = failure;
      failure = undefined;
      if (error !== undefined) throw error;
    },
  };
  let image = await LevelImage.create(directory, seam);
  return {
    write: (batch) =>
      new Promise((resolve, reject) => {
        let inTheSameStep = true;
        image.write(batch, (error) => {
          if (inTheSameStep) reject(new Error('done was called in the same step'));
          else if (error === undefined) resolve();
          else reject(error);
        });
        inTheSameStep = false;
      }),
    writeTwiceAtOnce: (batch) => {
      image.write(batch, () => undefined);
      image.write(batch, () => undefined);
    },
    scan: () => all(image.scan()),
    snapshot: async () => {
      const snapshot = image.snapshot();
      return async () => {
        const records = await all(snapshot.chunks());
        await snapshot.close();
        return records;
      };
    },
    reopen: async () => {
      await image.close();
      image = await LevelImage.open(directory, seam);
    },
    failNextWrite: (error) => {
      failure = error;
    },
    close: () => image.close(),
  };
});

describe('the image on LevelDB', () => {
  test('opening what is not there fails and makes no store', async () => {
    const directory = join(await scratchDirectory(), 'image');
    await expect(LevelImage.open(directory)).rejects.toThrow();
    const names = await readdir(directory).catch(() => []);
    expect(names.filter((name) => name === 'CURRENT' || name.startsWith('MANIFEST'))).toEqual([]);
  });

  test('making one where one is fails and leaves it whole', async () => {
    const directory = join(await scratchDirectory(), 'image');
    const image = await LevelImage.create(directory);
    await new Promise<void>((resolve) =>
      image.write({ ops: [{ key: Buffer.from('a'), value: Buffer.from('1') }], appliedIndex: 1 }, () => resolve()),
    );
    await image.close();
    await expect(LevelImage.create(directory)).rejects.toThrow();
    const again = await LevelImage.open(directory);
    expect(await all(again.scan())).toHaveLength(1);
    await again.close();
  });

  test('a large image is read in bounded chunks that together are everything, in order', async () => {
    const image = await LevelImage.create(join(await scratchDirectory(), 'image'));
    const ops = Array.from({ length: 5000 }, (_, at) => {
      const key = Buffer.alloc(8);
      key.writeBigUInt64BE(BigInt(at * 7919));
      return { key, value: Buffer.alloc(40, at) };
    });
    await new Promise<void>((resolve) => image.write({ ops, appliedIndex: 1 }, () => resolve()));
    let count = 0;
    let last = -1n;
    for await (const chunk of image.scan()) {
      expect(chunk.length).toBeLessThanOrEqual(1000);
      for (const { key } of chunk) {
        const at = Buffer.from(key).readBigUInt64BE();
        expect(at > last).toBe(true);
        last = at;
        count++;
      }
    }
    expect(count).toBe(5000);
    await image.close();
  });
});

test('the operations of a large batch are made a bounded number in a step, and others get the event loop in between', async () => {
  const image = await LevelImage.create(join(await scratchDirectory(), 'image'));
  const length = 3 * imageOpsPerStepMax + 1;
  let step = 0;
  let counting = true;
  const count = (): void => {
    step++;
    if (counting) setImmediate(count);
  };
  const madeIn = new Map<number, number>();
  function* made(): Generator<ImageOp> {
    for (let n = 0; n < length; n++) {
      madeIn.set(step, (madeIn.get(step) ?? 0) + 1);
      yield { key: Buffer.from(String(n)), value: Buffer.from('x') };
    }
  }
  const ops: ImageOps = { length, [Symbol.iterator]: made };
  setImmediate(count);
  await new Promise<void>((resolve) => image.write({ ops, appliedIndex: 1 }, () => resolve()));
  counting = false;
  expect(await all(image.scan())).toHaveLength(length);
  expect([...madeIn.values()].reduce((sum, each) => sum + each, 0)).toBe(length);
  expect(Math.max(...madeIn.values())).toBe(imageOpsPerStepMax);
  await image.close();
});

test('whoever stops reading early leaves no memory behind', async () => {
  const image = await LevelImage.create(join(await scratchDirectory(), 'image'));
  const value = Buffer.alloc(1024, 7);
  const ops = Array.from({ length: 1_000 }, (_, n) => ({ key: Buffer.from(String(n)), value }));
  await new Promise<void>((resolve) => image.write({ ops, appliedIndex: 1 }, () => resolve()));
  const beginning = async (): Promise<void> => {
    const snapshot = image.snapshot();
    for await (const chunk of snapshot.chunks()) {
      expect(chunk.length).toBeGreaterThan(500);
      break;
    }
    await snapshot.close();
  };
  for (let i = 0; i < 50; i++) await beginning();
  const before = process.memoryUsage();
  for (let i = 0; i < 250; i++) await beginning();
  const now = process.memoryUsage();
  // Each read a mebibyte: native memory, which shows in no other figure.
  const grown = now.rss - before.rss - (now.heapTotal - before.heapTotal) - (now.external - before.external);
  expect(grown).toBeLessThan(120 * 1024 * 1024);
  await image.close();
});
