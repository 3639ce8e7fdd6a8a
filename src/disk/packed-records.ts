/**
 * Many records in little memory. A record read from LevelDB is two `Buffer`s of about 500 bytes together, whatever it
 * holds; a million of them kept at once measured 900 MB. Packed they take their own bytes and eight more. Owns the packing;
 * knows nothing of what records mean.
 */
import { assert } from '../base/assert.ts';
import type { ImageRecord } from '../store/image.ts';

/** Bytes of one block; a larger record gets a block of its own. */
const blockBytes = 1024 * 1024;
const headBytes = 8;

/** An append-only list of records that can be gone through any number of times. What it yields are views: do not keep them. */
export class PackedRecords implements Iterable<ImageRecord> {
  readonly #full: Buffer[] = [];
  #block: Buffer = Buffer.allocUnsafeSlow(blockBytes);
  #used = 0;
  #count = 0;
  #bytes = 0;

  /** Packs all of `chunks`. */
  static async of(chunks: AsyncIterable<readonly ImageRecord[]>): Promise<PackedRecords> {
    const packed = new PackedRecords();
    for await (const chunk of chunks) packed.add(chunk);
    return packed;
  }

  /** How many records there are. */
  get count(): number {
    return this.#count;
  }

  /** Bytes of all keys and values. */
  get sizeBytes(): number {
    return this.#bytes;
  }

  /** Copies `records` behind those already here. */
  add(records: readonly ImageRecord[]): void {
    for (const { key, value } of records) {
      const size = headBytes + key.length + value.length;
      if (this.#used + size > this.#block.length) this.#nextBlock(Math.max(size, blockBytes));
      this.#block.writeUInt32LE(key.length, this.#used);
      this.#block.writeUInt32LE(value.length, this.#used + 4);
      this.#block.set(key, this.#used + headBytes);
      this.#block.set(value, this.#used + headBytes + key.length);
      this.#used += size;
      this.#bytes += key.length + value.length;
      this.#count++;
    }
  }

  *[Symbol.iterator](): Iterator<ImageRecord> {
    for (const block of this.#full) yield* recordsOf(block);
    yield* recordsOf(this.#block.subarray(0, this.#used));
  }

  #nextBlock(size: number): void {
    this.#full.push(this.#block.subarray(0, this.#used));
    this.#block = Buffer.allocUnsafeSlow(size);
    this.#used = 0;
  }
}

function* recordsOf(block: Buffer): Generator<ImageRecord> {
  let at = 0;
  while (at < block.length) {
    const keyEnd = at + headBytes + block.readUInt32LE(at);
    const valueEnd = keyEnd + block.readUInt32LE(at + 4);
    assert(valueEnd <= block.length, 'packed records: a record ends inside its block');
    yield { key: block.subarray(at + headBytes, keyEnd), value: block.subarray(keyEnd, valueEnd) };
    at = valueEnd;
  }
}
