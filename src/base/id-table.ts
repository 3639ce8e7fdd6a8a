/**
 * Gives each int64 a slot: a small whole number, dense, used again after the id is removed. Open addressing over typed arrays
 * (cells hold slots, ids lie in two int32 columns by slot), so a million ids cost some 17 bytes each and nothing for the
 * garbage collector. Removal moves later cells back instead of leaving tombstones, so churn never makes it slower.
 * An id is a bigint at the API or two int32 halves; never a double.
 */
import { assert } from './assert.ts';

/** The slot of an id that is not there. */
export const NO_SLOT = -1;

/** For those whose ids nobody chooses. */
const DEFAULT_SEED = 0x297a2d39;

export class IdTable {
  /** Slot + 1 by hash; 0 is an empty cell. At most half of the cells are taken. */
  #cells = new Int32Array(16);
  #hi = new Int32Array(8);
  /** Low half of a slot's id; in a free slot, the next free one. */
  #lo = new Int32Array(8);
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

  /** Slots there is room for before columns grow; users size their own columns by it. */
  get slotCapacity(): number {
    return this.#hi.length;
  }

  /** The slot of `id`, an int64, or `NO_SLOT`. */
  find(id: bigint): number {
    this.#halves.setBigInt64(0, id);
    return this.findHalves(this.#halves.getInt32(0), this.#halves.getInt32(4));
  }

  findHalves(hi: number, lo: number): number {
    const mask = this.#cells.length - 1;
    for (let cell = hashOf(hi, lo, this.#seed) & mask; ; cell = (cell + 1) & mask) {
      const slot = (this.#cells[cell] as number) - 1;
      if (slot === NO_SLOT) return NO_SLOT;
      if (this.#lo[slot] === lo && this.#hi[slot] === hi) return slot;
    }
  }

  /** Adds an int64 that is not there. Returns its slot. */
  add(id: bigint): number {
    this.#halves.setBigInt64(0, id);
    return this.addHalves(this.#halves.getInt32(0), this.#halves.getInt32(4));
  }

  addHalves(hi: number, lo: number): number {
    assert(this.findHalves(hi, lo) === NO_SLOT, 'id-table: an id is added once');
    if ((this.#size + 1) * 2 > this.#cells.length) this.#growCells();
    const slot = this.#takeSlot();
    this.#hi[slot] = hi;
    this.#lo[slot] = lo;
    this.#place(slot);
    this.#size++;
    return slot;
  }

  /**
   * Adds an id in a slot of the caller's choice, as it was in another table: at or above `slotCount`. Slots passed over are free.
   * False, and nothing is changed, if the id is there.
   */
  restoreHalves(slot: number, hi: number, lo: number): boolean {
    assert(slot >= this.#slotCount, 'id-table: slots are restored in ascending order');
    if (this.findHalves(hi, lo) !== NO_SLOT) return false;
    if ((this.#size + 1) * 2 > this.#cells.length) this.#growCells();
    if (slot >= this.#hi.length) this.#growColumns(slot + 1);
    for (; this.#slotCount < slot; this.#slotCount++) {
      this.#lo[this.#slotCount] = this.#free;
      this.#free = this.#slotCount;
    }
    this.#slotCount++;
    this.#hi[slot] = hi;
    this.#lo[slot] = lo;
    this.#place(slot);
    this.#size++;
    return true;
  }

  /** Removes the id in `slot`, which is taken; the slot may be given out again. */
  remove(slot: number): void {
    const mask = this.#cells.length - 1;
    let hole = this.#home(slot);
    while (this.#cells[hole] !== slot + 1) {
      assert(this.#cells[hole] !== 0, 'id-table: only a taken slot is removed');
      hole = (hole + 1) & mask;
    }
    // Move back every later cell of the run that may lie in the hole, that is whose home is not between hole and cell.
    for (let cell = (hole + 1) & mask; this.#cells[cell] !== 0; cell = (cell + 1) & mask) {
      const home = this.#home((this.#cells[cell] as number) - 1);
      if (((cell - home) & mask) < ((cell - hole) & mask)) continue;
      this.#cells[hole] = this.#cells[cell] as number;
      hole = cell;
    }
    this.#cells[hole] = 0;
    this.#lo[slot] = this.#free;
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
    return this.#hi[slot] as number;
  }

  loAt(slot: number): number {
    return this.#lo[slot] as number;
  }

  #takeSlot(): number {
    if (this.#free !== NO_SLOT) {
      const slot = this.#free;
      this.#free = this.#lo[slot] as number;
      return slot;
    }
    if (this.#slotCount === this.#hi.length) this.#growColumns(this.#slotCount + 1);
    return this.#slotCount++;
  }

  #growColumns(slotsMin: number): void {
    const capacity = Math.max(slotsMin, Math.ceil(this.#hi.length * 1.5));
    this.#hi = grown(this.#hi, capacity);
    this.#lo = grown(this.#lo, capacity);
  }

  #growCells(): void {
    const old = this.#cells;
    this.#cells = new Int32Array(old.length * 2);
    for (const cell of old) if (cell !== 0) this.#place(cell - 1);
  }

  #home(slot: number): number {
    return hashOf(this.#hi[slot] as number, this.#lo[slot] as number, this.#seed) & (this.#cells.length - 1);
  }

  #place(slot: number): void {
    const mask = this.#cells.length - 1;
    let cell = this.#home(slot);
    while (this.#cells[cell] !== 0) cell = (cell + 1) & mask;
    this.#cells[cell] = slot + 1;
  }
}

/** Both halves reach every low bit: ids that count up, and ids that differ only above bit 32, spread alike. */
export function hashOf(hi: number, lo: number, seed: number): number {
  let hash = Math.imul(lo ^ seed, 0x2c1b3c6d);
  hash = Math.imul(hash ^ (hash >>> 16) ^ hi, seed | 1);
  hash = Math.imul(hash ^ (hash >>> 15), 0x9e3779b1);
  return hash ^ (hash >>> 16);
}

function grown(column: Int32Array<ArrayBuffer>, capacity: number): Int32Array<ArrayBuffer> {
  const wider = new Int32Array(capacity);
  wider.set(column);
  return wider;
}
