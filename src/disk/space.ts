/**
 * How much of the disk is left, and how much of that is kept back so that deletes, revokes and expiry still find room when
 * growth is refused (S5). Owns the measuring; who is refused what is the node's rule.
 */
import { statfs } from 'node:fs/promises';
import { diskReserveBytes } from '../base/limits.ts';

export interface DiskSpace {
  /** Free for us (not for root alone). */
  readonly freeBytes: number;
  /** Growth is refused while less than this is free. */
  readonly reserveBytes: number;
}

/** Whether growth must be refused. */
export function isSpaceLow(space: DiskSpace): boolean {
  return space.freeBytes < space.reserveBytes;
}

/** Measures the disk that holds `path`, which is there. */
export async function measureSpace(path: string): Promise<DiskSpace> {
  const { bavail, bsize } = await statfs(path);
  return { freeBytes: bavail * bsize, reserveBytes: diskReserveBytes };
}
