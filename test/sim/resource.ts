/**
 * What a lock protects, outside of the cluster: a store that looks at fencing tokens and turns away whoever comes with a smaller one than
 * it has seen. Beside it, for comparison, is counted what a store that does not look would have let in: not promised, and the
 * proof that holders do overstay (reliability.md §3.6.6).
 */
export class Resource {
  #newestToken = 0;
  accepted = 0;
  /** Writes of holders whose time was over. */
  turnedAway = 0;

  get newestToken(): number {
    return this.#newestToken;
  }

  /** A write with a token; false: turned away. */
  write(token: number): boolean {
    if (token < this.#newestToken) {
      this.turnedAway++;
      return false;
    }
    this.#newestToken = token;
    this.accepted++;
    return true;
  }
}
