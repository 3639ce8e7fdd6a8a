/**
 * The fault table of reliability §0.1, done to our image, IDENTITY and PEERS: every row ends in a repair or in a refusal that
 * names the file, and whatever state is served is one the log really led to.
 */
import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { createMember, disownMember } from '../../src/disk/data-dir.ts';
import { type DataPaths, dataPaths, memberPaths } from '../../src/disk/data-paths.ts';
import { isThere } from '../../src/disk/durable.ts';
import { readIdentity, writeIdentity } from '../../src/disk/identity.ts';
import { readImage } from '../../src/disk/image-directory.ts';
import { KnownBoots } from '../../src/disk/known-boots.ts';
import { seal } from '../../src/disk/sealed-text.ts';
import { initialLog } from '../../src/raft/membership.ts';
import { MachineLoader } from '../../src/state/machine-loader.ts';
import { scratchDirectory } from './scratch.ts';
import {
  boot,
  expected,
  freshMember,
  generationOf,
  logs,
  machineAt,
  memberId,
  membership,
  run,
  stateAfterBoot,
} from './small-member.ts';

const lastIndex = 60;

/** Members as they lie on disk; tests work on copies. */
interface Originals {
  /** The log begins at 1. */
  readonly whole: DataPaths;
  /** The log was cut behind the image. */
  readonly cut: DataPaths;
  /** Like `cut`, some time before. */
  readonly older: DataPaths;
}
let originals: Originals;

beforeAll(async () => {
  const make = async (dropLog: boolean, lives: readonly number[]): Promise<DataPaths> => {
    const paths = dataPaths(await mkdtemp(join(tmpdir(), 'leasehold-faults-')));
    await createMember(paths, { identity: expected, initial: initialLog(membership.payload), logs });
    // Several lives: what one leaves in LevelDB's log, the next moves into a table.
    for (const upTo of lives) await run(paths, { upTo, imageEvery: 10, dropLog });
    return paths;
  };
  originals = {
    whole: await make(false, [25, lastIndex]),
    cut: await make(true, [25, lastIndex]),
    older: await make(true, [25]),
  };
  return async () => {
    for (const paths of Object.values(originals)) await rm(paths.root, { recursive: true, force: true });
  };
}, 60_000);

async function copyOf(original: DataPaths): Promise<DataPaths> {
  const root = join(await scratchDirectory(), 'copy');
  await cp(original.root, root, { recursive: true });
  return dataPaths(root);
}

/** The one file of the image whose name ends or begins so; the largest if there are several. */
async function imageFile(paths: DataPaths, pattern: RegExp): Promise<string> {
  const { image } = generationOf(paths);
  let found: { path: string; size: number } | undefined;
  for (const name of await readdir(image)) {
    if (!pattern.test(name)) continue;
    const path = join(image, name);
    const size = (await readFile(path)).length;
    if (found === undefined || size > found.size) found = { path, size };
  }
  if (found === undefined) throw new Error(`the image has no file like ${pattern}: ${await readdir(image)}`);
  return found.path;
}

async function flip(path: string, at: number, bit = 0): Promise<void> {
  const bytes = await readFile(path);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
  await writeFile(path, bytes);
}

const table = /\.(ldb|sst)$/;
const levelLog = /\.log$/;

