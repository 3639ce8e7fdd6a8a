/**
 * The log's disk in memory: the twin of `disk/fs-wal.ts` for simulations, with the same bytes, plans and recovery. A write is on
 * disk when `completeSync` says so; a crash before that leaves any part of it. Synchronous and pure. Invariants: S1, R6, R13.
 */
import { assert } from '../base/assert.ts';
import type { Prng } from '../base/prng.ts';
import type { Index, LogBase, WriteGroup } from './entry.ts';
import type { DiskDone, LoadedLog, Wal } from './wal.ts';
import { type Damage, segmentName, type WalIdentity, type WalStep } from './wal-format.ts';
import type { MemoryFiles } from './wal-memory-files.ts';
import { recoverWal } from './wal-recovery.ts';
import { freshTail, WalTail } from './wal-tail.ts';

/** Small: simulations open thousands of logs, and rollovers should be many. */
export const memorySegmentBytes = 64 * 1024;

/** What a new log in memory is made of. */
export interface MemoryWalCreation {
  readonly identity: WalIdentity;
  readonly base: LogBase;
  readonly initial: WriteGroup;
  /** Default `memorySegmentBytes`. */
  readonly segmentBytes?: number;
  /** Any number; two logs with different ones never take each other's files for their own. */
  readonly salt?: bigint;
}

/** What the opener knows of the log; see `WalExpectation`. */
export interface MemoryWalOpening {
  readonly identity: WalIdentity;
  readonly lastAtLeast?: Index;
  readonly baseAtMost?: Index;
  readonly segmentBytes?: number;
}

/** A log that was opened. */
export interface OpenedMemoryWal {
  readonly type: 'opened';
  readonly wal: MemoryWal;
  readonly loaded: LoadedLog;
  readonly droppedTornGroup: boolean;
}

/** The plan under way. */
interface Outstanding {
  readonly steps: readonly WalStep[];
  readonly done: DiskDone;
}

export class MemoryWal implements Wal {
  /** The disk. It outlives the log object, as a disk outlives a process. */
  readonly files: MemoryFiles;
  readonly #tail: WalTail;
  readonly #opening: MemoryWalOpening;
  #outstanding: Outstanding | undefined;
  #spare: number | undefined;
  /** Segments that may be deleted, oldest first; one goes with each write, so that crashes come between. */
  readonly #doomed: number[] = [];
  #failed: Error | undefined;
  #dead = false;

  private constructor(files: MemoryFiles, tail: WalTail, opening: MemoryWalOpening, spare: number | undefined) {
    this.files = files;
    this.#tail = tail;
    this.#opening = opening;
    this.#spare = spare;
    this.#makeSpare();
    this.#deleteDropped();
  }

  /** A new log that holds `initial`, synced. */
  static create(files: MemoryFiles, creation: MemoryWalCreation): MemoryWal {
    assert(files.names().length === 0, 'a log is made in an empty directory');
    const { identity, base, initial, salt = 1n, segmentBytes = memorySegmentBytes } = creation;
    const tail = new WalTail(freshTail(identity, salt, base, segmentBytes));
    for (const step of tail.plan(initial)) {
      issue(files, step);
      settle(files, step);
    }
    return new MemoryWal(files, tail, { identity, segmentBytes }, undefined);
  }

  /** The log found on `files`, repaired; or why there is none. */
  static open(files: MemoryFiles, opening: MemoryWalOpening): OpenedMemoryWal | Damage {
    const recovered = recoverWal(files.all(), { segmentBytes: memorySegmentBytes, ...opening });
    if (recovered.type === 'damage') return recovered;
    for (const step of recovered.repairs) {
      issue(files, step);
      settle(files, step);
    }
    const wal = new MemoryWal(files, recovered.tail, opening, recovered.spare?.segment);
    return { type: 'opened', wal, loaded: recovered.loaded, droppedTornGroup: recovered.droppedTornGroup };
  }

