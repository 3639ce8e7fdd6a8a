/**
 * Owns a set of keys that is a union of ranges, for the question whether a key lies in it. Kept sorted and merged, so that a txn
 * of a hundred thousand operations is looked over in the time it takes to sort them. Does not know where ranges come from.
 */
import { type ByteString, compareByteStrings } from '../base/bytes.ts';

/** Keys in [from, to); none if `to` is not above `from`. */
export interface KeyRange {
  readonly from: ByteString;
  readonly to: ByteString;
}

export class KeySet {
  /** Ascending; none empty, no two touch. */
  #ranges: readonly KeyRange[] = [];

  get ranges(): readonly KeyRange[] {
    return this.#ranges;
  }

  add(ranges: readonly KeyRange[]): void {
    const added = ranges.filter(({ from, to }) => from < to);
    if (added.length === 0) return;
    const all = [...this.#ranges, ...added].sort((a, b) => compareByteStrings(a.from, b.from));
    const merged: { from: ByteString; to: ByteString }[] = [];
    for (const { from, to } of all) {
      const last = merged[merged.length - 1];
      if (last === undefined || last.to < from) merged.push({ from, to });
      else if (last.to < to) last.to = to;
    }
    this.#ranges = merged;
  }

  has(key: ByteString): boolean {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ranges[middle] as KeyRange).from <= key) low = middle + 1;
      else high = middle;
    }
    const found = this.#ranges[low - 1];
    return found !== undefined && key < found.to;
  }
}
