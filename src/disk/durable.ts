/**
 * The few durable steps on files that everything here is built of: make a directory and have it stay, replace a small file
 * wholly or not at all, remove a tree. Owns the order of write, sync, rename and directory sync (S1); knows no file by
 * name. Directories are 0700, files 0600: they hold secrets of clients.
 */
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/** Called with the name of a step just before it is done. Tests throw here to stop the world at that point. */
export type StepSeam = (step: string) => void;

/** The seam of production: nothing. */
export const noSeam: StepSeam = () => undefined;

/** Makes the names in a directory durable: a created, renamed or removed entry survives power loss only after this. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Makes a directory, and those above it, that are still there after power loss. An existing one is fine. One level at a time: Node's
 * recursive mkdir tries for ever where the file system says ENOENT to a name below a directory that is there (/proc/x).
 */
export async function makeDirectory(directory: string): Promise<void> {
  const path = resolve(directory);
  let there = dirname(path);
  const missing = [path];
  for (; !(await isThere(there)); there = dirname(there)) missing.push(there);
  for (const level of missing.reverse()) await makeLevel(level);
  // Up to the last one that was there, at least the nearest: an earlier process may have died before this sync.
  for (let named = dirname(path); named.length >= there.length; named = dirname(named)) {
    await syncDirectory(named);
    if (named === dirname(named)) return;
  }
}

async function makeLevel(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (!(await isDirectory(path))) throw error;
  }
}

/** Removes a tree for good; what is not there is fine. */
export async function removeTree(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
  await syncDirectory(dirname(path));
}

/**
 * Puts `text` in the place of `path` in one step: after a crash the file holds the old text or the new one, never a part.
 * Resolves when the new text would survive power loss.
 */
export async function replaceFile(path: string, text: string, seam: StepSeam = noSeam): Promise<void> {
  const fresh = `${path}.new`;
  seam('write new file');
  const handle = await open(fresh, 'w', 0o600);
  try {
    await handle.writeFile(text);
    seam('sync new file');
    await handle.sync();
  } finally {
    await handle.close();
  }
  seam('rename');
  await rename(fresh, path);
  seam('sync directory of renamed file');
  await syncDirectory(dirname(path));
}

/** The bytes of a file, or undefined when there is none. Any other trouble is thrown as the file system said it. */
export async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isNotThere(error)) return undefined;
    throw error;
  }
}

/** Whether anything is at `path`. */
export async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isNotThere(error)) return false;
    throw error;
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

function isNotThere(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
