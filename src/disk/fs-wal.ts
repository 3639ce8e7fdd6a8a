/**
 * The log's disk on real files: carries out the plans of `store/wal-tail.ts` with synced writes through libuv. Owns the descriptors,
 * the spare segment and the sticky failure; the bytes are `store/wal-*.ts`'s. Invariants: S1, S2, S4, S5, R6, R13.
 *
 * The *spare* is the next segment, made in the background as soon as the present one is in use, so that a rollover costs two
 * syncs. It is also the disk's reserve: when there is no space for it, `spaceLow` holds and `onSpaceLow` is called, so that the node
 * refuses growth at once, and the log goes on in the present segment; it is tried again. Only when the rest of that segment
 * (`reserveBytes`) is used up does a write fail.
 */
import { randomBytes } from 'node:crypto';
import { assert, unreachable } from '../base/assert.ts';
import { walSegmentBytes } from '../base/limits.ts';
import type { Index, LogBase, WriteGroup } from '../store/entry.ts';
import type { DiskDone, LoadedLog, Wal } from '../store/wal.ts';
import { SECTOR_BYTES, type WalIdentity, type WalStep } from '../store/wal-format.ts';
import { freshTail, WalTail } from '../store/wal-tail.ts';
import { makeDirectory } from './durable.ts';
import { openSegments } from './fs-wal-open.ts';
import { realWalCalls, SegmentFiles, type WalCalls } from './segment-files.ts';

/** How often a spare that found no space is tried again. */
const SPARE_RETRY_MS = 1_000;

/** Options of a log on files; all have defaults. */
export interface FsWalOptions {
  /** Size of new segments; default 16 MiB. Existing ones keep theirs. */
  readonly segmentBytes?: number;
  /** There was no space for a spare: refuse growth. Called again at every vain attempt. */
  readonly onSpaceLow?: () => void;
  /** The system calls; tests make some fail. */
  readonly calls?: WalCalls;
}

/** What a new log is made of: for a first boot, or a snapshot's new generation. */
export interface FsWalCreation extends FsWalOptions {
  readonly identity: WalIdentity;
  readonly base: LogBase;
  readonly initial: WriteGroup;
}

/** Whose log is opened, and what is known of it. */
export interface FsWalOpening extends FsWalOptions {
  readonly identity: WalIdentity;
  /** The log must reach here: the image's applied index. */
  readonly lastAtLeast?: Index;
  /** The log must not begin after this: the image's applied index. Leave out when the image is lost. */
  readonly baseAtMost?: Index;
}

/** An opened log. */
export interface OpenedFsWal {
  readonly wal: FsWal;
  readonly loaded: LoadedLog;
  /** The last group was bad and taken for torn: worth a line in the operator's log. */
  readonly droppedTornGroup: boolean;
}

interface Spare {
  readonly segment: number;
  readonly sizeBytes: number;
  readonly fd: number;
}

export class FsWal implements Wal {
  readonly #files: SegmentFiles;
  readonly #tail: WalTail;
  readonly #onSpaceLow: () => void;
  #fd: number;
  #spare: Spare | undefined;
  #outstanding = false;
  #failed: Error | undefined;
  /** Work on other files than the one written to, one after the other; never rejects. */
  #background: Promise<void> = Promise.resolve();
  #spareWanted = false;
  #spaceLow = false;
  #retry: NodeJS.Timeout | undefined;
  #closing: (() => void) | undefined;
  #closed = false;

  private constructor(files: SegmentFiles, tail: WalTail, fd: number, spare: Spare | undefined, options: FsWalOptions) {
    this.#files = files;
    this.#tail = tail;
    this.#fd = fd;
    this.#spare = spare;
    this.#onSpaceLow = options.onSpaceLow ?? (() => undefined);
    this.#makeSpare();
    this.#deleteDropped();
  }

  /** Makes a log in `directory` (made too; its parent is there) that holds `initial`. Resolves when all is on disk. */
  static async create(directory: string, creation: FsWalCreation): Promise<FsWal> {
    await makeDirectory(directory);
    const files = new SegmentFiles(directory, creation.calls ?? realWalCalls);
    if ((await files.names()).length > 0) throw new Error(`${directory} already holds a log`);
    const salt = randomBytes(8).readBigUInt64LE();
    const segmentBytes = creation.segmentBytes ?? walSegmentBytes;
    const tail = new WalTail(freshTail(creation.identity, salt, creation.base, segmentBytes));
    const [create, write, ...others] = tail.plan(creation.initial);
    assert(
      create?.type === 'create' && write?.type === 'write' && others.length === 0,
      'a log begins with one file, one group',
    );
    assert(write.offset === SECTOR_BYTES, 'the first group follows the head');
    const fd = await files.make(create, write.bytes);
    return new FsWal(files, tail, fd, undefined, creation);
  }

  /** Opens the log in `directory` and repairs its end. Rejects with `WalDamage` when it is not what it should be. */
  static async open(directory: string, opening: FsWalOpening): Promise<OpenedFsWal> {
    const files = new SegmentFiles(directory, opening.calls ?? realWalCalls);
    const expected = { segmentBytes: walSegmentBytes, ...opening };
    const recovered = await openSegments(files, expected);
    const fd = await files.open(recovered.tail.segment);
    const spareFd = recovered.spare === undefined ? undefined : await files.open(recovered.spare.segment);
    const spare =
      recovered.spare === undefined || spareFd === undefined ? undefined : { ...recovered.spare, fd: spareFd };
    const wal = new FsWal(files, recovered.tail, fd, spare, opening);
    return { wal, loaded: recovered.loaded, droppedTornGroup: recovered.droppedTornGroup };
  }

