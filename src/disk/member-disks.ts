/**
 * The two disks of the generation that counts, as the host uses them, and the switch to the next one. Owns the open handles;
 * what is written is the node's, how is the disks'. Invariants: S1, R11.
 */
import { assert } from '../base/assert.ts';
import type { SnapshotHead } from '../raft/message.ts';
import type { Index, WriteGroup } from '../store/entry.ts';
import type { ImageBatch } from '../store/image.ts';
import type { DiskDone } from '../store/wal.ts';
import { type DataPaths, generationPaths, memberPaths } from './data-paths.ts';
import { removeTree, type StepSeam, syncDirectory } from './durable.ts';
import { type Identity, writeIdentity } from './identity.ts';
import type { LevelImage } from './level-image.ts';
import type { ClosableWal, LogDisk } from './log-disk.ts';
import { openSnapshotFile, type SnapshotFile } from './snapshot-file.ts';
import { openSnapshot, type SnapshotSource } from './snapshot-read.ts';
import { SnapshotStage } from './snapshot-stage.ts';
import { type DiskSpace, measureSpace } from './space.ts';

export interface MemberDisksParts {
  readonly paths: DataPaths;
  readonly identity: Identity;
  readonly wal: ClosableWal;
  readonly image: LevelImage;
  readonly logs: LogDisk;
  readonly notice: (line: string) => void;
  /** Told every step of an install before it is done. */
  readonly seam: StepSeam;
}

export class MemberDisks {
  readonly #parts: MemberDisksParts;
  /** Receives snapshots for the generation after the present one. */
  readonly stage: SnapshotStage;
  #identity: Identity;
  #wal: ClosableWal;
  #image: LevelImage;
  #installing = false;
  /** The end of the last install, well or not. */
  #installed: Promise<unknown> = Promise.resolve();
  #writing = 0;

  constructor(parts: MemberDisksParts) {
    this.#parts = parts;
    this.#identity = parts.identity;
    this.#wal = parts.wal;
    this.#image = parts.image;
    this.stage = new SnapshotStage(
      () => ({
        paths: generationPaths(parts.paths.member, this.#identity.generation + 1),
        owner: { ...this.#identity, generation: this.#identity.generation + 1 },
      }),
      parts.seam,
    );
  }

  /** As IDENTITY has it; the generation grows with every installed snapshot. */
  get identity(): Identity {
    return this.#identity;
  }

  /** The log, for its sizes. Write through `writeLog`. */
  get wal(): ClosableWal {
    return this.#wal;
  }

  /** As `Wal.write`. Not while a snapshot is being installed. */
  writeLog(group: WriteGroup, done: DiskDone): void {
    this.#assertNotInstalling();
    this.#writing++;
    this.#wal.write(group, (error) => this.#written(done, error));
  }

  /** As `Wal.dropUpTo`. */
  dropLogUpTo(index: Index): void {
    this.#assertNotInstalling();
    this.#wal.dropUpTo(index);
  }

  /** As `Image.write`. Not while a snapshot is being installed. */
  writeImage(batch: ImageBatch, done: DiskDone): void {
    this.#assertNotInstalling();
    this.#writing++;
    this.#image.write(batch, (error) => this.#written(done, error));
  }

  /** What is left of the disk: nothing once the log found no space, whatever the file system counts (a user's quota, say). */
  async space(): Promise<DiskSpace> {
    const measured = await measureSpace(this.#parts.paths.root);
    return this.#wal.spaceLow ? { ...measured, freeBytes: 0 } : measured;
  }

  /** Opens the image as it is on disk for a stream to another member. Rejects if it holds nothing yet, or nothing good. */
  openSnapshot(): Promise<SnapshotSource> {
    return openSnapshot(this.#image);
  }

  /** Opens the image as it is on disk for a client that saves it. Rejects as `openSnapshot`. */
  openSnapshotFile(): Promise<SnapshotFile> {
    const hex = (id: bigint): string => id.toString(16).padStart(16, '0');
    const { clusterId, memberId } = this.#identity;
    return openSnapshotFile(this.#image, { cluster: hex(clusterId), member: hex(memberId) });
  }

  /** As `LevelImage.compact`. */
  compactImage(): Promise<void> {
    return this.#image.compact();
  }

  /**
   * Makes the staged image and a log that begins at `head.meta` and holds `log` the member's disks. Whatever stops this before
   * IDENTITY is renamed leaves the old generation as it was; after that the new one counts. Rejects on any trouble: the process
   * must exit then, and the next start finds one of the two.
   */
  install(head: SnapshotHead, log: WriteGroup): Promise<void> {
    const installing = this.#install(head, log);
    this.#installed = installing.catch(() => undefined);
    return installing;
  }

  async #install(head: SnapshotHead, log: WriteGroup): Promise<void> {
    this.#assertNotInstalling();
    assert(this.#writing === 0, 'R11: a snapshot is installed while no write is outstanding');
    assert(log.hardState !== undefined, 'R11: the new log begins with the hard state');
    this.#installing = true;
    const { paths, logs, notice, seam } = this.#parts;
    const files = memberPaths(paths.member);
    const old = { identity: this.#identity, wal: this.#wal, image: this.#image };
    const identity = { ...old.identity, generation: old.identity.generation + 1 };
    const next = generationPaths(paths.member, identity.generation);

    // 1. All of the new generation is on disk, names included.
    const image = this.stage.takeStaged(head);
    seam('make log');
    const wal = await logs.create(next.log, identity, { index: head.meta.index, term: head.meta.term }, log);
    seam('sync generation');
    for (const directory of [next.log, next.image, next.directory, paths.member]) await syncDirectory(directory);
    // 2. The one commit point.
    await writeIdentity(files.identity, identity, seam);
    // 3. The rest is tidying: the next start would do it too.
    seam('switch');
    this.#identity = identity;
    this.#wal = wal;
    this.#image = image;
    this.#installing = false;
    await old.wal.close();
    await old.image.close();
    seam('remove old generation');
    const oldDirectory = generationPaths(paths.member, old.identity.generation).directory;
    await removeTree(oldDirectory).catch((error: unknown) => {
      notice(`${oldDirectory}: could not be removed (${String(error)}); the next start tries again`);
    });
    // Last: what is staged from now on reaches the node behind the news that this install is over.
    this.stage.installed();
  }

  /** Waits for writes and an install under way and gives up all files. What was staged is dropped. */
  async close(): Promise<void> {
    await this.#installed;
    await this.stage.discard();
    await this.#wal.close();
    await this.#image.close();
  }

  #written(done: DiskDone, error: Error | undefined): void {
    this.#writing--;
    if (error === undefined) done();
    else done(error);
  }

  #assertNotInstalling(): void {
    assert(!this.#installing, 'R11: nothing is written while a snapshot is installed');
  }
}
