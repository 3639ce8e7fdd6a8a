/**
 * How much of the disk is left, and how much of that is kept back so that deletes, revokes and expiry still find room when
 * growth is refused (S5). Owns the measuring; who is refused what is the node's rule.
 */
import { statfs } from 'node:fs/promises';
import { diskReserveBytesMax, imageFlushBytesMax, walSegmentBytes } from '../base/limits.ts';

export interface DiskSpace {
  /** Free for us (not for root alone). */
  readonly freeBytes: number;
  /** Growth is refused while less than this is free. */
  readonly reserveBytes: number;
}

/** On a disk however small: the log's next segment, and the image's write while another one is compacted. */
const reserveBytesMin = walSegmentBytes + 2 * imageFlushBytesMax;

/** The reserve on a disk of `totalBytes`: a tenth of it, but 24 MiB at least and 64 MiB at most; or what an option says. */
export function reserveBytesOf(totalBytes: number, optionBytes?: number): number {
  return optionBytes ?? Math.min(diskReserveBytesMax, Math.max(reserveBytesMin, Math.floor(totalBytes / 10)));
}

/** Whether growth must be refused. */
export function isSpaceLow(space: DiskSpace): boolean {
  return space.freeBytes < space.reserveBytes;
}

/** Measures the disk that holds `path`, which is there. */
export async function measureSpace(path: string, reserveOptionBytes?: number): Promise<DiskSpace> {
  const { bavail, blocks, bsize } = await statfs(path);
  return { freeBytes: bavail * bsize, reserveBytes: reserveBytesOf(blocks * bsize, reserveOptionBytes) };
}