  get sizeBytes(): number {
    let bytes = this.#spare?.sizeBytes ?? 0;
    for (const segment of this.#tail.segments) bytes += segment.sizeBytes;
    return bytes;
  }

  /** Bytes that can be written without asking the file system for space: the rest of the present segment, and the spare. */
  get reserveBytes(): number {
    return this.#tail.roomBytes + (this.#spare === undefined ? 0 : this.#spare.sizeBytes - 2 * SECTOR_BYTES);
  }

  /** The last attempt to make a spare found no space. */
  get spaceLow(): boolean {
    return this.#spaceLow;
  }

  /** The first failed write or sync, if there was one: the process must exit (S4). */
  get failed(): Error | undefined {
    return this.#failed;
  }

  write(group: WriteGroup, done: DiskDone): void {
    assert(!this.#closed, 'nothing is written to a closed log');
    assert(!this.#outstanding, 'one write is outstanding at most');
    const error = this.#failed;
    const steps = error === undefined ? this.#tail.plan(group) : [];
    this.#outstanding = true;
    if (error === undefined) this.#carryOut(steps, 0, done);
    else setImmediate(() => this.#finish(done, error));
  }

  dropUpTo(index: Index): void {
    this.#tail.dropUpTo(index);
  }

  /** Waits for what is under way, then lets go of all files. The log on disk is whole at any time; this only tidies up. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    if (this.#outstanding) {
      await new Promise<void>((resolve) => {
        this.#closing = resolve;
      });
    }
    await this.#background;
    await this.#files.close(this.#fd);
    if (this.#spare !== undefined) await this.#files.close(this.#spare.fd);
    this.#spare = undefined;
  }

  /** Does step `at` and all after it, each synced before the next. */
  #carryOut(steps: readonly WalStep[], at: number, done: DiskDone): void {
    const step = steps[at];
    if (step === undefined) {
      this.#deleteDropped();
      this.#finish(done, undefined);
      return;
    }
    const next = (error?: Error | null): void => {
      if (error) this.#fail(done, error);
      else this.#carryOut(steps, at + 1, done);
    };
    switch (step.type) {
      case 'create':
        this.#takeSpare(step).then(() => next(), next);
        return;
      case 'write':
        this.#files.writeSynced(this.#fdOf(step.segment), step.bytes, step.offset, next);
        return;
      default:
        unreachable(step);
    }
  }

  /** A seal goes into the segment before the one just taken, all else into the last; its first write takes the spare over. */
  #fdOf(segment: number): number {
    if (this.#spare?.segment === segment) {
      void this.#files.close(this.#fd);
      this.#fd = this.#spare.fd;
      this.#spare = undefined;
      this.#makeSpare();
    }
    return this.#fd;
  }

  /** Has `#spare` be the segment the plan asks for: nearly always it is already, or is being made. */
  #takeSpare(creation: WalStep & { readonly type: 'create' }): Promise<void> {
    const taken = this.#background.then(async () => {
      if (this.#spare?.segment === creation.segment && this.#spare.sizeBytes === creation.sizeBytes) return;
      const old = this.#spare;
      this.#spare = undefined;
      if (old !== undefined) await this.#files.close(old.fd);
      await this.#make(creation);
    });
    this.#background = taken.catch(() => undefined);
    return taken;
  }

  /** Has the next segment made. Which one that is, is decided now: by the time it is made, a plan may have moved on. */
  #makeSpare(): void {
    if (this.#spare !== undefined || this.#spareWanted || this.#closed) return;
    this.#spareWanted = true;
    const creation = this.#tail.spare;
    this.#later(async () => {
      this.#spareWanted = false;
      if (this.#spare === undefined && !this.#closed) await this.#make(creation);
    });
  }

  async #make(creation: WalStep & { readonly type: 'create' }): Promise<void> {
    const fd = await this.#files.make(creation);
    this.#spare = { segment: creation.segment, sizeBytes: creation.sizeBytes, fd };
    this.#spaceLow = false;
  }

  #deleteDropped(): void {
    for (const segment of this.#tail.takeDroppable()) this.#later(() => this.#files.remove(segment));
  }

  /** Queues background work. No space is no failure (it is tried again); anything else fails the next write. */
  #later(work: () => Promise<void>): void {
    this.#background = this.#background.then(work).catch((error: Error) => {
      if (!isNoSpace(error)) {
        this.#failed ??= error;
        return;
      }
      this.#spaceLow = true;
      this.#onSpaceLow();
      if (this.#closed) return;
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.#makeSpare(), SPARE_RETRY_MS).unref();
    });
  }

  #fail(done: DiskDone, error: Error): void {
    this.#failed ??= error;
    this.#finish(done, this.#failed);
  }

  #finish(done: DiskDone, error: Error | undefined): void {
    this.#outstanding = false;
    this.#closing?.();
    if (error === undefined) done();
    else done(error);
  }
}

function isNoSpace(error: Error): boolean {
  return 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
}
