/**
 * Segment files on a real disk: the system calls the log uses (a seam for tests that make them fail), making a segment ahead of
 * its use, reading, removing. Owns the order write, sync, rename, directory sync (S1, M21); knows nothing of groups.
 */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { assert } from '../base/assert.ts';
import { walFillBytes } from '../base/limits.ts';
import { parseSegmentName, segmentName, type WalStep } from '../store/wal-format.ts';

/** Ends a call; `error` undefined or null when it went well. */
type CallDone = (error?: Error | null) => void;

/** The calls whose failure matters. Tests replace single ones: `{ ...realWalCalls, write: … }`. */
export interface WalCalls {
  open(path: string, flags: number, mode: number, done: (error: Error | null, fd: number) => void): void;
  /** One pwrite, and on a segment the sync of what it wrote; may write less than asked. */
  write(
    fd: number,
    bytes: Buffer,
    offset: number,
    length: number,
    position: number,
    done: (error: Error | null, written: number) => void,
  ): void;
  fsync(fd: number, done: CallDone): void;
  rename(from: string, to: string, done: CallDone): void;
  unlink(path: string, done: CallDone): void;
  close(fd: number, done: CallDone): void;
}

/** libuv's. */
export const realWalCalls: WalCalls = {
  open: fs.open,
  write: fs.write,
  fsync: fs.fsync,
  rename: fs.rename,
  unlink: fs.unlink,
  close: fs.close,
};

const TEMPORARY_SUFFIX = '.new';

/**
 * Segments are opened so that each write is on disk when it returns: write and fdatasync in one call, and so in one trip to libuv's
 * threads and back (docs/decisions/0023).
 */
const SYNCED_WRITES = fs.constants.O_DSYNC;
const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_TRUNC } = fs.constants;

/** The segment files of one directory. */
export class SegmentFiles {
  readonly directory: string;
  readonly #calls: WalCalls;

  constructor(directory: string, calls: WalCalls) {
    assert(SYNCED_WRITES > 0, 'S1: this system has synced writes');
    this.directory = directory;
    this.#calls = calls;
  }

  /** Path of a segment's file. */
  path(segment: number): string {
    return join(this.directory, segmentName(segment));
  }

  /** Names of the segments there, ascending. Unfinished ones of an earlier life are removed. */
  async names(): Promise<string[]> {
    const all = await promisify(fs.readdir)(this.directory);
    for (const name of all) {
      const whole = name.endsWith(TEMPORARY_SUFFIX) ? name.slice(0, -TEMPORARY_SUFFIX.length) : '';
      if (parseSegmentName(whole) !== undefined) await promisify(this.#calls.unlink)(join(this.directory, name));
    }
    return all.filter((name) => parseSegmentName(name) !== undefined).sort();
  }

  /** A segment's bytes. */
  read(name: string): Promise<Buffer> {
    return promisify(fs.readFile)(join(this.directory, name));
  }

  /** Opens a segment to write to it. */
  open(segment: number): Promise<number> {
    return promisify(this.#calls.open)(this.path(segment), O_RDWR | SYNCED_WRITES, 0);
  }

  /**
   * Makes a segment: head, then what `begin` holds, then zeros, a piece at a time, each synced, so that the syncs of the log
   * itself wait for a piece at most. Its name appears when all of it is on disk. Resolves to a descriptor to write with.
   * On an error nothing stays behind but, at worst, an unfinished file that the next `names` removes.
   */
  async make(creation: WalStep & { readonly type: 'create' }, begin: Buffer = Buffer.alloc(0)): Promise<number> {
    const unfinished = this.path(creation.segment) + TEMPORARY_SUFFIX;
    const fd = await promisify(this.#calls.open)(unfinished, O_WRONLY | O_CREAT | O_TRUNC | SYNCED_WRITES, 0o600);
    try {
      const written = Buffer.concat([creation.head, begin]);
      await this.#writeSynced(fd, written, 0);
      const zeros = Buffer.alloc(walFillBytes);
      for (let at = written.length; at < creation.sizeBytes; at += zeros.length) {
        await this.#writeSynced(fd, zeros.subarray(0, creation.sizeBytes - at), at);
      }
      await promisify(this.#calls.fsync)(fd);
      await promisify(this.#calls.rename)(unfinished, this.path(creation.segment));
      await this.syncNames();
      return fd;
    } catch (error) {
      await this.close(fd);
      await promisify(this.#calls.unlink)(unfinished).catch(() => undefined);
      throw error;
    }
  }

  /** Does one step of a plan or repair, synced. */
  async carryOut(step: WalStep): Promise<void> {
    const fd = step.type === 'create' ? await this.make(step) : await this.open(step.segment);
    try {
      if (step.type === 'write') await this.#writeSynced(fd, step.bytes, step.offset);
    } finally {
      await this.close(fd);
    }
  }

  /** Takes a segment's file away, for good. */
  async remove(segment: number): Promise<void> {
    await promisify(this.#calls.unlink)(this.path(segment));
    await this.syncNames();
  }

  /** Makes names made and taken last. */
  async syncNames(): Promise<void> {
    const fd = await promisify(this.#calls.open)(this.directory, O_RDONLY, 0);
    try {
      await promisify(this.#calls.fsync)(fd);
    } finally {
      await this.close(fd);
    }
  }

  /** All of `bytes` at `position`, synced. The log's hot path: callbacks, as a promise costs a turn of the loop's queue. */
  writeSynced(fd: number, bytes: Buffer, position: number, done: CallDone): void {
    const writeFrom = (offset: number): void => {
      this.#calls.write(fd, bytes, offset, bytes.length - offset, position + offset, (error, written) => {
        if (error !== null && error !== undefined) done(error);
        else if (written <= 0) done(new Error('the disk took no byte'));
        else if (offset + written < bytes.length) writeFrom(offset + written);
        else done();
      });
    };
    writeFrom(0);
  }

  /** Closes a descriptor. What was to last was synced before: an error here changes nothing. */
  close(fd: number): Promise<void> {
    return new Promise((resolve) => this.#calls.close(fd, () => resolve()));
  }

  #writeSynced(fd: number, bytes: Buffer, position: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.writeSynced(fd, bytes, position, (error) => (error ? reject(error) : resolve()));
    });
  }
}
