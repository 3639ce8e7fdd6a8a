import { constants } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { diskReserveBytes } from '../../src/base/limits.ts';
import { fsLogDisk } from '../../src/disk/fs-log-disk.ts';
import { realWalCalls } from '../../src/disk/segment-files.ts';
import { isSpaceLow, measureSpace } from '../../src/disk/space.ts';
import { segmentName } from '../../src/store/wal-format.ts';
import { scratchDirectory } from './scratch.ts';
import { boot, freshMember, generationOf } from './small-member.ts';

test('growth is refused below the reserve, not at it', () => {
  expect(isSpaceLow({ freeBytes: 99, reserveBytes: 100 })).toBe(true);
  expect(isSpaceLow({ freeBytes: 100, reserveBytes: 100 })).toBe(false);
});

test('measures a real disk', async () => {
  const directory = await scratchDirectory();
  const space = await measureSpace(directory);
  expect(space.freeBytes).toBeGreaterThan(0);
  expect(space.reserveBytes).toBe(diskReserveBytes);
  await expect(measureSpace(`${directory}/nothing here`)).rejects.toThrow('ENOENT');
});

test('when the log finds no space for its next segment, nothing counts as free, at once', async () => {
  const paths = await freshMember();
  // The next segment was made ahead; without it the next start makes it.
  await rm(join(generationOf(paths).log, segmentName(2)), { force: true });
  let tell: () => void = () => undefined;
  const told = new Promise<void>((resolve) => {
    tell = resolve;
  });
  let full = true;
  const calls: typeof realWalCalls = {
    ...realWalCalls,
    open: (path, flags, mode, done) => {
      if (!full || (flags & constants.O_CREAT) === 0) realWalCalls.open(path, flags, mode, done);
      else setImmediate(() => done(Object.assign(new Error('EDQUOT'), { code: 'EDQUOT' }), -1));
    },
  };
  const logs = fsLogDisk({ segmentBytes: 64 * 1024, calls, onSpaceLow: () => tell() });
  const { disks } = await boot(paths, { logs });
  await told;
  expect((await measureSpace(paths.root)).freeBytes).toBeGreaterThan(0);
  expect(isSpaceLow(await disks.space())).toBe(true);
  full = false;
  const endMs = performance.now() + 20_000;
  while ((await disks.space()).freeBytes === 0) {
    expect(performance.now()).toBeLessThan(endMs);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await disks.close();
});
