/**
 * A lazy hierarchical timing wheel over small-integer slots. Owns when each slot is due; knows nothing of leases. Built for a
 * million slots that are put off again and again: putting one off is a single array write, and the slot is moved only when its old
 * place comes up (performance.md, "expiry structures"). Time is whatever the caller passes, in milliseconds; the wheel never goes
 * back and never gives a slot out early: places are whole milliseconds, rounded up.
 *
 * Shape: four levels of 256 buckets (1 ms, 256 ms, 65.5 s, 4.66 h wide) and one list of what is due. What lies beyond 2^32 ms
 * goes to the farthest bucket and moves on when that comes up. Buckets are circular doubly linked lists threaded through two
 * columns: node numbers below `SENTINELS` are list heads, above them slots. A slot taken out keeps its due time until it is
 * removed or set anew, so that it can be put back.
 */
import { assert } from './assert.ts';
import { Float64Column, Int32Column, Uint8Column } from './columns.ts';

const LEVELS = 4;
const BUCKETS = 256;
/** The list of due slots has a head of its own, behind those of the buckets. */
const DUE_HEAD = LEVELS * BUCKETS;
const SENTINELS = DUE_HEAD + 1;
/** In `#level`: linked nowhere, or in the list of due slots; 1 … LEVELS are the levels of the wheel. */
const LOOSE = 0;
const DUE = LEVELS + 1;
/** Width in milliseconds of one bucket, by level. */
const WIDTHS = [1, 256, 65_536, 16_777_216] as const;
const HORIZON_MS = 4_294_967_296;

export class Wheel {
  /** When each slot is due; 0 for one that was never set or was removed. */
  readonly #dueMs = new Float64Column();
  readonly #level = new Uint8Column();
  readonly #next = new Int32Column();
  readonly #prev = new Int32Column();
  /** Everything due before this millisecond is in the list of due slots. */
  #cursor: number;
  /** Slots linked on each level, to skip empty stretches; the last one counts the due list. */
  readonly #counts = new Int32Array(DUE + 1);

  constructor(nowMs: number) {
    this.#cursor = Math.floor(nowMs);
    for (let head = 0; head < SENTINELS; head++) {
      this.#next.set(head, head);
      this.#prev.set(head, head);
    }
  }

  /** Slots in the list of due slots; a few of them may have been put off meanwhile. */
  get dueCount(): number {
    return this.#counts[DUE] as number;
  }

  /** When the slot is due, in milliseconds, whether it is in the wheel or was taken out; 0: never set, or removed. */
  dueAt(slot: number): number {
    return this.#dueMs.get(slot);
  }

  /** True while the slot is in the wheel or in the list of due slots. */
  has(slot: number): boolean {
    return this.#level.get(slot) !== LOOSE;
  }

  /** Makes the slot due at that time, whatever held before. */
  set(slot: number, dueMs: number): void {
    this.#unlink(slot);
    this.#dueMs.set(slot, dueMs);
    this.#place(slot);
  }

