/**
 * What holders on real time say of themselves, one JSON object a line. All times are milliseconds of the machine's monotonic clock
 * (`process.hrtime`), which its processes have in common.
 */
export type Said =
  /** A lock is held, from now on. */
  | { readonly type: 'held'; readonly lock: string; readonly token: string; readonly atMs: number }
  /** The signal of a hold aborted, or its holder is done with it: from now on it does not believe. */
  | {
      readonly type: 'over';
      readonly lock: string;
      readonly token: string;
      readonly atMs: number;
      readonly why: string;
    }
  /** A write left; `atMs` was read before the look that allowed it. */
  | { readonly type: 'write'; readonly lock: string; readonly token: string; readonly atMs: number }
  /** The process did not run in between; and what its first look said of each hold. */
  | { readonly type: 'stood'; readonly fromMs: number; readonly toMs: number; readonly looks: readonly FirstLook[] };

export interface FirstLook {
  readonly lock: string;
  readonly token: string;
  readonly held: boolean;
}

/** A holder's line, with its name. */
export type HolderSaid = Said & { readonly who: string };

/** The cluster let this token in, as seen by a watch: a moment later than it did. */
export interface Admission {
  readonly lock: string;
  readonly token: string;
  readonly atMs: number;
}

export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
