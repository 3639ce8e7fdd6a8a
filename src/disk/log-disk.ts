/**
 * What boot and snapshot install need of the log on disk: to make one that holds a first group, and to open one that must hold
 * enough. A seam of our own, so that tests can bring a log that fails; `fs-log-disk.ts` is the one of production.
 */
import type { Index, LogBase, WriteGroup } from '../store/entry.ts';
import type { LoadedLog, Wal } from '../store/wal.ts';
import type { WalIdentity } from '../store/wal-format.ts';

export interface ClosableWal extends Wal {
  /** There is no space for what follows the present segment: growth must be refused. */
  readonly spaceLow: boolean;
  /** Waits for the write under way and gives up the files. */
  close(): Promise<void>;
}

export interface OpenLog {
  readonly wal: ClosableWal;
  readonly loaded: LoadedLog;
  /** Lines for the operator: a torn last group that was dropped. */
  readonly notices: readonly string[];
}

export interface LogDisk {
  /** Makes a log in `directory` that starts at `base` and holds `initial`; all of it is on disk when this resolves. */
  create(directory: string, identity: WalIdentity, base: LogBase, initial: WriteGroup): Promise<ClosableWal>;
  /**
   * Opens a log. Throws a `DataDirError` that names the file if it is damaged, belongs to somebody else, or ends below `atLeast`,
   * which other files prove it held.
   */
  open(directory: string, identity: WalIdentity, atLeast: Index): Promise<OpenLog>;
}
