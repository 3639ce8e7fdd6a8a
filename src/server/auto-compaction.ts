/**
 * When the leader compacts by itself, and up to where (etcd: `v3compactor`). Pure: the time is given. `periodic` keeps what is younger
 * than its period: it notes the revision ten times in each period of up to an hour, and once it has a whole period of them
 * compacts at the oldest, then again after each such stretch. `revision` keeps the last N revisions, every five minutes.
 */

/** As told by --auto-compaction-mode and --auto-compaction-retention. */
export type AutoCompactionRule =
  | { readonly mode: 'periodic'; readonly periodMs: number }
  | { readonly mode: 'revision'; readonly revisions: number };

const hourMs = 3_600_000;
/** Looks in one stretch of `periodic`. */
const looksPerStretch = 10;
const revisionModeEveryMs = 300_000;

/** What both modes do. */
export interface AutoCompaction {
  /** How often `look` is to be called. */
  readonly everyMs: number;
  /** The revision to compact at, if it is time for that. `mayCompact`: this member leads; else it only takes notes. */
  look(nowMs: number, revision: number, mayCompact: boolean): number | undefined;
  /** The compaction that `look` asked for is done, by us or by somebody else. Without this it is asked for again. */
  done(nowMs: number, revision: number): void;
}

/** Begins now, at this revision. */
export function autoCompaction(rule: AutoCompactionRule, nowMs: number, revision: number): AutoCompaction {
  return rule.mode === 'periodic' ? new Periodic(rule.periodMs, nowMs, revision) : new KeepRevisions(rule.revisions);
}

class Periodic implements AutoCompaction {
  readonly everyMs: number;
  readonly #stretchMs: number;
  /** How long before the next compaction: first a whole period, later a stretch. */
  #waitMs: number;
  #lastMs: number;
  /** Revisions as noted, oldest first. When one more is looked for, the first is up to a period and a step old, as in etcd. */
  #noted: number[];
  readonly #notedMax: number;

  constructor(periodMs: number, nowMs: number, revision: number) {
    this.#stretchMs = Math.min(periodMs, hourMs);
    this.everyMs = this.#stretchMs / looksPerStretch;
    this.#waitMs = periodMs;
    this.#lastMs = nowMs;
    this.#noted = [revision];
    this.#notedMax = Math.floor(periodMs / this.everyMs) + 1;
  }

  look(nowMs: number, revision: number, mayCompact: boolean): number | undefined {
    const [oldest] = this.#noted;
    this.#noted = [...this.#noted, revision].slice(-this.#notedMax);
    // Timers come a little early or late: half a step makes no difference between two looks.
    const due = nowMs - this.#lastMs > this.#waitMs - this.everyMs / 2;
    if (!mayCompact || !due) return undefined;
    this.#waitMs = this.#stretchMs;
    return oldest;
  }

  done(nowMs: number): void {
    this.#lastMs = nowMs;
  }
}

class KeepRevisions implements AutoCompaction {
  readonly everyMs = revisionModeEveryMs;
  readonly #revisions: number;
  #last = 0;

  constructor(revisions: number) {
    this.#revisions = revisions;
  }

  look(_nowMs: number, revision: number, mayCompact: boolean): number | undefined {
    const at = revision - this.#revisions;
    return mayCompact && at > 0 && at !== this.#last ? at : undefined;
  }

  done(_nowMs: number, revision: number): void {
    this.#last = revision;
  }
}
