/**
 * What came while nobody read, in one piece: a client may cut it into single bytes, and a view of each would cost a hundred times as
 * much. Owns a copy.
 */

const nothing = Buffer.allocUnsafe(0);

export class HeldBytes {
  #bytes: Buffer = nothing;
  #from = 0;
  #to = 0;

  get empty(): boolean {
    return this.#from === this.#to;
  }

  add(bytes: Uint8Array, from: number, to: number): void {
    const end = this.#to + to - from;
    if (end > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(2 * (end - this.#from));
      this.#bytes.copy(larger, 0, this.#from, this.#to);
      this.#bytes = larger;
      this.#to -= this.#from;
      this.#from = 0;
    }
    this.#bytes.set(bytes.subarray(from, to), this.#to);
    this.#to += to - from;
  }

  /** Hands all to `reader`, which says where it stopped. What was read is its own: it is not written over. */
  read(reader: (bytes: Uint8Array, from: number, to: number) => number): void {
    const at = reader(this.#bytes, this.#from, this.#to);
    // Else it was cleared meanwhile.
    if (at < this.#to) this.#from = at;
    else this.clear();
  }

  clear(): void {
    this.#bytes = nothing;
    this.#from = 0;
    this.#to = 0;
  }
}
