import { constants } from 'node:fs';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Prng } from '../../src/base/prng.ts';
import { FsWal, type FsWalOpening } from '../../src/disk/fs-wal.ts';
import { realWalCalls, type WalCalls } from '../../src/disk/segment-files.ts';
import type { LogBase, WriteGroup } from '../../src/store/entry.ts';
import { parseSegmentName, segmentName } from '../../src/store/wal-format.ts';
import { type OpenedHere, type WalHarness, walContract } from '../store/wal-contract.ts';
import { entries, entry, hardState, LogModel } from '../store/wal-model.ts';
import { CrashingCalls } from './crashing-calls.ts';

const identity = { clusterId: 0xc1n, memberId: 0xa1n, generation: 1 };
const start = { index: 0, term: 0 };
const first: WriteGroup = { hardState: hardState(1, 0n, 1), entries: [entry(1, 1)] };

function writtenTo(wal: FsWal, group: WriteGroup): Promise<void> {
  return new Promise((resolve, reject) =>
    wal.write(group, (error) => (error === undefined ? resolve() : reject(error))),
  );
}

class FsHarness implements WalHarness {
  readonly #root: string;
  #wal: FsWal | undefined;
  #crashing = new CrashingCalls();
  #segmentBytes = 0;

  constructor(root: string) {
    this.#root = root;
  }

