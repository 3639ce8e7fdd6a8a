/**
 * The state digest (D1): a sum over the hashes of all image records, so that it is kept up to date at a few operations a
 * record, whatever the order in which records came and went. Equal on every member that applied the same entries.
 */
import { hashBytes } from '../base/hash.ts';

/** A multiset of records as four 32-bit sums. */
export class RecordSum {
  readonly lanes = new Uint32Array(4);
  readonly #hash = new Uint32Array(4);

  /** Adds a record: `bytes[start, end)` is its key and body, without the checksum. */
  add(bytes: Uint8Array, start: number, end: number): void {
    hashBytes(bytes, start, end, this.#hash);
    for (let lane = 0; lane < 4; lane++) this.lanes[lane] = (this.lanes[lane] as number) + (this.#hash[lane] as number);
  }

  /** Takes back a record that was added with exactly these bytes. */
  subtract(bytes: Uint8Array, start: number, end: number): void {
    hashBytes(bytes, start, end, this.#hash);
    for (let lane = 0; lane < 4; lane++) this.lanes[lane] = (this.lanes[lane] as number) - (this.#hash[lane] as number);
  }

  /** Takes a record back and counts it in `other` from now on. */
  moveTo(other: RecordSum, bytes: Uint8Array, start: number, end: number): void {
    this.subtract(bytes, start, end);
    for (let lane = 0; lane < 4; lane++)
      other.lanes[lane] = (other.lanes[lane] as number) + (this.#hash[lane] as number);
  }

  /** Adds all that is in `other`. */
  addSum(other: RecordSum): void {
    for (let lane = 0; lane < 4; lane++)
      this.lanes[lane] = (this.lanes[lane] as number) + (other.lanes[lane] as number);
  }

  /** The sum that `hex` said. */
  static fromHex(digits: string): RecordSum {
    const sum = new RecordSum();
    for (let lane = 0; lane < 4; lane++) sum.lanes[lane] = Number.parseInt(digits.slice(lane * 8, lane * 8 + 8), 16);
    return sum;
  }

  copy(): RecordSum {
    const copy = new RecordSum();
    copy.addSum(this);
    return copy;
  }

  /** 32 hexadecimal digits. */
  hex(): string {
    return [...this.lanes].map((lane) => lane.toString(16).padStart(8, '0')).join('');
  }
}