/** Rows that leave no believable image. */
const losses: [string, (paths: DataPaths) => Promise<void>][] = [
  ['a bit flips in a table', async (paths) => flip(await imageFile(paths, table), 200)],
  ['a table is deleted', async (paths) => rm(await imageFile(paths, table))],
  ['a table is cut in half', async (paths) => truncateHalf(await imageFile(paths, table))],
  ['a table has no bytes', async (paths) => truncate(await imageFile(paths, table), 0)],
  ['CURRENT is deleted', async (paths) => rm(join(generationOf(paths).image, 'CURRENT'))],
  ['CURRENT has no bytes', async (paths) => truncate(join(generationOf(paths).image, 'CURRENT'), 0)],
  ['a bit flips in MANIFEST', async (paths) => flip(await imageFile(paths, /^MANIFEST/), 20)],
  ['MANIFEST has no bytes', async (paths) => truncate(await imageFile(paths, /^MANIFEST/), 0)],
  ['MANIFEST is deleted', async (paths) => rm(await imageFile(paths, /^MANIFEST/))],
  ['the image directory is deleted', async (paths) => rm(generationOf(paths).image, { recursive: true })],
  ['every file of the image is deleted', async (paths) => emptied(generationOf(paths).image)],
  ['OWNER is deleted', async (paths) => rm(join(generationOf(paths).image, 'OWNER'))],
  ['a bit flips in OWNER', async (paths) => flip(join(generationOf(paths).image, 'OWNER'), 30)],
  [
    'the image is that of another cluster',
    async (paths) => {
      const owner = join(generationOf(paths).image, 'OWNER');
      const text = (await readFile(owner, 'latin1')).split('\n').slice(1, -2);
      const lines = text.map((line): [string, string] => line.split(' ') as [string, string]);
      const foreign = lines.map(([name, value]): [string, string] => [
        name,
        name === 'cluster' ? '0'.repeat(16) : value,
      ]);
      await writeFile(owner, seal('image-owner', 1, foreign));
    },
  ],
];

/** Rows that leave an image of an earlier time, whole in itself. */
const setbacks: [string, (paths: DataPaths) => Promise<void>][] = [
  ['a bit flips in the first record of LevelDB’s log', async (paths) => flip(await imageFile(paths, levelLog), 40)],
  ['LevelDB’s log is cut in half', async (paths) => truncateHalf(await imageFile(paths, levelLog))],
  ['the end of LevelDB’s log is torn', async (paths) => truncateBy(await imageFile(paths, levelLog), 300)],
  ['LevelDB’s log is deleted', async (paths) => rm(await imageFile(paths, levelLog))],
  [
    'the image is replaced by an older copy',
    async (paths) => {
      await rm(generationOf(paths).image, { recursive: true });
      await cp(generationOf(originals.older).image, generationOf(paths).image, { recursive: true });
    },
  ],
];

async function truncateHalf(path: string): Promise<void> {
  await truncate(path, Math.floor((await readFile(path)).length / 2));
}
async function truncateBy(path: string, bytes: number): Promise<void> {
  await truncate(path, (await readFile(path)).length - bytes);
}
async function emptied(directory: string): Promise<void> {
  for (const name of await readdir(directory)) await rm(join(directory, name), { recursive: true });
}

