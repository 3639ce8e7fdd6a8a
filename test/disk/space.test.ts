import { expect, test } from 'vitest';
import { diskReserveBytesMax, imageFlushBytesMax, walSegmentBytes } from '../../src/base/limits.ts';
import { isSpaceLow, measureSpace, reserveBytesOf } from '../../src/disk/space.ts';
import { scratchDirectory } from './scratch.ts';

test('the reserve is a tenth of the disk, 64 MiB at most, or what an option says', () => {
  expect(reserveBytesOf(100 * 1024 ** 3)).toBe(diskReserveBytesMax);
  expect(reserveBytesOf(500 * 1024 ** 2)).toBe(50 * 1024 ** 2);
  expect(reserveBytesOf(100 * 1024 ** 3, 5)).toBe(5);
  expect(reserveBytesOf(100 * 1024 ** 3, 0)).toBe(0);
});

test('on a small disk too the next segment of the log and the image still fit when growth is refused', () => {
  expect(reserveBytesOf(100 * 1024 ** 2)).toBe(walSegmentBytes + 2 * imageFlushBytesMax);
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
