/**
 * Columns of numbers by slot: what a million leases are kept in. A column is made of pieces that come when something is first
 * written there and never move: so it grows without copying, holds no more than it needs, and costs nothing where nothing was ever
 * written. Reads 0 there. One class for each kind of number, alike to the letter: shared code would see all kinds and box doubles.
 */

/** Slots of one piece, a power of two: 64 to 128 KiB each. */
const PIECE_BITS = 14;
const PIECE_SLOTS = 1 << PIECE_BITS;
const PIECE_MASK = PIECE_SLOTS - 1;

/** Doubles: stamps, times. */
export class Float64Column {
  readonly #pieces: (Float64Array | undefined)[] = [];

  get(slot: number): number {
    const piece = this.#pieces[slot >>> PIECE_BITS];
    return piece === undefined ? 0 : (piece[slot & PIECE_MASK] as number);
  }

  set(slot: number, value: number): void {
    let piece = this.#pieces[slot >>> PIECE_BITS];
    if (piece === undefined) {
      piece = new Float64Array(PIECE_SLOTS);
      place(this.#pieces, slot >>> PIECE_BITS, piece);
    }
    piece[slot & PIECE_MASK] = value;
  }
}

/** Whole numbers of 32 bits. */
export class Int32Column {
  readonly #pieces: (Int32Array | undefined)[] = [];

  get(slot: number): number {
    const piece = this.#pieces[slot >>> PIECE_BITS];
    return piece === undefined ? 0 : (piece[slot & PIECE_MASK] as number);
  }

  set(slot: number, value: number): void {
    let piece = this.#pieces[slot >>> PIECE_BITS];
    if (piece === undefined) {
      piece = new Int32Array(PIECE_SLOTS);
      place(this.#pieces, slot >>> PIECE_BITS, piece);
    }
    piece[slot & PIECE_MASK] = value;
  }
}

/** Whole numbers from 0 to 255. */
export class Uint8Column {
  readonly #pieces: (Uint8Array | undefined)[] = [];

  get(slot: number): number {
    const piece = this.#pieces[slot >>> PIECE_BITS];
    return piece === undefined ? 0 : (piece[slot & PIECE_MASK] as number);
  }

  set(slot: number, value: number): void {
    let piece = this.#pieces[slot >>> PIECE_BITS];
    if (piece === undefined) {
      piece = new Uint8Array(PIECE_SLOTS);
      place(this.#pieces, slot >>> PIECE_BITS, piece);
    }
    piece[slot & PIECE_MASK] = value;
  }
}

/** References to `T`; `undefined` where nothing was written. */
export class RefColumn<T> {
  readonly #pieces: ((T | undefined)[] | undefined)[] = [];

  get(slot: number): T | undefined {
    return this.#pieces[slot >>> PIECE_BITS]?.[slot & PIECE_MASK];
  }

  set(slot: number, value: T | undefined): void {
    let piece = this.#pieces[slot >>> PIECE_BITS];
    if (piece === undefined) {
      if (value === undefined) return;
      piece = new Array<T | undefined>(PIECE_SLOTS).fill(undefined);
      place(this.#pieces, slot >>> PIECE_BITS, piece);
    }
    piece[slot & PIECE_MASK] = value;
  }
}

/** Without holes, which would make an array of V8's slow. */
function place<T>(pieces: (T | undefined)[], at: number, piece: T): void {
  while (pieces.length <= at) pieces.push(undefined);
  pieces[at] = piece;
}
