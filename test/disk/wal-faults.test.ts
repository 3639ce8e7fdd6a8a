/**
 * The fault table of reliability.md §0.1 and M19, done to the log's files: each ends in a refusal that names the file, or, for a
 * bad last group alone, in its drop. Never in a silent gap.
 */
import { cp, mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { FsWal } from '../../src/disk/fs-wal.ts';
import { WalDamage } from '../../src/disk/fs-wal-open.ts';
import type { WriteGroup } from '../../src/store/entry.ts';
import { SECTOR_BYTES, segmentName } from '../../src/store/wal-format.ts';
import { recoverWal } from '../../src/store/wal-recovery.ts';
import { entries, entry, hardState, LogModel } from '../store/wal-model.ts';

const identity = { clusterId: 0xc1n, memberId: 0xa1n, generation: 3 };
const segmentBytes = 4096;
const first: WriteGroup = { hardState: hardState(1, 0n, 1), entries: [entry(1, 1)] };
const base = { index: 0, term: 0 };

/** Where each group was written, found by the order of groups in the files. */
interface Written {
  readonly models: readonly LogModel[];
  readonly groups: readonly WriteGroup[];
}

let directory: string;
let log: Written;

async function writeLog(path: string, memberId = identity.memberId, groupCount = 14): Promise<Written> {
  const wal = await FsWal.create(path, { identity: { ...identity, memberId }, base, initial: first, segmentBytes });
  const models = [LogModel.created(base, first)];
  const groups = [first];
  for (let i = 1; i < groupCount; i++) {
    const before = models.at(-1) as LogModel;
    const index = before.last.index + 1;
    const term = i < 6 ? 1 : 2;
    // Every kind of group: plain, with a commit, with a vote, a vote alone, an overwritten suffix, the last one with a vote.
    const group: WriteGroup =
      i === 6
        ? { hardState: hardState(2, 3n, index - 2), entries: [] }
        : i === 8
          ? { hardState: undefined, entries: entries(index - 1, index + 1, 2, 200) }
          : i === groupCount - 1
            ? { hardState: hardState(3, 2n, index), entries: entries(index, index + 1, 3, 250) }
            : {
                hardState: i % 2 === 0 ? hardState(term, i < 6 ? 0n : 3n, index - 1) : undefined,
                entries: entries(index, index + 2, term, 150 + i * 11),
              };
    await new Promise<void>((resolve, reject) => wal.write(group, (error) => (error ? reject(error) : resolve())));
    models.push(before.after(group));
    groups.push(group);
  }
  await wal.close();
  return { models, groups };
}

async function load(path = directory): Promise<{ model: LogModel; droppedTornGroup: boolean }> {
  const { wal, loaded, droppedTornGroup } = await FsWal.open(path, { identity, segmentBytes });
  await wal.close();
  return { model: LogModel.of(loaded), droppedTornGroup };
}

/** The refusal's file name and text. */
async function refusal(path = directory): Promise<{ file: string; what: string; message: string }> {
  const error: unknown = await load(path).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(WalDamage);
  const { path: file, what, message } = error as WalDamage;
  expect(message).toContain(file);
  expect(message).not.toContain('\n');
  return { file: file.slice(path.length + 1), what, message };
}

async function flip(segment: number, offset: number, mask = 1): Promise<void> {
  const path = join(directory, segmentName(segment));
  const bytes = await readFile(path);
  bytes[offset] = (bytes[offset] ?? 0) ^ mask;
  await writeFile(path, bytes);
}

/** Offsets of the group heads in a segment. */
async function groupOffsets(segment: number): Promise<number[]> {
  const bytes = await readFile(join(directory, segmentName(segment)));
  const offsets: number[] = [];
  for (let at = SECTOR_BYTES; at < bytes.length; at += SECTOR_BYTES) {
    if (bytes.toString('latin1', at, at + 4) === 'Grup') offsets.push(at);
  }
  return offsets;
}

/** Number of the segment that is written to: the one before the spare. */
async function presentSegment(): Promise<number> {
  return (await readdir(directory)).length - 1;
}

describe('faults done to the log on disk', () => {
  beforeEach(async () => {
    directory = join(await mkdtemp(join(tmpdir(), 'leasehold-faults-')), 'log');
    log = await writeLog(directory);
    expect(await presentSegment()).toBeGreaterThan(4);
  });
  afterEach(() => rm(join(directory, '..'), { recursive: true, force: true }));

  const whole = (): string => (log.models.at(-1) as LogModel).text();
  const withoutLast = (): string => (log.models.at(-2) as LogModel).text();

  it('none: the log is whole', async () => {
    expect((await load()).model.text()).toBe(whole());
  });

  it('a bit flipped in the middle: refused, the file named', async () => {
    await flip(2, (await groupOffsets(2))[0]! + 150);
    expect(await refusal()).toMatchObject({
      file: segmentName(2),
      what: expect.stringMatching(/damaged|does not follow/),
    });
  });

  it('a bit flipped in the first record: refused', async () => {
    await flip(1, SECTOR_BYTES + 100);
    expect(await refusal()).toMatchObject({ file: segmentName(1), what: 'the first group of the log is damaged' });
  });

  it('a bit flipped in the hard state of a group in the middle: refused', async () => {
    await flip(2, (await groupOffsets(2))[0]! + 48);
    expect((await refusal()).file).toBe(segmentName(2));
  });

  it('a bit flipped in the last group: dropped as torn, its vote kept by the copy that is whole', async () => {
    const last = (await groupOffsets(await presentSegment())).at(-1)!;
    await flip(await presentSegment(), last + 150);
    const { model, droppedTornGroup } = await load();
    expect(droppedTornGroup).toBe(true);
    const expected = (log.models.at(-2) as LogModel).withVoteOf(log.groups.at(-1) as WriteGroup);
    expect(model.text()).toBe(expected.text());
    expect(model.hardState).toMatchObject({ term: 3, vote: 2n });
    // And nothing of the dropped group comes back later.
    expect((await load()).model.text()).toBe(expected.text());
    expect((await load()).droppedTornGroup).toBe(false);
  });

  it('a bit flipped in the head of the last group, hard state included: the vote is kept by its copy', async () => {
    for (const offset of [4, 16, 36, 40, 48, 56, 80]) {
      await rm(directory, { recursive: true });
      log = await writeLog(directory);
      const present = await presentSegment();
      await flip(present, (await groupOffsets(present)).at(-1)! + offset, 0x10);
      const { model } = await load();
      expect(model.hardState).toMatchObject({ term: 3, vote: 2n });
      expect(model.entries.length).toBe((log.models.at(-2) as LogModel).entries.length);
    }
  });

  it('the tail of the last group torn off: dropped', async () => {
    const present = await presentSegment();
    const path = join(directory, segmentName(present));
    const last = (await groupOffsets(present)).at(-1)!;
    const bytes = await readFile(path);
    bytes.fill(0, last + SECTOR_BYTES);
    await writeFile(path, bytes);
    const { model, droppedTornGroup } = await load();
    expect(droppedTornGroup).toBe(true);
    expect(model.text()).toBe((log.models.at(-2) as LogModel).withVoteOf(log.groups.at(-1) as WriteGroup).text());
  });

  it('the last group gone without a trace: the log ends before it', async () => {
    const present = await presentSegment();
    const path = join(directory, segmentName(present));
    const bytes = await readFile(path);
    bytes.fill(0, (await groupOffsets(present)).at(-1)!);
    await writeFile(path, bytes);
    expect((await load()).model.text()).toBe(withoutLast());
  });

  it('a group in the middle gone without a trace: refused as a hole', async () => {
    const path = join(directory, segmentName(2));
    const [only, seal] = await groupOffsets(2);
    const bytes = await readFile(path);
    bytes.fill(0, only!, seal!);
    await writeFile(path, bytes);
    expect(await refusal()).toMatchObject({ file: segmentName(2), what: expect.stringMatching(/come after it/) });
  });

  it('the last two groups bad: refused, as the later one proves the earlier one was synced', async () => {
    const present = await presentSegment();
    const offsets = await groupOffsets(present);
    expect(offsets.length).toBeGreaterThan(1);
    await flip(present, offsets.at(-2)! + 120);
    await flip(present, offsets.at(-1)! + 120);
    expect((await refusal()).what).toMatch(/come after it/);
  });

  it('a file cut in half, to its head, or to nothing: refused, whichever it is', async () => {
    const count = (await readdir(directory)).length;
    for (let segment = 1; segment <= count; segment++) {
      const path = join(directory, segmentName(segment));
      const bytes = await readFile(path);
      for (const length of [0, 100, SECTOR_BYTES, segmentBytes / 2, segmentBytes - 1]) {
        await truncate(path, length);
        expect(await refusal()).toMatchObject({
          file: segmentName(segment),
          what: expect.stringMatching(/cut short|bytes instead of/),
        });
        await writeFile(path, bytes);
      }
      await writeFile(path, Buffer.concat([bytes, Buffer.alloc(512)]));
      expect(await refusal()).toMatchObject({
        file: segmentName(segment),
        what: expect.stringMatching(/bytes instead of/),
      });
      await writeFile(path, bytes);
    }
    expect((await load()).model.text()).toBe(whole());
  });

  it('a file deleted: refused, whether first, in the middle or last; only a spare is made again', async () => {
    const present = await presentSegment();
    for (let segment = 1; segment <= present; segment++) {
      const path = join(directory, segmentName(segment));
      const bytes = await readFile(path);
      await rm(path);
      expect(await refusal()).toMatchObject({ file: segmentName(segment), what: expect.stringMatching(/missing/) });
      await writeFile(path, bytes);
    }
    await rm(join(directory, segmentName(present + 1)));
    expect((await load()).model.text()).toBe(whole());
    expect(await presentSegment()).toBe(present);
  });

  it('the present file and the spare deleted: refused', async () => {
    const present = await presentSegment();
    await rm(join(directory, segmentName(present)));
    await rm(join(directory, segmentName(present + 1)));
    expect(await refusal()).toMatchObject({ file: segmentName(present), what: expect.stringMatching(/missing/) });
  });

  it('all files deleted: refused', async () => {
    for (const name of await readdir(directory)) await rm(join(directory, name));
    expect((await refusal()).what).toBe('the log has no segment');
  });

  it('a bit flipped anywhere in a segment head: refused', async () => {
    for (let offset = 0; offset < 80; offset++) {
      await flip(2, offset);
      expect((await refusal()).file).toBe(segmentName(2));
      await flip(2, offset);
    }
    expect((await load()).model.text()).toBe(whole());
  });

  it('two segments swapped: refused', async () => {
    const [one, two, aside] = [segmentName(2), segmentName(3), 'aside'].map((name) => join(directory, name));
    await rename(one!, aside!);
    await rename(two!, one!);
    await rename(aside!, two!);
    expect(await refusal()).toMatchObject({ file: segmentName(2), what: 'the file holds segment 3' });
  });

  it('an older copy of a segment that is not the newest: refused', async () => {
    const copy = `${directory}-older`;
    await writeLog(copy, identity.memberId, 3);
    const { wal } = await FsWal.open(directory, { identity, segmentBytes });
    await wal.close();
    // The older copy must be of the same log: take the file as it was when it held one group less.
    const bytes = await readFile(join(directory, segmentName(2)));
    const seal = (await groupOffsets(2)).at(-1)!;
    bytes.fill(0, seal);
    await writeFile(join(directory, segmentName(2)), bytes);
    expect(await refusal()).toMatchObject({ file: segmentName(2), what: expect.stringMatching(/is in use/) });
    await rm(copy, { recursive: true });
  });

  it('an older copy of the newest segment: refused by those who know how far the log reached', async () => {
    const present = await presentSegment();
    const path = join(directory, segmentName(present));
    const older = await readFile(path);
    const { wal } = await FsWal.open(directory, { identity, segmentBytes });
    const last = log.models.at(-1) as LogModel;
    const group: WriteGroup = { hardState: undefined, entries: [entry(last.last.index + 1, 3, 20)] };
    await new Promise<void>((resolve, reject) => wal.write(group, (error) => (error ? reject(error) : resolve())));
    await wal.close();
    expect(await presentSegment()).toBe(present);
    await writeFile(path, older);
    // The image had applied the lost entry.
    const opening = { identity, segmentBytes, lastAtLeast: last.last.index + 1 };
    await expect(FsWal.open(directory, opening)).rejects.toThrow(new RegExp(`${segmentName(present)}.*once reached`));
  });

  it('a directory of another member, cluster or generation: refused', async () => {
    const foreign = `${directory}-foreign`;
    await writeLog(foreign, 0xa2n);
    expect((await refusal(foreign)).what).toMatch(/belongs to member a2/);
    const open = (other: object): Promise<unknown> => FsWal.open(directory, { identity: { ...identity, ...other } });
    await expect(open({ clusterId: 7n })).rejects.toThrow(/belongs to cluster c1/);
    await expect(open({ generation: 4 })).rejects.toThrow(/belongs to generation 3/);
    // And one foreign file among our own.
    await cp(join(foreign, segmentName(3)), join(directory, segmentName(3)));
    expect(await refusal()).toMatchObject({
      file: segmentName(3),
      what: expect.stringMatching(/belongs to member a2/),
    });
    await rm(foreign, { recursive: true });
  });

  it('a segment of an earlier life of the same member: refused', async () => {
    const earlier = `${directory}-earlier`;
    await writeLog(earlier);
    await cp(join(earlier, segmentName(3)), join(directory, segmentName(3)));
    expect(await refusal()).toMatchObject({ file: segmentName(3), what: expect.stringMatching(/another log/) });
    await rm(earlier, { recursive: true });
  });

  it('a format number of the future: refused by name', async () => {
    const { encodeSegmentHead, segmentKey } = await import('../../src/store/wal-format.ts');
    const head = encodeSegmentHead({ ...identity, salt: 1n, number: 1, sizeBytes: segmentBytes });
    head.writeUInt32LE(2, 12);
    head.writeUInt32LE(segmentKey(head), 8);
    const path = join(directory, segmentName(1));
    await writeFile(path, Buffer.concat([head, (await readFile(path)).subarray(SECTOR_BYTES)]));
    expect(await refusal()).toMatchObject({
      file: segmentName(1),
      what: expect.stringMatching(/format 2 is not known/),
    });
  });

  it('leftovers of a segment half made are removed', async () => {
    await writeFile(join(directory, `${segmentName(9)}.new`), 'half');
    expect((await load()).model.text()).toBe(whole());
    expect(await readdir(directory)).not.toContain(`${segmentName(9)}.new`);
  });
});

describe('every byte of a small log flipped, one at a time', () => {
  it('yields the true log, or that without its last group, or a refusal', async () => {
    const path = join(await mkdtemp(join(tmpdir(), 'leasehold-flips-')), 'log');
    const { models, groups } = await writeLog(path);
    const files = await Promise.all(
      (await readdir(path)).sort().map(async (name) => ({ name, bytes: await readFile(join(path, name)) })),
    );
    await rm(join(path, '..'), { recursive: true });
    const whole = (models.at(-1) as LogModel).text();
    const lastGroup = groups.at(-1) as WriteGroup;
    const shorter = (models.at(-2) as LogModel).withVoteOf(lastGroup).text();
    const prng = new Prng(7, 'flips');
    const counts = { whole: 0, shorter: 0, refused: 0 };
    for (const [number, file] of files.entries()) {
      for (let offset = 0; offset < file.bytes.length; offset++) {
        const mask = 1 << prng.below(8);
        file.bytes[offset] = (file.bytes[offset] ?? 0) ^ mask;
        const recovered = recoverWal(files, { identity, segmentBytes });
        file.bytes[offset] = (file.bytes[offset] ?? 0) ^ mask;
        if (recovered.type === 'damage') {
          // The file named is the one that was hit, or its neighbour where the contradiction showed.
          expect(Math.abs(Number.parseInt(recovered.file, 10) - number - 1)).toBeLessThanOrEqual(1);
          counts.refused += 1;
          continue;
        }
        const text = LogModel.of(recovered.loaded).text();
        if (text === whole) counts.whole += 1;
        else if (text === shorter && recovered.droppedTornGroup) counts.shorter += 1;
        else throw new Error(`a flip of ${mask} at ${file.name}:${offset} gave a log that never was:\n${text}`);
        // One flipped byte never costs a vote: two copies, in two sectors (R6).
        expect(recovered.loaded.hardState.vote).toBe(2n);
      }
    }
    // Whatever a flip hits is told apart: unused bytes, the last group, all else.
    expect(counts.whole).toBeGreaterThan(1000);
    expect(counts.shorter).toBeGreaterThan(500);
    expect(counts.refused).toBeGreaterThan(10_000);
  });

  it('never yields a log that never was when a whole sector is lost, doubled or moved', async () => {
    const path = join(await mkdtemp(join(tmpdir(), 'leasehold-sectors-')), 'log');
    const { models, groups } = await writeLog(path);
    const files = await Promise.all(
      (await readdir(path)).sort().map(async (name) => ({ name, bytes: await readFile(join(path, name)) })),
    );
    await rm(join(path, '..'), { recursive: true });
    const lastGroup = groups.at(-1) as WriteGroup;
    const previous = models.at(-2) as LogModel;
    const allowed = [(models.at(-1) as LogModel).text(), previous.text(), previous.withVoteOf(lastGroup).text()];
    const prng = new Prng(11, 'sectors');
    const sector = (file: { bytes: Buffer }): number => prng.below(file.bytes.length / SECTOR_BYTES) * SECTOR_BYTES;
    for (let round = 0; round < 4000; round++) {
      const target = prng.pick(files);
      const at = sector(target);
      const before = Buffer.from(target.bytes.subarray(at, at + SECTOR_BYTES));
      if (prng.chance(0.3)) target.bytes.fill(0, at, at + SECTOR_BYTES);
      else {
        const source = prng.pick(files);
        const from = sector(source);
        source.bytes.copy(target.bytes, at, from, from + SECTOR_BYTES);
      }
      const recovered = recoverWal(files, { identity, segmentBytes });
      if (recovered.type === 'log') expect(allowed, `round ${round}`).toContain(LogModel.of(recovered.loaded).text());
      before.copy(target.bytes, at);
    }
  });
});
