/**
 * The in-memory twin of `disk/level-image.ts`: the same contract without a disk, synchronous and pure, for the simulator and
 * tests. Owns: what is "on disk" (completed batches), the one batch under way, and faults done on purpose. It does not
 * know what records mean. Invariants: S1 (a batch is there when `done` was called), S2 (faults are for others to find),
 * D3 (a batch is there wholly or not at all).
 */
import { assert } from '../base/assert.ts';
import { type ByteString, byteString, bytesOf, compareByteStrings } from '../base/bytes.ts';
import type { Prng } from '../base/prng.ts';
import type { Image, ImageBatch, ImageOps, ImageRecord } from './image.ts';
import type { DiskDone } from './wal.ts';

/** A copy of everything on the disk at one time. Values are never changed in place, so sharing them is safe. */
export type MemoryImageCopy = ReadonlyMap<ByteString, Uint8Array>;

interface PendingWrite {
  readonly batch: ImageBatch;
  readonly done: DiskDone;
}

/** An image in memory. The world calls `completeWrite` (or `failWrite`, or `crash`) when it wants the disk to be that far. */
export class MemoryImage implements Image {
  #records: Map<ByteString, Uint8Array>;
  #pending: PendingWrite | undefined;
  #failure: Error | undefined;

  constructor(copy: MemoryImageCopy = new Map()) {
    this.#records = new Map(copy);
  }

  /** True while a write waits for `completeWrite`. */
  get writing(): boolean {
    return this.#pending !== undefined;
  }

  /** The number of records on disk. */
  get recordCount(): number {
    return this.#records.size;
  }

  write(batch: ImageBatch, done: DiskDone): void {
    assert(this.#pending === undefined, 'image: at most one write outstanding');
    // The caller may go on using its arrays, as with a disk that has taken its copy. (`slice` of a Buffer would copy nothing.)
    const ops = Array.from(batch.ops, ({ key, value }) => ({
      key: new Uint8Array(key),
      value: value === undefined ? undefined : new Uint8Array(value),
    }));
    this.#pending = { batch: { ops, appliedIndex: batch.appliedIndex }, done };
  }

  /** Ends the write under way: it is on disk from here on, or, on a disk that failed once, fails like all after the first. */
  completeWrite(): void {
    const pending = this.#takePending();
    if (this.#failure === undefined) this.#carryOut(pending.batch.ops);
    pending.done(this.#failure);
  }

  /** The write under way fails, and so does every later one (S4); whether its bytes are found later is `found`. */
  failWrite(error: Error, found: boolean): void {
    const pending = this.#takePending();
    if (this.#failure === undefined && found) this.#carryOut(pending.batch.ops);
    this.#failure ??= error;
    pending.done(this.#failure);
  }

  /**
   * The machine stops. A batch under way was never vouched for: it is found whole or not at all, by chance. `done` is
   * never called, and what is left is what a restart opens.
   */
  crash(prng: Prng): void {
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending !== undefined && this.#failure === undefined && prng.chance(0.5)) this.#carryOut(pending.batch.ops);
    this.#failure = undefined;
  }

  /** All records, in key order, as they are on disk now. */
  scan(): ImageRecord[] {
    const keys = [...this.#records.keys()].sort(compareByteStrings);
    return keys.map((key) => ({ key: bytesOf(key), value: this.#valueAt(key) }));
  }

  /** A view of this moment that later writes do not change: what a snapshot is read from. */
  snapshot(): MemoryImage {
    return new MemoryImage(this.#records);
  }

  /** The value under `key`, or undefined. */
  get(key: Uint8Array): Uint8Array | undefined {
    return this.#records.get(byteString(key));
  }

  /** What is on disk, to go back to later: `restore` is the fault "replaced by an older copy". */
  copy(): MemoryImageCopy {
    return new Map(this.#records);
  }

  /** Fault: the directory is replaced by a copy. */
  restore(copy: MemoryImageCopy): void {
    this.#records = new Map(copy);
  }

  /** Fault: everything is gone. */
  wipe(): void {
    this.#records = new Map();
  }

  /** Fault: one record vanishes, as after a flipped bit in LevelDB's own log. Its key, or undefined if there was none. */
  dropRecord(prng: Prng): Uint8Array | undefined {
    const key = this.#pickKey(prng);
    if (key === undefined) return undefined;
    this.#records.delete(key);
    return bytesOf(key);
  }

  /** Fault: one bit of one stored record flips, in its key or its value. The key it had, or undefined if there was none. */
  flipBit(prng: Prng): Uint8Array | undefined {
    const key = this.#pickKey(prng);
    if (key === undefined) return undefined;
    const keyBytes = bytesOf(key);
    const value = new Uint8Array(this.#valueAt(key));
    const at = prng.below(keyBytes.length + value.length);
    const mask = 1 << prng.below(8);
    const inKey = at < keyBytes.length;
    const target = inKey ? keyBytes : value;
    const offset = inKey ? at : at - keyBytes.length;
    target[offset] = (target[offset] ?? 0) ^ mask;
    this.#records.delete(key);
    this.#records.set(byteString(keyBytes), value);
    return bytesOf(key);
  }

  #takePending(): PendingWrite {
    const pending = this.#pending;
    assert(pending !== undefined, 'image: no write under way');
    this.#pending = undefined;
    return pending;
  }

  #carryOut(ops: ImageOps): void {
    for (const op of ops) {
      const key = byteString(op.key);
      if (op.value === undefined) this.#records.delete(key);
      else this.#records.set(key, op.value);
    }
  }

  #valueAt(key: ByteString): Uint8Array {
    const value = this.#records.get(key);
    assert(value !== undefined, 'image: a key taken from the map is in the map');
    return value;
  }

  #pickKey(prng: Prng): ByteString | undefined {
    if (this.#records.size === 0) return undefined;
    return prng.pick([...this.#records.keys()].sort(compareByteStrings));
  }
}
