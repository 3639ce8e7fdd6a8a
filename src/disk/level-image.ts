/**
 * The image on LevelDB (house §4): a rebuildable cache of the applied state. Owns: one open store, one synced batch at a time,
 * reads of one moment for scans and snapshots. Does not judge what it reads (`state/image-verifier.ts` does) and never repairs:
 * LevelDB's own checks are too weak to trust (reliability §0.1), so whatever is wrong ends in a rebuilt image.
 * Invariants: S1 (synced before `done`), S4 (the first error is the last word), D3 (one batch, whole or not at all).
 */
import { open as openFile } from 'node:fs/promises';
import { Level } from 'level';
import { assert } from '../base/assert.ts';
import { imageOpsPerStepMax, imageScanRecordsMax } from '../base/limits.ts';
import type { Image, ImageBatch, ImageRecord } from '../store/image.ts';
import type { DiskDone } from '../store/wal.ts';

type Store = Level<Uint8Array, Uint8Array>;

/** What one write of ours is made of, to be replaced by a failing one in tests. */
export interface LevelImageSeam {
  /** Just before the batch goes to LevelDB; a throw fails the write. */
  beforeWrite(): void;
}

/** The image at one moment. Later writes do not show. Must be closed: LevelDB keeps old files for it until then. */
export interface ImageSnapshot {
  /** All records in key order, a bounded number at a time. One reader at a time. */
  chunks(): AsyncIterable<ImageRecord[]>;
  close(): Promise<void>;
}

/** Bytes that one read of the iterator may hold in native memory. */
const readBytesMax = 1024 * 1024;
/** More than the image has families of records; their keys begin with it. */
const familiesMax = 16;

/** What the types of `level` leave out, as it also stands for other stores. */
interface Compactable {
  compactRange(start: Uint8Array, end: Uint8Array): Promise<void>;
}

function isCompactable(store: object): store is Compactable {
  return 'compactRange' in store;
}

export class LevelImage implements Image {
  readonly #store: Store;
  readonly #directory: string;
  readonly #seam: LevelImageSeam | undefined;
  #outstanding: Promise<void> | undefined;
  #failure: Error | undefined;

  private constructor(store: Store, directory: string, seam: LevelImageSeam | undefined) {
    this.#store = store;
    this.#directory = directory;
    this.#seam = seam;
  }

  /** Makes a new, empty image in `directory`, whose parent is there. Refuses to take over one that exists. */
  static async create(directory: string, seam?: LevelImageSeam): Promise<LevelImage> {
    return LevelImage.#openStore(directory, true, seam);
  }

  /**
   * Opens an image that must be there. `createIfMissing` stays off: with it on, LevelDB answers a lost CURRENT file by deleting
   * every table it finds (reliability §0.1). Throws what LevelDB says, which is a reason to rebuild.
   */
  static async open(directory: string, seam?: LevelImageSeam): Promise<LevelImage> {
    return LevelImage.#openStore(directory, false, seam);
  }

  static async #openStore(directory: string, fresh: boolean, seam: LevelImageSeam | undefined): Promise<LevelImage> {
    const store: Store = new Level(directory, {
      keyEncoding: 'view',
      valueEncoding: 'view',
      createIfMissing: fresh,
      errorIfExists: fresh,
      // Off, so that `table-check.ts` can read the tables; measured on a million leases: writes a quarter cheaper, the scan the
      // same, 96 MB on disk instead of 45.
      compression: false,
    });
    await store.open();
    return new LevelImage(store, directory, seam);
  }

  get directory(): string {
    return this.#directory;
  }

  /** Not closed, nor closing. */
  get isOpen(): boolean {
    return this.#store.status === 'open';
  }

  /** The first write that failed, if any: nothing after it is accepted. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  write(batch: ImageBatch, done: DiskDone): void {
    assert(this.#outstanding === undefined, 'image: at most one write outstanding');
    this.#outstanding = this.#carryOut(batch).then(
      () => this.#finish(done, undefined),
      (error: unknown) => this.#finish(done, error instanceof Error ? error : new Error(String(error))),
    );
  }

  /** Reads everything there is now, in key order, a bounded number of records at a time. */
  async *scan(): AsyncIterable<ImageRecord[]> {
    const snapshot = this.snapshot();
    try {
      yield* snapshot.chunks();
    } finally {
      await snapshot.close();
    }
  }

  /** Holds this moment still for a reader. A write under way is in it wholly or not at all. */
  snapshot(): ImageSnapshot {
    const store = this.#store;
    const moment = store.snapshot();
    return {
      chunks: () => readChunks(store, moment),
      close: () => moment.close(),
    };
  }

  /**
   * Merges all tables, so that what was deleted or replaced takes no more room. In LevelDB's own thread and one of libuv's: writes and
   * reads go on. Family by family, as a merge that has begun delays a close.
   */
  async compact(): Promise<void> {
    const store: object = this.#store;
    assert(isCompactable(store), 'image: classic-level merges its tables when asked');
    for (let family = 0; family < familiesMax && this.isOpen; family++)
      await store.compactRange(Uint8Array.of(family), Uint8Array.of(family + 1));
  }

  /** Waits for the write under way and closes. The store's lock is free afterwards. */
  async close(): Promise<void> {
    await this.#outstanding;
    await this.#store.close();
  }

  async #carryOut(batch: ImageBatch): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#seam?.beforeWrite();
    // A chained batch: the array form of the same batch costs four times as much (performance §7).
    const chained = this.#store.batch();
    let made = 0;
    for (const { key, value } of batch.ops) {
      if (value === undefined) chained.del(key);
      else chained.put(key, value);
      // A full batch has 20,000 operations: turns of the node must fit in between.
      if (++made % imageOpsPerStepMax === 0) await new Promise(setImmediate);
    }
    await chained.write({ sync: true });
    // LevelDB may have begun a new log file for this batch, and syncs the file but not its name.
    const handle = await openFile(this.#directory, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  #finish(done: DiskDone, error: Error | undefined): void {
    this.#outstanding = undefined;
    if (error !== undefined) this.#failure ??= error;
    done(this.#failure);
  }
}

async function* readChunks(store: Store, snapshot: ReturnType<Store['snapshot']>): AsyncIterable<ImageRecord[]> {
  const iterator = store.iterator({ snapshot, fillCache: false, highWaterMarkBytes: readBytesMax });
  try {
    for (;;) {
      const entries = await iterator.nextv(imageScanRecordsMax);
      if (entries.length === 0) return;
      yield entries.map(([key, value]) => ({ key, value }));
    }
  } finally {
    await forgotten(iterator);
    await iterator.close();
  }
}

/**
 * Whoever stops reading early leaves what the iterator read last, up to 1 MiB, in native memory until the collector comes by, which
 * that memory does not hurry: a leader that tried to reach a member with a snapshot grew by 300 MB a minute. One more read, of
 * one record, takes its place. What that read says is no news to anybody.
 */
async function forgotten(iterator: { nextv(size: number): Promise<unknown> }): Promise<void> {
  await iterator.nextv(1).catch(() => undefined);
}
