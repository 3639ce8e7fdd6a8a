/**
 * S4: after the first failed write or sync nothing is acknowledged any more, and a restart trusts no byte that was not synced.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FsWal } from '../../src/disk/fs-wal.ts';
import { realWalCalls, type WalCalls } from '../../src/disk/segment-files.ts';
import type { WriteGroup } from '../../src/store/entry.ts';
import { entry, hardState, LogModel } from '../store/wal-model.ts';

const identity = { clusterId: 1n, memberId: 2n, generation: 1 };
const start = { index: 0, term: 0 };
const first: WriteGroup = { hardState: hardState(1, 0n, 1), entries: [entry(1, 1)] };
const eio = Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });

function outcome(wal: FsWal, group: WriteGroup): Promise<Error | undefined> {
  return new Promise((resolve) => wal.write(group, resolve));
}

describe('a failing disk under the log', () => {
  let directory: string;
  beforeEach(async () => {
    directory = join(await mkdtemp(join(tmpdir(), 'leasehold-eio-')), 'log');
  });
  afterEach(() => rm(join(directory, '..'), { recursive: true, force: true }));

  for (const broken of ['sync', 'write'] as const) {
    it(`tells of the first failed ${broken} and of nothing but failure afterwards`, async () => {
      let fail = false;
      let callsAfterFailure = 0;
      const calls: WalCalls = {
        ...realWalCalls,
        write: (fd, bytes, offset, length, position, done) => {
          if (fail) callsAfterFailure += 1;
          if (fail && broken === 'write') setImmediate(() => done(eio, 0));
          else realWalCalls.write(fd, bytes, offset, length, position, (error, n) => done(fail ? eio : error, n));
        },
      };
      const creation = { identity, base: start, initial: first, segmentBytes: 65536 };
      await (await FsWal.create(directory, creation)).close();
      const { wal } = await FsWal.open(directory, { identity, segmentBytes: 65536, calls });
      const good: WriteGroup = { hardState: undefined, entries: [entry(2, 1, 300)] };
      expect(await outcome(wal, good)).toBeUndefined();

      fail = true;
      const bad: WriteGroup = { hardState: undefined, entries: [entry(3, 1, 300)] };
      expect(await outcome(wal, bad)).toBe(eio);
      // The disk is well again; the log is not. The page cache may call clean what never reached the disk.
      fail = false;
      const attempts = callsAfterFailure;
      expect(await outcome(wal, bad)).toBe(eio);
      expect(await outcome(wal, { hardState: hardState(2, 0n, 2), entries: [] })).toBe(eio);
      expect(callsAfterFailure).toBe(attempts);
      expect(wal.failed).toBe(eio);
      await wal.close();

      // What failed may be there or not: never acknowledged, it may be either. What was acknowledged is there.
      const { wal: again, loaded } = await FsWal.open(directory, { identity });
      const model = LogModel.created(start, first).after(good);
      expect([model.text(), model.after(bad).text()]).toContain(LogModel.of(loaded).text());
      await again.close();
    });
  }

  it('fails the next write when the background work on the spare met a broken disk', async () => {
    let broken = false;
    const calls: WalCalls = {
      ...realWalCalls,
      rename: (from, to, done) => {
        if (broken) setImmediate(() => done(eio));
        else realWalCalls.rename(from, to, done);
      },
    };
    const creation = { identity, base: start, initial: first, segmentBytes: 4096, calls };
    const wal = await FsWal.create(directory, creation);
    broken = true;
    let error: Error | undefined;
    let writes = 0;
    for (let i = 2; error === undefined && i < 100; i++) {
      error = await outcome(wal, { hardState: undefined, entries: [entry(i, 1, 900)] });
      writes += 1;
    }
    expect(error).toBe(eio);
    expect(writes).toBeLessThan(10);
    await wal.close();
  });

  it('does not open when the repair of the end cannot be synced', async () => {
    await (await FsWal.create(directory, { identity, base: start, initial: first, segmentBytes: 4096 })).close();
    const calls: WalCalls = {
      ...realWalCalls,
      write: (_fd, _bytes, _offset, _length, _position, done) => setImmediate(() => done(eio, 0)),
    };
    await expect(FsWal.open(directory, { identity, calls })).rejects.toBe(eio);
  });
});
