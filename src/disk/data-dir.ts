/**
 * A member's directory comes to be, and is tidied. Owns: making it for a first boot so that it is there wholly or not at all,
 * telling a fresh directory from one that lost something, and removing generations that were never committed or are
 * over. Invariants: S1, S6.
 */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { LogBase, WriteGroup } from '../store/entry.ts';
import { DataDirError, fileSystemError, isFileSystemAnswer } from './data-dir-error.ts';
import { type DataPaths, generationOfName, generationPaths, memberPaths } from './data-paths.ts';
import { isThere, makeDirectory, noSeam, removeTree, type StepSeam, syncDirectory } from './durable.ts';
import { fsLogDisk } from './fs-log-disk.ts';
import { type Expected, writeIdentity } from './identity.ts';
import { createImage } from './image-directory.ts';
import { KnownBoots } from './known-boots.ts';
import type { LogDisk } from './log-disk.ts';

const firstGeneration = 1;
const emptyBase: LogBase = { index: 0, term: 0 };

/** What a member begins with. */
export interface Creation {
  readonly identity: Expected;
  /** The first write group: the hard state and entry 1, the initial configuration; or nothing, for a member that joins. */
  readonly initial: WriteGroup;
  readonly logs?: LogDisk;
  readonly seam?: StepSeam;
}

/** Whether a member lives in the data directory. The caller of a fresh one asks its peers before it makes a member (house §4). */
export async function memberExists(paths: DataPaths): Promise<boolean> {
  try {
    return await isThere(paths.member);
  } catch (error) {
    throw fileSystemError(paths.root, 'look into the data directory', error);
  }
}

/**
 * Makes a member's directory. It is built under another name and renamed when all of it is on disk: a crash leaves no member
 * or a whole one, and a member without its IDENTITY is never taken for one that was being made.
 */
export async function createMember(paths: DataPaths, creation: Creation): Promise<void> {
  const seam = creation.seam ?? noSeam;
  if (await memberExists(paths)) {
    throw new DataDirError('foreign', paths.member, 'already holds a member; start it, or use another --data-dir');
  }
  const owner = { ...creation.identity, generation: firstGeneration };
  try {
    await removeTree(paths.memberNew);
    await makeDirectory(paths.memberNew);
    const generation = generationPaths(paths.memberNew, firstGeneration);
    await makeDirectory(generation.directory);
    seam('make log');
    const wal = await (creation.logs ?? fsLogDisk()).create(generation.log, owner, emptyBase, creation.initial);
    await wal.close();
    seam('make image');
    const image = await createImage(generation.image, owner);
    await image.close();
    const files = memberPaths(paths.memberNew);
    seam('make PEERS');
    await KnownBoots.create(files.peers);
    seam('make IDENTITY');
    await writeIdentity(files.identity, { ...owner, boot: 0, bootToken: 0n });
    seam('name the member');
    await rename(paths.memberNew, paths.member);
    seam('sync the name');
    await syncDirectory(paths.root);
  } catch (error) {
    throw isFileSystemAnswer(error) ? fileSystemError(paths.root, 'make a member in it', error) : error;
  }
}

/**
 * Other members have told that this directory is an older copy, or an emptied one, of what they knew: it never starts again. Without
 * this mark a supervisor that restarts us would raise the boot until it is higher than any that was seen (S6). Synchronous: in the
 * step in which we are told, before the process ends.
 */
export function disownMember(paths: DataPaths, why: string): void {
  const mark = openSync(memberPaths(paths.member).disowned, 'w', 0o600);
  try {
    writeSync(mark, `${why}\n`);
    fsyncSync(mark);
  } finally {
    closeSync(mark);
  }
  const directory = openSync(paths.member, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

/** Removes what is of no committed generation: a snapshot that was not installed, or the one before an installed one. */
export async function removeOtherGenerations(member: string, generation: number): Promise<string[]> {
  const removed: string[] = [];
  for (const name of await readdir(member)) {
    const found = generationOfName(name);
    if (found === undefined || found === generation) continue;
    await removeTree(join(member, name));
    removed.push(join(member, name));
  }
  return removed;
}
