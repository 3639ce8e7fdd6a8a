/** A promise to holders that was broken. */
export class Violation extends Error {
  /** The row of `docs/INVARIANTS.md`. */
  readonly invariant: string;
  readonly atMs: number;

  constructor(invariant: string, atMs: number, text: string) {
    super(`${invariant} at ${atMs.toFixed(3)} ms: ${text}`);
    this.invariant = invariant;
    this.atMs = atMs;
  }
}
