/**
 * A directory of files in memory that is as dishonest as a real one: what was not synced may be lost, kept or torn by a crash,
 * and a name is lost unless the directory was synced. Owns bytes and names; knows nothing of the log. Pure.
 */
import { assert } from '../base/assert.ts';
import type { Prng } from '../base/prng.ts';
import { SECTOR_BYTES } from './wal-format.ts';

interface UnsyncedWrite {
  readonly offset: number;
  readonly bytes: Buffer;
}

interface MemoryFile {
  /** What is on the platter. */
  synced: Buffer;
  /** What a reader sees besides, oldest first. */
  unsynced: UnsyncedWrite[];
}

type NameChange = { readonly name: string; readonly file: MemoryFile | undefined };

/** How each sector of an unsynced write fares in a crash: the chance to be lost. Drawn per write. */
const LOSS_CHANCES = [0, 0.5, 1] as const;

/** Files in one directory. All calls end at once; `sync` and `syncNames` are what makes them last. */
export class MemoryFiles {
  readonly #names = new Map<string, MemoryFile>();
  #unsyncedNames: NameChange[] = [];

  /** Makes a file of these bytes, synced; its name is not until `syncNames`. Takes the place of one of that name. */
  create(name: string, bytes: Buffer): void {
    this.#unsyncedNames.push({ name, file: { synced: Buffer.from(bytes), unsynced: [] } });
  }

  /** Takes a name away; it may come back in a crash before `syncNames`. */
  remove(name: string): void {
    assert(this.#find(name) !== undefined, 'only a file that is there is removed');
    this.#unsyncedNames.push({ name, file: undefined });
  }

  /** Makes all names made and taken last. */
  syncNames(): void {
    for (const change of this.#unsyncedNames) this.#apply(change);
    this.#unsyncedNames = [];
  }

  /** Overwrites bytes within the file. */
  write(name: string, offset: number, bytes: Buffer): void {
    const file = this.#find(name);
    assert(file !== undefined && offset + bytes.length <= file.synced.length, 'a write stays within its file');
    file.unsynced.push({ offset, bytes });
  }

  /** Makes what was written to the file last. */
  sync(name: string): void {
    const file = this.#find(name);
    assert(file !== undefined, 'only a file that is there is synced');
    for (const write of file.unsynced) write.bytes.copy(file.synced, write.offset);
    file.unsynced = [];
  }

  /** Power loss: every unsynced write is kept, dropped or torn at sectors, every unsynced name change kept or dropped. */
  crash(prng: Prng): void {
    for (const change of this.#unsyncedNames) if (prng.chance(0.5)) this.#apply(change);
    this.#unsyncedNames = [];
    for (const name of [...this.#names.keys()].sort()) {
      const file = this.#names.get(name);
      for (const write of file?.unsynced ?? []) tear(file as MemoryFile, write, prng);
      if (file !== undefined) file.unsynced = [];
    }
  }

  /** Names in order, as they last now. */
  names(): string[] {
    return [...this.#names.keys()].sort();
  }

  /** The file's lasting bytes; the caller may change them, which is how tests do damage. */
  bytes(name: string): Buffer {
    const file = this.#names.get(name);
    assert(file !== undefined, 'only a file that is there is read');
    return file.synced;
  }

  /** Puts a file there as it is, all synced: how tests bring an older copy back, swap or cut. */
  put(name: string, bytes: Buffer): void {
    this.#names.set(name, { synced: Buffer.from(bytes), unsynced: [] });
  }

  /** Takes a file away for good. */
  erase(name: string): void {
    this.#names.delete(name);
  }

  /** Every lasting file. */
  *all(): Iterable<{ name: string; bytes: Buffer }> {
    for (const name of this.names()) yield { name, bytes: this.bytes(name) };
  }

  #apply(change: NameChange): void {
    if (change.file === undefined) this.#names.delete(change.name);
    else this.#names.set(change.name, change.file);
  }

  /** What a living program finds under the name. */
  #find(name: string): MemoryFile | undefined {
    const change = this.#unsyncedNames.findLast((candidate) => candidate.name === name);
    return change === undefined ? this.#names.get(name) : change.file;
  }
}

function tear(file: MemoryFile, write: UnsyncedWrite, prng: Prng): void {
  const lossChance = prng.pick(LOSS_CHANCES);
  const end = write.offset + write.bytes.length;
  for (let at = write.offset; at < end; ) {
    const next = Math.min(end, (Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES);
    if (!prng.chance(lossChance)) write.bytes.copy(file.synced, at, at - write.offset, next - write.offset);
    at = next;
  }
}
