/**
 * Which pages of leases are to be written to the image, and how full each is. A page holds the leases of neighbouring slots
 * (`image-records.ts` has the layout): new leases mostly take neighbouring slots, so a busy second touches few pages. Owns nothing of
 * a lease's meaning; the columns are the lessor's. Invariant: D3.
 */
import { assert } from '../base/assert.ts';
import type { ImageOp } from '../store/image.ts';
import {
  CRC_BYTES,
  LEASE_BYTES,
  LEASE_PAGE_HEAD_BYTES,
  LEASE_PAGE_KEY_BYTES,
  LEASES_PER_PAGE,
  leasePageKey,
  writeChecksum,
  writeLeasePageHead,
} from './image-records.ts';

/** What a page costs before its first lease. */
const EMPTY_PAGE_BYTES = LEASE_PAGE_HEAD_BYTES + CRC_BYTES;

export class LeasePages {
  /** Leases alive in each page. */
  #counts = new Uint8Array(64);
  /** 1: in `#dirty`, that is changed since the last image batch. */
  #isDirty = new Uint8Array(64);
  #dirty: number[] = [];
  #pendingBytes = 0;

  /** Bytes that `drain` will hand out. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** A lease lives in `slot` from now on. */
  granted(slot: number): void {
    this.#touch(slot, 1);
  }

  /** No lease lives in `slot` any more. */
  ended(slot: number): void {
    this.#touch(slot, -1);
  }

  /** The lease in `slot` is not what it was. */
  changed(slot: number): void {
    this.#touch(slot, 0);
  }

  /** A lease lives in `slot`, and the image knows. */
  restored(slot: number): void {
    this.#count(pageOf(slot), 1);
  }

  /**
   * Makes one operation for each changed page and forgets the changes. `write` writes the lease in a slot, or says that none
   * lives there.
   */
  drain(write: (slot: number, bytes: Buffer, at: number) => boolean): readonly ImageOp[] {
    const ops: ImageOp[] = [];
    // One buffer for all of them.
    const bytes = Buffer.allocUnsafeSlow(this.#pendingBytes);
    let start = 0;
    for (const page of this.#dirty) {
      this.#isDirty[page] = 0;
      if (this.#counts[page] === 0) {
        ops.push({ key: leasePageKey(page), value: undefined });
        continue;
      }
      let slots = 0;
      let at = start + LEASE_PAGE_HEAD_BYTES;
      for (let i = 0; i < LEASES_PER_PAGE; i++) {
        if (!write(page * LEASES_PER_PAGE + i, bytes, at)) continue;
        slots |= 1 << i;
        at += LEASE_BYTES;
      }
      const end = at + CRC_BYTES;
      assert(end === start + this.#bytesOf(page), 'D3: a page holds as many leases as were counted');
      writeLeasePageHead(bytes, start, page, slots);
      writeChecksum(bytes, start, end);
      const keyEnd = start + LEASE_PAGE_KEY_BYTES;
      ops.push({ key: bytes.subarray(start, keyEnd), value: bytes.subarray(keyEnd, end) });
      start = end;
    }
    this.#dirty = [];
    this.#pendingBytes = 0;
    return ops;
  }

  #touch(slot: number, added: -1 | 0 | 1): void {
    const page = pageOf(slot);
    this.#count(page, added);
    if (this.#isDirty[page] === 1) {
      this.#pendingBytes += added * LEASE_BYTES;
      return;
    }
    this.#isDirty[page] = 1;
    this.#dirty.push(page);
    this.#pendingBytes += this.#bytesOf(page);
  }

  #count(page: number, added: number): void {
    if (page >= this.#counts.length) {
      const length = Math.max(page + 1, this.#counts.length * 2);
      this.#counts = grown(this.#counts, length);
      this.#isDirty = grown(this.#isDirty, length);
    }
    this.#counts[page] = (this.#counts[page] as number) + added;
  }

  #bytesOf(page: number): number {
    return EMPTY_PAGE_BYTES + (this.#counts[page] as number) * LEASE_BYTES;
  }
}

function pageOf(slot: number): number {
  return Math.floor(slot / LEASES_PER_PAGE);
}

function grown(column: Uint8Array<ArrayBuffer>, length: number): Uint8Array<ArrayBuffer> {
  const wider = new Uint8Array(length);
  wider.set(column);
  return wider;
}