describe('the image', () => {
  test('the members these tests damage are good', async () => {
    for (const original of [originals.whole, originals.cut]) {
      const paths = await copyOf(original);
      const booted = await boot(paths);
      expect(booted.machine.appliedIndex).toBe(lastIndex);
      expect(booted.base.index > 0).toBe(original === originals.cut);
      expect(await stateAfterBoot(booted)).toEqual({ digest: machineAt(lastIndex).digest(), index: lastIndex });
    }
  });

  test.each(losses)('%s: rebuilt from a log that begins at 1, else from peers', async (_name, damage) => {
    for (const original of [originals.whole, originals.cut]) {
      const paths = await copyOf(original);
      const hadDirectory = async () => (await readdir(generationOf(paths).image).catch(() => [])).length > 0;
      await damage(paths);
      const aside = await hadDirectory();
      const lines: string[] = [];
      const booted = await boot(paths, { notice: (line) => void lines.push(line) });
      expect(booted.machine.appliedIndex).toBe(0);
      expect(booted.needsSnapshot).toBe(original === originals.cut);
      expect(lines.join('\n')).toMatch(
        /^\S+gen-1\/image: the image is lost \(.+\); it is rebuilt from (the log|another member)/,
      );
      if (aside) expect(await isThere(`${generationOf(paths).image}.damaged`)).toBe(true);
      if (original === originals.cut) {
        await booted.disks.close();
        // It stays so: the next start does not take the new, empty image for the state.
        const again = await boot(paths);
        expect([again.machine.appliedIndex, again.needsSnapshot]).toEqual([0, true]);
        await again.disks.close();
      } else {
        expect(await stateAfterBoot(booted)).toEqual({ digest: machineAt(lastIndex).digest(), index: lastIndex });
        expect(await run(paths, { upTo: lastIndex + 5, imageEvery: 1 })).toBe(machineAt(lastIndex + 5).digest());
        const rebuilt = await boot(paths);
        expect(rebuilt.machine.appliedIndex).toBe(lastIndex + 5);
        await rebuilt.disks.close();
      }
    }
  });

  test.each(setbacks)('%s: the log brings it forward, or it is rebuilt from peers', async (_name, damage) => {
    for (const original of [originals.whole, originals.cut]) {
      const paths = await copyOf(original);
      await damage(paths);
      const booted = await boot(paths);
      const { appliedIndex } = booted.machine;
      expect(appliedIndex).toBeLessThan(lastIndex);
      expect(booted.needsSnapshot).toBe(original === originals.cut && appliedIndex === 0);
      if (booted.needsSnapshot) await booted.disks.close();
      else {
        expect(booted.machine.digest()).toBe(machineAt(appliedIndex).digest());
        expect(await stateAfterBoot(booted)).toEqual({ digest: machineAt(lastIndex).digest(), index: lastIndex });
      }
    }
  });

  test('a bit flips in the middle of a long LevelDB log: the gap it leaves is found', async () => {
    const paths = await freshMember();
    await run(paths, { upTo: 400, imageEvery: 10 });
    const path = await imageFile(paths, levelLog);
    await flip(path, Math.floor((await readFile(path)).length / 3));
    const lines: string[] = [];
    const booted = await boot(paths, { notice: (line) => void lines.push(line) });
    expect(booted.machine.appliedIndex).toBe(0);
    expect(lines.join()).toContain('digest of the records is');
    expect(await stateAfterBoot(booted)).toEqual({ digest: machineAt(400).digest(), index: 400 });
  });

  test('whatever bit of whatever file flips: the image is lost, or a state the log really led to', async () => {
    const seed = Math.floor(Math.random() * 2 ** 32);
    const prng = new Prng(seed, 'image-faults');
    const { image } = generationOf(originals.cut);
    const identity = { ...expected, generation: 1 };
    const digests = new Map<number, string>();
    let lost = 0;
    const flips = 150;
    for (let at = 0; at < flips; at++) {
      const copy = join(await scratchDirectory(), 'image');
      await cp(image, copy, { recursive: true });
      const name = prng.pick((await readdir(copy)).filter((file) => !/^LO/.test(file)).sort());
      const { length } = await readFile(join(copy, name));
      if (length === 0) continue;
      const offset = prng.below(length);
      await flip(join(copy, name), offset, prng.below(8));
      const found = await readImage(copy, identity);
      const what = `seed ${seed}, byte ${offset} of ${name}`;
      if (found.type === 'lost') {
        lost++;
        continue;
      }
      const { appliedIndex } = found.machine;
      if (!digests.has(appliedIndex)) digests.set(appliedIndex, machineAt(appliedIndex).digest());
      expect(found.machine.digest(), what).toBe(digests.get(appliedIndex));
      await found.image.close();
    }
    expect(lost, `seed ${seed}`).toBeGreaterThan(flips / 4);
  });
});

test('a mistake of our own while the image is read never passes for damage of it', async () => {
  const paths = await copyOf(originals.whole);
  const load = vi.spyOn(MachineLoader.prototype, 'finish').mockImplementation(() => {
    throw new TypeError('a mistake');
  });
  await expect(boot(paths)).rejects.toThrow('a mistake');
  load.mockRestore();
  const booted = await boot(paths);
  expect(booted.machine.appliedIndex).toBe(lastIndex);
  await booted.disks.close();
});

describe('the log, as boot sees it', () => {
  test('a flipped bit in its middle is refused by file, and nothing else is touched', async () => {
    const paths = await copyOf(originals.whole);
    const [segment] = (await readdir(generationOf(paths).log)).sort();
    const path = join(generationOf(paths).log, segment ?? '');
    await flip(path, (await readFile(path)).indexOf('value 10 ') + 3);
    const before = await readdir(generationOf(paths).image);
    await expect(boot(paths)).rejects.toMatchObject({ trouble: 'damaged' });
    await expect(boot(paths)).rejects.toThrow(path);
    expect((await readdir(generationOf(paths).image)).length).toBeGreaterThanOrEqual(before.length - 1);
    expect(await isThere(`${generationOf(paths).image}.damaged`)).toBe(false);
  });
});

