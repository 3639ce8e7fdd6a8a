/**
 * Records on their way to the image, of the kinds that are only ever added or replaced, and the digest's sum over those of
 * them that stand. One operation a record. Owns nothing of their meaning.
 */
import type { ImageOp } from '../store/image.ts';
import { RecordSum } from './digest.ts';
import { hashedLength, sealed, type Unsealed } from './image-records.ts';

export class ImageQueue {
  readonly sum = new RecordSum();
  #ops: ImageOp[] = [];
  #bytes = 0;

  /** Bytes waiting. */
  get pendingBytes(): number {
    return this.#bytes;
  }

  /** Queues a new record and counts it. */
  put(record: Unsealed): void {
    this.addToSum(record);
    this.#ops.push(sealed(record));
    this.#bytes += record.bytes.length;
  }

  /** Counts a record that is in the image already. */
  addToSum(record: Unsealed): void {
    this.sum.add(record.bytes, hashedLength(record));
  }

  /** Counts a record no longer, as another takes its place. */
  takeFromSum(record: Unsealed): void {
    this.sum.subtract(record.bytes, hashedLength(record));
  }

  /** Appends what waits to `into` and forgets it. */
  drain(into: ImageOp[]): void {
    for (const op of this.#ops) into.push(op);
    this.#ops = [];
    this.#bytes = 0;
  }
}
