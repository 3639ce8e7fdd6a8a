/**
 * The contract of the log's disk. Two implementations, one contract suite: `disk/fs-wal.ts` on files and
 * `store/memory-wal.ts`, the twin with an honest unsynced tail. Both share the byte format in `store/wal-format.ts`.
 * Invariants: S1, R6, R13.
 */
import type { Entry, HardState, Index, LogBase, WriteGroup } from './entry.ts';

/** What a log holds when it is opened. */
export interface LoadedLog {
  readonly hardState: HardState;
  /** The entry before the first one held; (0, 0) for a log that was never cut. */
  readonly base: LogBase;
  /** Entries base.index + 1 … last, without a gap. */
  readonly entries: readonly Entry[];
}

/** Ends a disk operation. An error is final: no further ack leaves this process, which exits non-zero (S4). */
export type DiskDone = (error?: Error) => void;

export interface Wal {
  /** Writes the group behind all earlier ones and syncs. At most one is outstanding; `done` is never called in the same step. */
  write(group: WriteGroup, done: DiskDone): void;
  /**
   * Entries up to `index` are covered by an image write that has returned; segments wholly at or below it may go, once a newer
   * one that holds base and hard state is synced. Lazy: keeps what it likes above, and deletes no file before a
   * later `write` that says so is synced. May be called at any time, during a write too.
   */
  dropUpTo(index: Index): void;
  /** Bytes on disk now. */
  readonly sizeBytes: number;
}
