/**
 * What every image must do, run on the real disk and on the twin in memory. The subject is asked through a few asynchronous
 * calls, so that one suite fits both.
 */
import { describe, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import type { ImageBatch, ImageOp, ImageRecord } from '../../src/store/image.ts';

/** One image on one disk, through restarts. */
export interface ImageSubject {
  /** Hands the batch over; resolves when `done` was called. */
  write(batch: ImageBatch): Promise<void>;
  /** Hands over two batches in one step. */
  writeTwiceAtOnce(batch: ImageBatch): void;
  scan(): Promise<ImageRecord[]>;
  /** A view of this moment; the returned call reads it through. */
  snapshot(): Promise<() => Promise<ImageRecord[]>>;
  /** Closes and opens again. */
  reopen(): Promise<void>;
  /** The first write that fails, fails with this; what follows is the subject's. */
  failNextWrite(error: Error): void;
  close(): Promise<void>;
}

const text = (value: string): Uint8Array => Buffer.from(value, 'latin1');
const put = (key: string, value: string): ImageOp => ({ key: text(key), value: text(value) });
const remove = (key: string): ImageOp => ({ key: text(key), value: undefined });
const batch = (appliedIndex: number, ...ops: ImageOp[]): ImageBatch => ({ ops, appliedIndex });
const readable = (records: readonly ImageRecord[]): [string, string][] =>
  records.map(({ key, value }) => [Buffer.from(key).toString('latin1'), Buffer.from(value).toString('latin1')]);

export function imageContract(name: string, make: () => Promise<ImageSubject>): void {
  const withSubject = async (work: (subject: ImageSubject) => Promise<void>): Promise<void> => {
    const subject = await make();
    try {
      await work(subject);
    } finally {
      await subject.close();
    }
  };

  describe(`${name}: image contract`, () => {
    test('a new image is empty, also after reopening', () =>
      withSubject(async (subject) => {
        expect(await subject.scan()).toEqual([]);
        await subject.reopen();
        expect(await subject.scan()).toEqual([]);
      }));

    test('what was written is there after reopening, in byte order', () =>
      withSubject(async (subject) => {
        await subject.write(batch(1, put('b', '2'), put('\xff\x00', 'last'), put('a', '1'), put('\x00', 'first')));
        const all = [
          ['\x00', 'first'],
          ['a', '1'],
          ['b', '2'],
          ['\xff\x00', 'last'],
        ];
        expect(readable(await subject.scan())).toEqual(all);
        await subject.reopen();
        expect(readable(await subject.scan())).toEqual(all);
      }));

    test('later operations of a batch win over earlier ones; deletes of nothing are fine', () =>
      withSubject(async (subject) => {
        await subject.write(batch(1, put('a', '1'), put('a', '2'), put('b', '1'), remove('b'), remove('never there')));
        await subject.write(batch(2, remove('c'), put('c', '3'), put('d', '')));
        expect(readable(await subject.scan())).toEqual([
          ['a', '2'],
          ['c', '3'],
          ['d', ''],
        ]);
      }));

    test('the caller may change its arrays once they are handed over and written', () =>
      withSubject(async (subject) => {
        const value = Buffer.from('before');
        await subject.write(batch(1, { key: text('a'), value }));
        value.fill('x');
        expect(readable(await subject.scan())).toEqual([['a', 'before']]);
      }));

    test('a snapshot shows its own moment, whatever is written later', () =>
      withSubject(async (subject) => {
        await subject.write(batch(1, put('a', '1'), put('b', '1')));
        const read = await subject.snapshot();
        await subject.write(batch(2, put('a', '2'), remove('b'), put('c', '2')));
        expect(readable(await read())).toEqual([
          ['a', '1'],
          ['b', '1'],
        ]);
        expect(readable(await subject.scan())).toEqual([
          ['a', '2'],
          ['c', '2'],
        ]);
      }));

    test('a second write while one is outstanding is our own mistake', () =>
      withSubject(async (subject) => {
        expect(() => subject.writeTwiceAtOnce(batch(1, put('a', '1')))).toThrow('at most one write outstanding');
      }));

    test('the first error is the last word: every later write fails with it (S4)', () =>
      withSubject(async (subject) => {
        await subject.write(batch(1, put('a', '1')));
        subject.failNextWrite(new Error('EIO: the disk is gone'));
        await expect(subject.write(batch(2, put('a', '2')))).rejects.toThrow('the disk is gone');
        await expect(subject.write(batch(3, put('a', '3')))).rejects.toThrow('the disk is gone');
        expect(readable(await subject.scan())).toEqual([['a', '1']]);
        await subject.reopen();
        await subject.write(batch(4, put('a', '4')));
        expect(readable(await subject.scan())).toEqual([['a', '4']]);
      }));

    test('agrees with a plain map over random batches and restarts', () =>
      withSubject(async (subject) => {
        const seed = Math.floor(Math.random() * 2 ** 32);
        const prng = new Prng(seed, 'image-contract');
        const model = new Map<string, string>();
        for (let index = 1; index <= 40; index++) {
          const ops = Array.from({ length: prng.between(0, 30) }, () => {
            const key = `key ${prng.below(60)}`;
            if (prng.chance(0.3)) {
              model.delete(key);
              return remove(key);
            }
            const value = 'v'.repeat(prng.below(2000)) + prng.uint32();
            model.set(key, value);
            return put(key, value);
          });
          await subject.write(batch(index, ...ops));
          if (prng.chance(0.2)) await subject.reopen();
        }
        const wanted = [...model].sort(([a], [b]) => (a < b ? -1 : 1));
        expect(readable(await subject.scan()), `seed ${seed}`).toEqual(wanted);
      }));
  });
}