  /** A write is under way. */
  get outstanding(): boolean {
    return this.#outstanding !== undefined;
  }

  /** The segment written to, or about to be. */
  get segment(): number {
    return this.#tail.segment;
  }

  get sizeBytes(): number {
    let bytes = this.#spare === undefined ? 0 : this.#tail.spare.sizeBytes;
    for (const segment of this.#tail.segments) bytes += segment.sizeBytes;
    return bytes;
  }

  /** Ends with `completeSync` or `failSync`, or never, in a crash. A log that failed once says so at the next `completeSync`. */
  write(group: WriteGroup, done: DiskDone): void {
    assert(!this.#dead, 'nothing is written after a crash');
    assert(this.#outstanding === undefined, 'one write is outstanding at most');
    this.#outstanding = { steps: this.#failed === undefined ? this.#tail.plan(group) : [], done };
  }

  /** The outstanding write is on disk, all of it. Calls its `done`. */
  completeSync(): void {
    const { steps, done } = this.#takeOutstanding();
    if (this.#failed !== undefined) {
      done(this.#failed);
      return;
    }
    for (const step of steps) {
      issue(this.files, step);
      settle(this.files, step);
      if (step.type === 'create') this.#spare = undefined;
    }
    this.#makeSpare();
    this.#deleteDropped();
    done();
  }

  /** The outstanding write failed, part of it on disk as after a crash; so does every later one (S4). Calls its `done`. */
  failSync(error: Error, prng: Prng): void {
    const { steps, done } = this.#takeOutstanding();
    this.#loseSome(steps, prng);
    this.#failed = error;
    done(error);
  }

  /** Power loss. What is synced stays; of the outstanding write any part may. The object is dead; open its `files` again. */
  crash(prng: Prng): void {
    const steps = this.#outstanding?.steps ?? [];
    this.#outstanding = undefined;
    this.#dead = true;
    this.#loseSome(steps, prng);
  }

  /** Opens the same files anew, as a restarted process would. After a crash, or with no write outstanding. */
  reopen(expected: Omit<MemoryWalOpening, 'identity' | 'segmentBytes'> = {}): OpenedMemoryWal | Damage {
    assert(this.#outstanding === undefined, 'a log with a write outstanding crashes before it is reopened');
    this.#dead = true;
    return MemoryWal.open(this.files, { ...this.#opening, ...expected });
  }

  dropUpTo(index: Index): void {
    this.#tail.dropUpTo(index);
  }

  #takeOutstanding(): Outstanding {
    const outstanding = this.#outstanding;
    assert(!this.#dead && outstanding !== undefined, 'only an outstanding write ends');
    this.#outstanding = undefined;
    return outstanding;
  }

  /** Steps are done one after the other: those before the last begun are synced, the last begun is not, the rest never was. */
  #loseSome(steps: readonly WalStep[], prng: Prng): void {
    const begun = prng.between(0, steps.length);
    for (const [at, step] of steps.slice(0, begun).entries()) {
      issue(this.files, step);
      if (at < begun - 1) settle(this.files, step);
    }
    this.files.crash(prng);
  }

  #makeSpare(): void {
    if (this.#spare === this.#tail.segment + 1) return;
    const step = this.#tail.spare;
    issue(this.files, step);
    settle(this.files, step);
    this.#spare = step.segment;
  }

  #deleteDropped(): void {
    this.#doomed.push(...this.#tail.takeDroppable());
    const segment = this.#doomed.shift();
    if (segment === undefined) return;
    this.files.remove(segmentName(segment));
    this.files.syncNames();
  }
}

function issue(files: MemoryFiles, step: WalStep): void {
  const name = segmentName(step.segment);
  if (step.type === 'create') files.create(name, Buffer.concat([step.head], step.sizeBytes));
  else files.write(name, step.offset, step.bytes);
}

function settle(files: MemoryFiles, step: WalStep): void {
  if (step.type === 'create') files.syncNames();
  else files.sync(segmentName(step.segment));
}