  get wal(): FsWal {
    if (this.#wal === undefined) throw new Error('no log was created');
    return this.#wal;
  }

  get #directory(): string {
    return join(this.#root, 'log');
  }

  async create(base: LogBase, initial: WriteGroup, segmentBytes: number): Promise<void> {
    this.#segmentBytes = segmentBytes;
    const calls = this.#crashing.calls;
    this.#wal = await FsWal.create(this.#directory, { identity, base, initial, segmentBytes, calls });
  }

  write(group: WriteGroup): Promise<void> {
    return writtenTo(this.wal, group);
  }

  async reopen(expected: Omit<FsWalOpening, 'identity'> = {}): Promise<OpenedHere> {
    await this.#wal?.close();
    this.#wal = undefined;
    return this.#open(expected);
  }

  async crashDuring(group: WriteGroup, prng: Prng): Promise<OpenedHere & { acknowledged: boolean }> {
    const crashing = this.#crashing;
    let acknowledged = false;
    const dead = crashing.stopAfter(prng.below(6));
    const written = writtenTo(this.wal, group).then(() => {
      acknowledged = true;
    });
    this.#wal = undefined;
    // The write may be through before the calls run out; then what comes next, a spare or nothing, is cut.
    await Promise.race([dead, written]);
    await crashing.stopAfter(0);
    crashing.crash(prng);
    return { ...(await this.#open({})), acknowledged };
  }

  async segmentNames(): Promise<string[]> {
    return (await readdir(this.#directory)).filter((name) => parseSegmentName(name) !== undefined).sort();
  }

  async end(): Promise<void> {
    await this.#wal?.close();
    this.#wal = undefined;
    await rm(this.#root, { recursive: true, force: true });
  }

  async #open(expected: Omit<FsWalOpening, 'identity'>): Promise<OpenedHere> {
    this.#crashing = new CrashingCalls();
    const options = { identity, segmentBytes: this.#segmentBytes, calls: this.#crashing.calls, ...expected };
    let opened: Awaited<ReturnType<typeof FsWal.open>>;
    try {
      opened = await FsWal.open(this.#directory, options);
    } catch (error) {
      // A refused log can be asked again with other expectations.
      this.#wal = undefined;
      throw error;
    }
    this.#wal = opened.wal;
    return opened;
  }
}

walContract(
  'on files',
  async () => new FsHarness(await mkdtemp(join(tmpdir(), 'leasehold-wal-'))),
  Number(process.env['SEEDS'] ?? 15),
);

describe('a log on files', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'leasehold-wal-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it('is for its owner only, preallocated, with a spare segment made ahead', async () => {
    const wal = await FsWal.create(join(directory, 'log'), {
      identity,
      base: start,
      initial: first,
      segmentBytes: 8192,
    });
    await wal.close();
    for (const segment of [1, 2]) {
      const { mode, size } = await stat(join(directory, 'log', segmentName(segment)));
      expect(mode & 0o777).toBe(0o600);
      expect(size).toBe(8192);
    }
    expect((await stat(join(directory, 'log'))).mode & 0o777).toBe(0o700);
    expect(wal.sizeBytes).toBe(8192);
  });

  it('refuses to be created where a log is', async () => {
    const creation = { identity, base: start, initial: first, segmentBytes: 8192 };
    await (await FsWal.create(directory, creation)).close();
    await expect(FsWal.create(directory, creation)).rejects.toThrow(/already holds a log/);
  });

  it('goes on in the present segment when there is no space for a spare, says so, and fails only when that is full', async () => {
    const full: WalCalls = {
      ...realWalCalls,
      // The disk has no block for a file that is not there yet.
      open: (path, flags, mode, done) => {
        if ((flags & constants.O_CREAT) !== 0 && !path.endsWith(`${segmentName(1)}.new`)) {
          setImmediate(() => done(Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' }), -1));
        } else realWalCalls.open(path, flags, mode, done);
      },
    };
    const low: number[] = [];
    const onSpaceLow = (): void => {
      low.push(wal.reserveBytes);
    };
    const creation = { identity, base: start, initial: first, segmentBytes: 8192, calls: full, onSpaceLow };
    const wal: FsWal = await FsWal.create(join(directory, 'log'), creation);
    let model = LogModel.created(start, first);
    let failure: Error | undefined;
    for (let i = 2; failure === undefined; i++) {
      const group: WriteGroup = { hardState: undefined, entries: [entry(i, 1, 900)] };
      const reserveBytes = wal.reserveBytes;
      await writtenTo(wal, group).then(
        () => {
          model = model.after(group);
        },
        (error: Error) => {
          failure = error;
          expect(reserveBytes).toBeLessThan(1024);
        },
      );
    }
    expect(failure).toMatchObject({ code: 'ENOSPC' });
    expect(wal.failed).toBe(failure);
    expect(low.length).toBeGreaterThan(0);
    expect(low[0]).toBeLessThan(8192);
    expect(wal.spaceLow).toBe(true);
    expect(model.last.index).toBeGreaterThan(5);
    await wal.close();
    const { wal: again, loaded } = await FsWal.open(join(directory, 'log'), { identity });
    expect(LogModel.of(loaded).text()).toBe(model.text());
    await again.close();
  });

  it('makes the spare later, when space has come back', async () => {
    let full = true;
    let attempts = 0;
    const calls: WalCalls = {
      ...realWalCalls,
      open: (path, flags, mode, done) => {
        if ((flags & constants.O_CREAT) !== 0 && path.endsWith(`${segmentName(2)}.new`)) attempts += 1;
        if ((flags & constants.O_CREAT) !== 0 && full && attempts > 0) {
          full = false;
          setImmediate(() => done(Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' }), -1));
        } else realWalCalls.open(path, flags, mode, done);
      },
    };
    let spaceIsLow: () => void = () => undefined;
    const low = new Promise<void>((resolve) => {
      spaceIsLow = resolve;
    });
    const path = join(directory, 'log');
    const creation = {
      identity,
      base: start,
      initial: first,
      segmentBytes: 8192,
      calls,
      onSpaceLow: () => spaceIsLow(),
    };
    const wal = await FsWal.create(path, creation);
    await low;
    expect(wal.reserveBytes).toBeLessThan(8192);
    expect(wal.spaceLow).toBe(true);
    // The first write that needs it tries again at once.
    for (let i = 2; i < 30; i++) await writtenTo(wal, { hardState: undefined, entries: [entry(i, 1, 900)] });
    expect(attempts).toBe(2);
    expect(wal.failed).toBeUndefined();
    expect(wal.spaceLow).toBe(false);
    await wal.close();
  });

  it('takes short writes for what they are and goes on', async () => {
    const calls: WalCalls = {
      ...realWalCalls,
      write: (fd, bytes, offset, length, position, done) =>
        realWalCalls.write(fd, bytes, offset, Math.min(length, 700), position, done),
    };
    const wal = await FsWal.create(directory, { identity, base: start, initial: first, segmentBytes: 65536, calls });
    const group: WriteGroup = { hardState: undefined, entries: entries(2, 20, 1, 500) };
    await writtenTo(wal, group);
    await wal.close();
    const { wal: again, loaded } = await FsWal.open(directory, { identity });
    expect(LogModel.of(loaded).text()).toBe(LogModel.created(start, first).after(group).text());
    await again.close();
  });

  it('syncs the directory after each new name and before any byte is written under it (M21)', async () => {
    const paths = new Map<number, string>();
    const unsyncedNames = new Set<string>();
    let renames = 0;
    const early: string[] = [];
    const calls: WalCalls = {
      ...realWalCalls,
      open: (path, flags, mode, done) =>
        realWalCalls.open(path, flags, mode, (error, fd) => {
          paths.set(fd, path);
          done(error, fd);
        }),
      rename: (from, to, done) => {
        renames += 1;
        unsyncedNames.add(to);
        for (const [fd, path] of paths) if (path === from) paths.set(fd, to);
        realWalCalls.rename(from, to, done);
      },
      fsync: (fd, done) =>
        realWalCalls.fsync(fd, (error) => {
          if (paths.get(fd) === directory) unsyncedNames.clear();
          done(error);
        }),
      write: (fd, bytes, offset, length, position, done) => {
        // The seal of segment n vouches for the name of n + 1; a group for that of its own.
        if (unsyncedNames.has(paths.get(fd) ?? '')) early.push(`${paths.get(fd)} at ${position}`);
        if (position > 4096 - 1024) for (const name of unsyncedNames) early.push(`seal before the name ${name}`);
        realWalCalls.write(fd, bytes, offset, length, position, done);
      },
    };
    const wal = await FsWal.create(directory, { identity, base: start, initial: first, segmentBytes: 4096, calls });
    for (let i = 2; i < 30; i++) await writtenTo(wal, { hardState: undefined, entries: [entry(i, 1, 300)] });
    await wal.close();
    expect(renames).toBeGreaterThan(4);
    expect(early).toEqual([]);
  });

  it('writes only to files on which a write is a sync as well (S1)', async () => {
    const flagsOf = new Map<number, number>();
    const written: number[] = [];
    const calls: WalCalls = {
      ...realWalCalls,
      open: (path, flags, mode, done) =>
        realWalCalls.open(path, flags, mode, (error, fd) => {
          flagsOf.set(fd, flags);
          done(error, fd);
        }),
      write: (fd, bytes, offset, length, position, done) => {
        written.push((flagsOf.get(fd) ?? 0) & constants.O_DSYNC);
        realWalCalls.write(fd, bytes, offset, length, position, done);
      },
    };
    const options = { identity, segmentBytes: 4096, calls };
    const wal = await FsWal.create(directory, { ...options, base: start, initial: first });
    for (let i = 2; i < 30; i++) await writtenTo(wal, { hardState: undefined, entries: [entry(i, 1, 300)] });
    await wal.close();
    const { wal: again } = await FsWal.open(directory, options);
    await writtenTo(again, { hardState: undefined, entries: [entry(30, 1, 300)] });
    await again.close();
    expect(written.length).toBeGreaterThan(30);
    expect(new Set(written)).toEqual(new Set([constants.O_DSYNC]));
  });

  it('writes the last group anew when opened, so that it rests on no page cache', async () => {
    const wal = await FsWal.create(directory, { identity, base: start, initial: first, segmentBytes: 8192 });
    await writtenTo(wal, { hardState: undefined, entries: [entry(2, 1, 100)] });
    await wal.close();
    const steps: string[] = [];
    const calls: WalCalls = {
      ...realWalCalls,
      write: (fd, bytes, offset, length, position, done) => {
        steps.push(`write ${length} at ${position}`);
        realWalCalls.write(fd, bytes, offset, length, position, done);
      },
    };
    const { wal: again } = await FsWal.open(directory, { identity, calls });
    // The first group takes 1024 bytes (a vote copy: term 1 is news) behind the head of 512; the second is the last.
    expect(steps).toEqual(['write 512 at 1536']);
    await again.close();
  });
});
