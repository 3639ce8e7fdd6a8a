/**
 * Records on their way to the image, of the kinds that are added, replaced or taken away whole, and the digest's sum over those
 * of them that stand. They are written one behind the other into a few large buffers: thousands of small ones that live until the
 * next batch were most of the garbage collector's work, and to cut a full batch into its records at once was 10 to 40 ms in which
 * nothing else happened. Owns nothing of their meaning.
 */
import type { ImageOp, ImageOps } from '../store/image.ts';
import { RecordSum } from './digest.ts';
import { CRC_BYTES, hashedLength, type Unsealed, writeChecksum } from './image-records.ts';

/** A larger record gets a buffer of its own. */
const CHUNK_BYTES = 256 * 1024;

/** A buffer and what lies in it: start, key's end and end of each record. A key alone (its end is the end) is a deletion. */
interface Chunk {
  readonly bytes: Buffer;
  readonly marks: number[];
}

/** What lies in some chunks that nobody writes to any more. */
class ChunkOps implements ImageOps {
  readonly length: number;
  readonly #chunks: readonly Chunk[];

  constructor(chunks: readonly Chunk[]) {
    this.#chunks = chunks;
    this.length = chunks.reduce((sum, { marks }) => sum + marks.length / 3, 0);
  }

  *[Symbol.iterator](): Generator<ImageOp> {
    for (const { bytes, marks } of this.#chunks) {
      for (let i = 0; i < marks.length; i += 3) {
        const [start, keyEnd, end] = [marks[i], marks[i + 1], marks[i + 2]];
        yield { key: bytes.subarray(start, keyEnd), value: keyEnd === end ? undefined : bytes.subarray(keyEnd, end) };
      }
    }
  }
}

export class ImageQueue {
  readonly sum = new RecordSum();
  #chunks: Chunk[] = [];
  /** Where the last chunk is free. */
  #at = 0;
  #bytes = 0;
  /** A record that is taken away, for the sums. */
  #room = Buffer.alloc(1024);

  /** Bytes waiting. */
  get pendingBytes(): number {
    return this.#bytes;
  }

  /** Queues a new record and counts it. `write` fills `length` bytes at the place it is given, all but the checksum. */
  put(length: number, keyLength: number, write: (bytes: Buffer, at: number) => void): void {
    const { bytes, marks } = this.#chunkFor(length);
    const start = this.#at;
    const end = start + length;
    write(bytes, start);
    writeChecksum(bytes, start, end);
    this.sum.add(bytes, start, end - CRC_BYTES);
    marks.push(start, start + keyLength, end);
    this.#at = end;
    this.#bytes += length;
  }

  /** Queues the deletion of a record, which `write` fills in as it was put, and counts it in `gone` from now on. */
  remove(length: number, keyLength: number, write: (bytes: Buffer, at: number) => void, gone: RecordSum): void {
    if (length > this.#room.length) this.#room = Buffer.alloc(length * 2);
    write(this.#room, 0);
    this.sum.moveTo(gone, this.#room, 0, length - CRC_BYTES);
    const { bytes, marks } = this.#chunkFor(keyLength);
    const start = this.#at;
    const end = start + keyLength;
    this.#room.copy(bytes, start, 0, keyLength);
    marks.push(start, end, end);
    this.#at = end;
    this.#bytes += keyLength;
  }

  /** Queues a record that is made already, and counts it. */
  putRecord(record: Unsealed): void {
    this.put(record.bytes.length, record.keyLength, (bytes, at) => record.bytes.copy(bytes, at));
  }

  /** Counts a record that is in the image already. */
  addToSum(record: Unsealed): void {
    this.sum.add(record.bytes, 0, hashedLength(record));
  }

  /** Counts a record no longer, as another takes its place. */
  takeFromSum(record: Unsealed): void {
    this.sum.subtract(record.bytes, 0, hashedLength(record));
  }

  /** Hands over what waits and forgets it. */
  drain(): ImageOps {
    const drained = new ChunkOps(this.#chunks);
    this.#chunks = [];
    this.#bytes = 0;
    return drained;
  }

  #chunkFor(length: number): Chunk {
    const last = this.#chunks[this.#chunks.length - 1];
    if (last !== undefined && this.#at + length <= last.bytes.length) return last;
    const chunk = { bytes: Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, length)), marks: [] };
    this.#chunks.push(chunk);
    this.#at = 0;
    return chunk;
  }
}
