/**
 * What a mutant is: a small named change to the real source that breaks one promise. Planted by `plant.ts`, hunted by `hunts.ts`.
 * A mutant is caught when an invariant from `caughtBy` names the failure; which checker sees it does not matter.
 */

/** Replaces `find`, which stands exactly once in `file`, by `replace`. */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/**
 * Where a mutant is looked for: a profile of the simulator (`sim:usual`), the Raft world (`raft`), three primaries over one log
 * (`primary`), rounds of holders (`holders`), or a scripted scenario
 * (`scenario:cut-at-every-stage`).
 */
export type HuntName = 'raft' | 'primary' | 'holders' | `sim:${string}` | `scenario:${string}`;

export interface Mutant {
  /** `M22`, `O5`; a second form of the same bug has a letter behind it. */
  readonly id: string;
  /** What the change does, in one line. */
  readonly what: string;
  readonly edits: readonly Edit[];
  /** Invariants that may name it. */
  readonly caughtBy: readonly string[];
  /** Tried in this order. */
  readonly hunts: readonly HuntName[];
  /** Harmless as it stands: why, and the mutant that removes the reason as well. It is planted too, and must *not* be caught. */
  readonly equivalent?: { readonly because: string; readonly pair: string };
  /** The second line of defence that is removed with it, if there is one. */
  readonly without?: string;
}

export function edit(file: string, find: string, replace: string): Edit {
  return { file, find, replace };
}