describe('IDENTITY and PEERS', () => {
  const identityOf = (paths: DataPaths): string => memberPaths(paths.member).identity;
  const rows: [string, string, (paths: DataPaths) => Promise<void>][] = [
    ['IDENTITY has no bytes', 'damaged', (paths) => truncate(identityOf(paths), 0)],
    ['a bit flips in IDENTITY', 'damaged', (paths) => flip(identityOf(paths), 60)],
    ['IDENTITY is deleted', 'missing', (paths) => rm(identityOf(paths))],
    ['PEERS has no bytes', 'damaged', (paths) => truncate(memberPaths(paths.member).peers, 0)],
    ['PEERS is deleted', 'missing', (paths) => rm(memberPaths(paths.member).peers)],
    ['the member’s directory is empty', 'missing', (paths) => emptied(paths.member)],
    ['the log directory is deleted', 'missing', (paths) => rm(generationOf(paths).log, { recursive: true })],
    ['the generation is deleted', 'missing', (paths) => rm(generationOf(paths).directory, { recursive: true })],
  ];
  test.each(rows)('%s: refused as %s, in one line, every time', async (_name, trouble, damage) => {
    const paths = await copyOf(originals.whole);
    await damage(paths);
    for (let start = 0; start < 2; start++) {
      const refused = boot(paths);
      await expect(refused).rejects.toMatchObject({ name: 'DataDirError', trouble });
      await expect(refused).rejects.toThrow(/^\/\S+\/member\/\S+: [^\n]+$/);
    }
  });

  test('the IDENTITY of another member or cluster is refused', async () => {
    const paths = await copyOf(originals.whole);
    const other = await freshMember();
    await cp(identityOf(other), identityOf(paths));
    await expect(boot(paths, { expected: { ...expected, memberId: 99n } })).rejects.toMatchObject({
      trouble: 'foreign',
    });
  });

  test('an IDENTITY that is good in itself but not of this log is refused by the log', async () => {
    const paths = await copyOf(originals.whole);
    const identity = await readIdentity(identityOf(paths));
    await writeIdentity(identityOf(paths), { ...identity, memberId: 8n });
    await expect(boot(paths, { expected: { ...expected, memberId: 8n } })).rejects.toThrow(generationOf(paths).log);
  });
});

test('a directory that other members disowned never starts again, however often it is tried', async () => {
  const paths = await freshMember();
  await run(paths, { upTo: 5, imageEvery: 5 });
  const before = await readIdentity(memberPaths(paths.member).identity);
  disownMember(paths, 'member 7 was seen at start 9 and comes with start 1');
  for (let start = 0; start < 10; start++) {
    await expect(boot(paths)).rejects.toMatchObject({ trouble: 'damaged', path: memberPaths(paths.member).disowned });
  }
  // No start was counted: by counting on, an older copy would pass for a newer one.
  expect(await readIdentity(memberPaths(paths.member).identity)).toEqual(before);
});

test('a whole directory replaced by an older copy is found out by whoever saw a later start', async () => {
  const peersFile = join(await scratchDirectory(), 'PEERS');
  await KnownBoots.create(peersFile);
  const paths = await freshMember();
  /** One start, as a peer sees it. */
  const start = async (): Promise<string> => {
    const { identity, disks } = await boot(paths);
    await disks.close();
    const peer = await KnownBoots.open(peersFile);
    const verdict = peer.check(memberId, identity.boot, identity.bootToken);
    if (verdict !== 'older') await peer.note(memberId, identity.boot, identity.bootToken);
    return verdict;
  };
  expect(await start()).toBe('new');
  const copy = join(await scratchDirectory(), 'copy');
  await cp(paths.root, copy, { recursive: true });
  expect(await start()).toBe('new');
  // The copy comes back with the very number the original used last: only the token tells.
  await rm(paths.root, { recursive: true });
  await cp(copy, paths.root, { recursive: true });
  expect(await start()).toBe('older');
  // And one that is several starts behind is found by its number.
  await rm(paths.root, { recursive: true });
  const before = await freshMember();
  await cp(before.root, paths.root, { recursive: true });
  expect(await start()).toBe('older');
});
