/**
 * How a check fails, and nothing else: a `Violation` names the invariant (reliability.md §2, INVARIANTS.md) and says what was
 * seen. Whoever replays or shrinks a run compares the names.
 */

/** An invariant does not hold. */
export class Violation extends Error {
  override readonly name = 'Violation';
  /** `L1`, `R5`, `L2-mirror`, … */
  readonly invariant: string;
  readonly what: string;

  constructor(invariant: string, what: string) {
    super(`${invariant}: ${what}`);
    this.invariant = invariant;
    this.what = what;
  }
}
