import { expect, test } from 'vitest';
import { diskReserveBytesMax } from '../../src/base/limits.ts';
import { isSpaceLow, measureSpace, reserveBytesOf } from '../../src/disk/space.ts';
import { scratchDirectory } from './scratch.ts';

test('the reserve is a tenth of the disk, 64 MiB at most, or what an option says', () => {
  expect(reserveBytesOf(100 * 1024 ** 3)).toBe(diskReserveBytesMax);
  expect(reserveBytesOf(24 * 1024 ** 2)).toBe(Math.floor(2.4 * 1024 ** 2));
  expect(reserveBytesOf(100 * 1024 ** 3, 5)).toBe(5);
  expect(reserveBytesOf(100 * 1024 ** 3, 0)).toBe(0);
});

test('growth is refused below the reserve, not at it', () => {
  expect(isSpaceLow({ freeBytes: 99, reserveBytes: 100 })).toBe(true);
  expect(isSpaceLow({ freeBytes: 100, reserveBytes: 100 })).toBe(false);
});

test('measures a real disk', async () => {
  const directory = await scratchDirectory();
  const space = await measureSpace(directory);
  expect(space.freeBytes).toBeGreaterThan(0);
  expect(space.reserveBytes).toBeGreaterThan(0);
  expect(space.reserveBytes).toBeLessThanOrEqual(diskReserveBytesMax);
  expect(isSpaceLow(await measureSpace(directory, Number.MAX_SAFE_INTEGER))).toBe(true);
  await expect(measureSpace(`${directory}/nothing here`)).rejects.toThrow('ENOENT');
});
