/** The log disk of production: `FsWal` behind the small interface that boot and snapshot install are written against. */
import { FsWal, type FsWalOptions } from './fs-wal.ts';
import type { LogDisk } from './log-disk.ts';

/** Logs as `FsWal` makes them, all with the same options. */
export function fsLogDisk(options: FsWalOptions = {}): LogDisk {
  return {
    create: (directory, identity, base, initial) => FsWal.create(directory, { ...options, identity, base, initial }),
    async open(directory, identity, atLeast) {
      const { wal, loaded, droppedTornGroup } = await FsWal.open(directory, {
        ...options,
        identity,
        lastAtLeast: atLeast,
      });
      const torn = `${directory}: the last write was torn and is dropped; nothing in it was acknowledged`;
      return { wal, loaded, notices: droppedTornGroup ? [torn] : [] };
    },
  };
}
