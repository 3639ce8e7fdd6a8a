import { describe, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import type { ImageRecord } from '../../src/store/image.ts';
import { MemoryImage } from '../../src/store/memory-image.ts';
import { type ImageSubject, imageContract } from './image-contract.ts';

imageContract('memory', async (): Promise<ImageSubject> => {
  let image = new MemoryImage();
  let failure: Error | undefined;
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
        if (failure === undefined) image.completeWrite();
        else image.failWrite(failure, false);
        failure = undefined;
      }),
    writeTwiceAtOnce: (batch) => {
      image.write(batch, () => undefined);
      image.write(batch, () => undefined);
    },
    scan: async () => image.scan(),
    snapshot: async () => {
      const snapshot = image.snapshot();
      return async () => snapshot.scan();
    },
    reopen: async () => {
      image = new MemoryImage(image.copy());
    },
    failNextWrite: (error) => {
      failure = error;
    },
    close: async () => undefined,
  };
});

function filled(count: number): MemoryImage {
  const image = new MemoryImage();
  const ops = Array.from({ length: count }, (_, at) => ({ key: Buffer.from(`k${at}`), value: Buffer.from(`v${at}`) }));
  image.write({ ops, appliedIndex: 1 }, () => undefined);
  image.completeWrite();
  return image;
}

const flat = (records: readonly ImageRecord[]): string =>
  records.map(({ key, value }) => Buffer.concat([key, value]).toString('hex')).join();

describe('the twin of the image: crashes and faults', () => {
  test('a crash finds an unfinished batch whole or not at all, and never calls done', () => {
    const sizes = new Set<number>();
    for (let seed = 0; seed < 40; seed++) {
      const image = filled(3);
      const ops = [
        { key: Buffer.from('x'), value: Buffer.from('1') },
        { key: Buffer.from('k0'), value: undefined },
        { key: Buffer.from('y'), value: Buffer.from('2') },
      ];
      image.write({ ops, appliedIndex: 2 }, () => expect.unreachable('a crashed write was acknowledged'));
      image.crash(new Prng(seed));
      expect(image.writing).toBe(false);
      const has = image.get(Buffer.from('x')) !== undefined;
      expect(image.get(Buffer.from('y')) !== undefined, `seed ${seed}`).toBe(has);
      expect(image.get(Buffer.from('k0')) === undefined, `seed ${seed}`).toBe(has);
      sizes.add(image.recordCount);
    }
    expect(sizes).toEqual(new Set([3, 4]));
  });

  test('a failed write may be found later, and a restart forgets the failure', () => {
    for (const found of [true, false]) {
      const image = filled(1);
      const answers: (Error | undefined)[] = [];
      image.write({ ops: [{ key: Buffer.from('x'), value: Buffer.from('1') }], appliedIndex: 2 }, (error) =>
        answers.push(error),
      );
      image.failWrite(new Error('EIO'), found);
      image.write({ ops: [{ key: Buffer.from('y'), value: Buffer.from('1') }], appliedIndex: 3 }, (error) =>
        answers.push(error),
      );
      image.completeWrite();
      expect(answers.map((error) => error?.message)).toEqual(['EIO', 'EIO']);
      expect(image.get(Buffer.from('x')) !== undefined).toBe(found);
      expect(image.get(Buffer.from('y'))).toBeUndefined();
      image.crash(new Prng(1));
      image.write({ ops: [], appliedIndex: 4 }, (error) => answers.push(error));
      image.completeWrite();
      expect(answers[2]).toBeUndefined();
    }
  });

  test('each fault changes what a scan finds, in the way it says', () => {
    for (let seed = 0; seed < 100; seed++) {
      const prng = new Prng(seed);
      const image = filled(20);
      const before = image.copy();
      const whole = flat(image.scan());
      const gone = image.dropRecord(prng);
      expect(image.recordCount).toBe(19);
      expect(gone && image.get(gone)).toBeUndefined();
      image.restore(before);
      expect(flat(image.scan())).toBe(whole);
      image.flipBit(prng);
      expect(flat(image.scan()), `seed ${seed}`).not.toBe(whole);
      image.restore(before);
      expect(flat(image.scan())).toBe(whole);
      image.wipe();
      expect(image.scan()).toEqual([]);
      expect(image.dropRecord(prng)).toBeUndefined();
      expect(image.flipBit(prng)).toBeUndefined();
    }
  });
});