  /** Puts a slot off if `dueMs` is later than its due time; does not put a slot into the wheel that is not in it. */
  raise(slot: number, dueMs: number): void {
    if (dueMs <= this.#dueMs.get(slot)) return;
    this.#dueMs.set(slot, dueMs);
    if (this.#level.get(slot) !== DUE) return;
    this.#unlink(slot);
    this.#place(slot);
  }

  /** Puts a slot that was taken out back at the head of the due list, so that those before it in time stay first. */
  putBack(slot: number): void {
    assert(!this.has(slot), 'wheel: puts back a slot that is in it');
    this.#link(slot, DUE, DUE_HEAD, this.#next.get(DUE_HEAD));
  }

  /** Forgets the slot and its due time. */
  remove(slot: number): void {
    this.#unlink(slot);
    if (this.#dueMs.get(slot) !== 0) this.#dueMs.set(slot, 0);
  }

  /**
   * Moves what is due at `nowMs` into the due list, in order of time to the millisecond. Does about `movesMax` moves of slots
   * and no more; returns false if that was not enough, and goes on there the next time.
   */
  advance(nowMs: number, movesMax: number): boolean {
    const end = Math.floor(nowMs);
    let moves = 0;
    while (this.#cursor <= end) {
      // Everything farther out that falls into this millisecond's stretch comes down first. Each step can be resumed.
      for (let level = LEVELS - 1; level >= 0; level--) {
        const width = WIDTHS[level] as number;
        if (this.#cursor % width !== 0) continue;
        const head = level * BUCKETS + (Math.floor(this.#cursor / width) % BUCKETS);
        for (let node = this.#next.get(head); node !== head; node = this.#next.get(head)) {
          if (++moves > movesMax) return false;
          const slot = node - SENTINELS;
          this.#unlink(slot);
          if (this.#dueMs.get(slot) <= this.#cursor) {
            this.#link(slot, DUE, this.#prev.get(DUE_HEAD), DUE_HEAD);
          } else this.#place(slot);
        }
      }
      this.#cursor = Math.min(this.#cursor + this.#stride(), end + 1);
    }
    return true;
  }

  /** The due slot that is first in time, or -1; skips and replaces those put off meanwhile. */
  peekDue(nowMs: number): number {
    for (;;) {
      const node = this.#next.get(DUE_HEAD);
      if (node === DUE_HEAD) return -1;
      const slot = node - SENTINELS;
      if (this.#dueMs.get(slot) <= nowMs) return slot;
      this.#unlink(slot);
      this.#place(slot);
    }
  }

  /**
   * The first millisecond, `untilMs` at most, at which something falls due or `advance` must look at what lies farther out; undefined
   * if there is none, or if `looksMax` slots that were put off lie before it. Right after an `advance` to now that was enough.
   */
  nextDue(untilMs: number, looksMax: number): number | undefined {
    let looks = 0;
    for (let ms = this.#cursor; ms <= untilMs; ms++) {
      if (ms % BUCKETS === 0 && this.#hasFarther(ms)) return ms;
      if (this.#counts[1] === 0) {
        ms += BUCKETS - 1 - (ms % BUCKETS);
        continue;
      }
      const head = ms % BUCKETS;
      for (let node = this.#next.get(head); node !== head; node = this.#next.get(node)) {
        if (this.#dueMs.get(node - SENTINELS) <= ms) return ms;
        if (++looks === looksMax) return undefined;
      }
    }
    return undefined;
  }

  /** Takes a slot out of the wheel; `dueAt` still knows its time. */
  take(slot: number): void {
    assert(this.has(slot), 'wheel: takes a slot that is not in it');
    this.#unlink(slot);
  }

  /** How far the cursor may go at once: to the end of the stretch in which the levels below hold nothing. */
  #stride(): number {
    let width = 1;
    for (let level = 1; level < LEVELS && this.#counts[level] === 0; level++) width = WIDTHS[level] as number;
    return width - (this.#cursor % width);
  }

  /** Whether a bucket of a higher level comes down at this multiple of the width of level 1's. */
  #hasFarther(ms: number): boolean {
    for (let level = 1; level < LEVELS; level++) {
      const width = WIDTHS[level] as number;
      if (ms % width !== 0) return false;
      const head = level * BUCKETS + (Math.floor(ms / width) % BUCKETS);
      if (this.#next.get(head) !== head) return true;
    }
    return false;
  }

  /** Links a loose slot where its due time belongs. */
  #place(slot: number): void {
    // What is due already goes through the cursor's own bucket, so that the order in time is kept.
    const due = Math.max(Math.ceil(this.#dueMs.get(slot)), this.#cursor);
    const ahead = due - this.#cursor;
    let level = 0;
    while (level < LEVELS - 1 && ahead >= (WIDTHS[level + 1] as number)) level++;
    const place = ahead < HORIZON_MS ? due : this.#cursor + HORIZON_MS - 1;
    const head = level * BUCKETS + (Math.floor(place / (WIDTHS[level] as number)) % BUCKETS);
    this.#link(slot, level + 1, this.#prev.get(head), head);
  }

  #link(slot: number, level: number, before: number, after: number): void {
    const node = slot + SENTINELS;
    this.#next.set(before, node);
    this.#prev.set(node, before);
    this.#next.set(node, after);
    this.#prev.set(after, node);
    this.#level.set(slot, level);
    this.#counts[level] = (this.#counts[level] as number) + 1;
  }

  #unlink(slot: number): void {
    const level = this.#level.get(slot);
    if (level === LOOSE) return;
    const node = slot + SENTINELS;
    const before = this.#prev.get(node);
    const after = this.#next.get(node);
    this.#next.set(before, after);
    this.#prev.set(after, before);
    this.#level.set(slot, LOOSE);
    this.#counts[level] = (this.#counts[level] as number) - 1;
  }
}
