/**
 * One process per data directory. Owns the lock, which is taken before anything else in the directory is opened (S6).
 *
 * Node has no `flock`. LevelDB takes a kernel lock on a file named LOCK in any store it opens (fcntl, plus a table of its
 * own for a second open in the same process), which the kernel gives back when the process ends however it ends. So the
 * lock is a LevelDB store with nothing in it: no stale lock to recognise after `kill -9`, no process id to mistake for
 * another's, and it holds between containers that share the directory. A file beside it names the holder, for the message
 * alone.
 */
import { readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Level } from 'level';
import { DataDirError, fileSystemError } from './data-dir-error.ts';
import type { DataPaths } from './data-paths.ts';
import { makeDirectory } from './durable.ts';
import { levelTrouble } from './level-trouble.ts';

const holderName = 'holder';

/**
 * Locks this process holds, by real path. The kernel drops a process's fcntl lock when that process closes *any* descriptor of
 * the file, which LevelDB does when it refuses a second open: so a second try in this process must not get that far.
 */
const held = new Set<string>();

/** The right to use a data directory, until `release` or the end of the process. */
export interface DataDirLock {
  release(): Promise<void>;
}

/**
 * Makes the data directory if it is not there and locks it. Throws a refusal in one line if another process has it, or if
 * the directory cannot be used at all.
 */
export async function lockDataDir(paths: DataPaths): Promise<DataDirLock> {
  try {
    await makeDirectory(paths.lock);
  } catch (error) {
    throw fileSystemError(paths.root, 'use the data directory', error);
  }
  const path = await realpath(paths.lock);
  if (held.has(path)) throw inUse(paths, String(process.pid));
  held.add(path);
  try {
    const store = await takeLock(paths, true);
    await writeFile(join(paths.lock, holderName), `${process.pid}\n`, { mode: 0o600 });
    return {
      async release(): Promise<void> {
        await store.close();
        held.delete(path);
      },
    };
  } catch (error) {
    held.delete(path);
    throw error;
  }
}

async function takeLock(paths: DataPaths, mayClear: boolean): Promise<Level> {
  const store = new Level(paths.lock, { createIfMissing: true });
  try {
    await store.open();
    return store;
  } catch (error) {
    const { kind, text } = levelTrouble(error);
    if (kind === 'locked') {
      const holder = (await readFile(join(paths.lock, holderName), 'latin1').catch(() => '')).trim();
      throw inUse(paths, holder, error);
    }
    if (kind === 'fileSystem' || !mayClear)
      throw fileSystemError(paths.lock, `lock the data directory: ${text}`, error);
    await clearLockStore(paths.lock);
    return takeLock(paths, false);
  }
}

function inUse(paths: DataPaths, holder: string, cause?: unknown): DataDirError {
  const who = /^\d+$/.test(holder) ? `process ${holder}` : 'another process';
  return new DataDirError('locked', paths.root, `in use by ${who}; stop it, or use another --data-dir`, cause);
}

/**
 * The store is damaged; there is nothing in it. All but the file that the kernel's lock hangs on may go: whoever holds that
 * one goes on holding it, and needs none of the others.
 */
async function clearLockStore(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (name !== 'LOCK') await rm(join(directory, name), { recursive: true, force: true });
  }
}
