/**
 * Gives each int64 a slot: a small whole number, dense, used again after the id is removed. Open addressing over typed arrays
 * (cells hold slots, ids lie in a column by slot), so a million ids cost some 17 bytes each and nothing for the
 * garbage collector. A cell also holds four bits of its id's hash: a look-up among a million ids then reads one cell and its own
 * id, and each further place in memory would cost as much as all the rest. Removal moves later cells back instead of leaving
 * tombstones, so churn never makes it slower. An id is a bigint at the API or two int32 halves; never a double.
 */
import { assert } from './assert.ts';
import { Int32Column } from './columns.ts';

/** The slot of an id that is not there. */
export const NO_SLOT = -1;

/** For those whose ids nobody chooses. */
const DEFAULT_SEED = 0x297a2d39;

/** The bits of a cell that say which slot, counted from 1; the rest are the highest of the hash. */
const SLOT_MASK = 0x0fff_ffff;

export class IdTable {
  /** By hash: slot and hash, see `SLOT_MASK`; 0 is an empty cell. At most half of the cells are taken. */
  #cells = new Int32Array(16);
  /** The halves of each slot's id side by side, high before low; in a free slot, the next free one for the low half. */
  readonly #pairs = new Int32Column();
  #slotCount = 0;
  #free = NO_SLOT;
  #size = 0;
  readonly #halves = new DataView(new ArrayBuffer(8));
  readonly #seed: number;

  /** `seed`: a uint32 that whoever chooses ids does not know, else they could choose ids that all fall into one run of cells. */
  constructor(seed = DEFAULT_SEED) {
    this.#seed = seed;
  }

  /** Ids in the table. */
  get size(): number {
    return this.#size;
  }

  /** Slots ever given out: every slot is below this. */
  get slotCount(): number {
    return this.#slotCount;
  }

