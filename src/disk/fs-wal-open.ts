/**
 * Opens the files of a log: reads segment after segment through the pure recovery, then carries out its repairs. Owns the error
 * that names file and byte. Invariants: S4 (nothing rests on a page cache that a failed sync left clean), S6, R13.
 */
import { join } from 'node:path';
import type { Damage } from '../store/wal-format.ts';
import { type RecoveredLog, type WalExpectation, WalRecovery } from '../store/wal-recovery.ts';
import { DataDirError, rejoinRemedy } from './data-dir-error.ts';
import type { SegmentFiles } from './segment-files.ts';

/** The log is damaged: it must not be served from, voted from or repaired by guess. The message names file, byte and remedy. */
export class WalDamage extends DataDirError {
  /** Byte in the file at `path`. */
  readonly offset: number;
  /** What is wrong, without path and remedy. */
  readonly what: string;

  constructor(directory: string, damage: Damage) {
    super('damaged', join(directory, damage.file), `byte ${damage.offset}: ${damage.what}; ${rejoinRemedy}`);
    this.offset = damage.offset;
    this.what = damage.what;
  }
}

/** Reads, checks and repairs. Rejects with `WalDamage`. At most two segments are in memory besides the entries. */
export async function openSegments(files: SegmentFiles, expected: WalExpectation): Promise<RecoveredLog> {
  const recovery = new WalRecovery(expected);
  // The directory is synced first: a name that a crashed process made is from now on there to stay.
  await files.syncNames();
  for (const name of await files.names()) {
    const damage = recovery.feed(name, await files.read(name));
    if (damage !== undefined) throw new WalDamage(files.directory, damage);
  }
  const recovered = recovery.finish();
  if (recovered.type === 'damage') throw new WalDamage(files.directory, recovered);
  for (const step of recovered.repairs) await files.carryOut(step);
  return recovered;
}
