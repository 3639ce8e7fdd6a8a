/**
 * The contract of the image's disk: an ordered map of records that mirrors the applied state. A rebuildable cache, so
 * damage is answered by discarding it. Implementations: `disk/level-image.ts` and the twin `store/memory-image.ts`.
 * Record keys and values are made by `state/image-records.ts`; here they are bytes. Invariants: S1, S2, D3, R11.
 */
import type { DiskDone } from './wal.ts';

/** One record as it is stored: key order is byte order. */
export interface ImageRecord {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** One change to a record; `value` undefined deletes it. Later operations of a batch win over earlier ones. */
export interface ImageOp {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

/** Operations in their order, as often as they are asked for. They may be made as they are read: keep none that is not needed. */
export interface ImageOps extends Iterable<ImageOp> {
  readonly length: number;
}

/** Atomic: all of it or nothing is found after a crash. The meta record (applied index, digest) is one of `ops`. */
export interface ImageBatch {
  readonly ops: ImageOps;
  /** Every entry up to here is reflected once this batch is on disk. */
  readonly appliedIndex: number;
}

export interface Image {
  /** Writes and syncs the batch. At most one is outstanding; `done` is never called in the same step. */
  write(batch: ImageBatch, done: DiskDone): void;
}