  /** The slot of `id`, an int64, or `NO_SLOT`. */
  find(id: bigint): number {
    this.#halves.setBigInt64(0, id);
    return this.findHalves(this.#halves.getInt32(0), this.#halves.getInt32(4));
  }

  findHalves(hi: number, lo: number): number {
    const found = this.#cells[this.#cellOf(hi, lo, hashOf(hi, lo, this.#seed))] as number;
    return (found & SLOT_MASK) - 1;
  }

  /** Adds an int64 that is not there. Returns its slot. */
  add(id: bigint): number {
    this.#halves.setBigInt64(0, id);
    return this.addHalves(this.#halves.getInt32(0), this.#halves.getInt32(4));
  }

  addHalves(hi: number, lo: number): number {
    this.#makeRoom();
    const hash = hashOf(hi, lo, this.#seed);
    const cell = this.#cellOf(hi, lo, hash);
    assert(this.#cells[cell] === 0, 'id-table: an id is added once');
    const slot = this.#takeSlot();
    this.#put(cell, hash, slot, hi, lo);
    return slot;
  }

  /**
   * Adds an id in a slot of the caller's choice, as it was in another table: at or above `slotCount`. Slots passed over are free.
   * False, and nothing is changed, if the id is there.
   */
  restoreHalves(slot: number, hi: number, lo: number): boolean {
    assert(slot >= this.#slotCount, 'id-table: slots are restored in ascending order');
    this.#makeRoom();
    const hash = hashOf(hi, lo, this.#seed);
    const cell = this.#cellOf(hi, lo, hash);
    if (this.#cells[cell] !== 0) return false;
    for (; this.#slotCount < slot; this.#slotCount++) {
      this.#pairs.set(2 * this.#slotCount + 1, this.#free);
      this.#free = this.#slotCount;
    }
    this.#slotCount++;
    this.#put(cell, hash, slot, hi, lo);
    return true;
  }

  /** Removes the id in `slot`, which is taken; the slot may be given out again. */
  remove(slot: number): void {
    const mask = this.#cells.length - 1;
    const hash = this.#hashAt(slot);
    const taken = cellFor(hash, slot);
    let hole = hash & mask;
    while (this.#cells[hole] !== taken) {
      assert(this.#cells[hole] !== 0, 'id-table: only a taken slot is removed');
      hole = (hole + 1) & mask;
    }
    // Move back every later cell of the run that may lie in the hole, that is whose home is not between hole and cell.
    for (let cell = (hole + 1) & mask; this.#cells[cell] !== 0; cell = (cell + 1) & mask) {
      const home = this.#hashAt(((this.#cells[cell] as number) & SLOT_MASK) - 1) & mask;
      if (((cell - home) & mask) < ((cell - hole) & mask)) continue;
      this.#cells[hole] = this.#cells[cell] as number;
      hole = cell;
    }
    this.#cells[hole] = 0;
    this.#pairs.set(2 * slot + 1, this.#free);
    this.#free = slot;
    this.#size--;
  }

  /** The id in a taken slot. */
  idAt(slot: number): bigint {
    this.#halves.setInt32(0, this.hiAt(slot));
    this.#halves.setInt32(4, this.loAt(slot));
    return this.#halves.getBigInt64(0);
  }

  hiAt(slot: number): number {
    return this.#pairs.get(2 * slot);
  }

  loAt(slot: number): number {
    return this.#pairs.get(2 * slot + 1);
  }

  #takeSlot(): number {
    if (this.#free !== NO_SLOT) {
      const slot = this.#free;
      this.#free = this.#pairs.get(2 * slot + 1);
      return slot;
    }
    return this.#slotCount++;
  }

  /** The cell of an id with this hash, or the empty one where it belongs. */
  #cellOf(hi: number, lo: number, hash: number): number {
    const mask = this.#cells.length - 1;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const cell = this.#cells[at] as number;
      if (cell === 0) return at;
      if (((cell ^ hash) & ~SLOT_MASK) !== 0) continue;
      const slot = (cell & SLOT_MASK) - 1;
      if (this.#pairs.get(2 * slot + 1) === lo && this.#pairs.get(2 * slot) === hi) return at;
    }
  }

  #put(cell: number, hash: number, slot: number, hi: number, lo: number): void {
    this.#cells[cell] = cellFor(hash, slot);
    this.#pairs.set(2 * slot, hi);
    this.#pairs.set(2 * slot + 1, lo);
    this.#size++;
  }

  #makeRoom(): void {
    if ((this.#size + 1) * 2 > this.#cells.length) this.#growCells(this.#cells.length * 2);
  }

  #growCells(length: number): void {
    const old = this.#cells;
    const cells = new Int32Array(length);
    for (const cell of old) {
      if (cell === 0) continue;
      let at = this.#hashAt((cell & SLOT_MASK) - 1) & (length - 1);
      while (cells[at] !== 0) at = (at + 1) & (length - 1);
      cells[at] = cell;
    }
    this.#cells = cells;
  }

  #hashAt(slot: number): number {
    return hashOf(this.#pairs.get(2 * slot), this.#pairs.get(2 * slot + 1), this.#seed);
  }
}

/** A slot beyond what a cell can say would need 2^28 ids, and more memory than there is. */
function cellFor(hash: number, slot: number): number {
  assert(slot < SLOT_MASK, 'id-table: slots fit in a cell');
  return (hash & ~SLOT_MASK) | (slot + 1);
}

/** Both halves reach every low bit: ids that count up, and ids that differ only above bit 32, spread alike. */
export function hashOf(hi: number, lo: number, seed: number): number {
  let hash = Math.imul(lo ^ seed, 0x2c1b3c6d);
  hash = Math.imul(hash ^ (hash >>> 16) ^ hi, seed | 1);
  hash = Math.imul(hash ^ (hash >>> 15), 0x9e3779b1);
  return hash ^ (hash >>> 16);
}
