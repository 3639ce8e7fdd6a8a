/**
 * Owns the way from applied revisions to watchers. `advance` runs after applies and only *wakes*; reading happens in `pull`, at the
 * reader's pace and out of the history in memory, so no reader can delay an apply or make the hub hold bytes for it (W12).
 * Does not own streams, encoding or progress timers (rpc). Keeps W1 ordered, W2 unique, W3 gapless, W4 atomic per revision,
 * W7 filters and range, W8 prev_kv, W9 compacted is said, W10 only applied events and nothing before a future start, W11 whom the
 * news concern is woken.
 */
import { assert } from '../base/assert.ts';
import { watchersMax, watchRevisionsPerPullMax, watchRunBytesMax } from '../base/limits.ts';
import type { EventView } from '../state/history.ts';
import { LastRead, type Read } from './last-read.ts';
import { Ranges } from './ranges.ts';
import { type EventHistory, rangeOf, Watcher, type WatchSpec } from './watcher.ts';

/** Why no watcher was made. `compacted`: the start lies below this compact revision (W9). */
export type WatchRefusal =
  | { readonly type: 'compacted'; readonly compacted: number }
  /** `key` is not below `rangeEnd`: nothing can ever match. */
  | { readonly type: 'emptyRange' }
  /** This member has `watchersMax` already. */
  | { readonly type: 'tooMany' };

/** What a pull gives. */
export type Pulled =
  /**
   * Whole revisions, in order. The watcher has now seen everything up to and including `revision`. `events` may be empty;
   * pull again while `synced` is false and there is room.
   */
  | { readonly type: 'events'; readonly revision: number; readonly events: readonly EventView[] }
  /** Compaction overtook the watcher: it will get nothing more; cancel it. */
  | { readonly type: 'compacted'; readonly compacted: number };

/** All watchers of one member. */
export class Hub {
  #history: EventHistory;
  /** Every watcher either lags, or has seen all up to here. */
  #revision: number;
  readonly #ranges = new Ranges<Watcher>();
  readonly #watchers = new Set<Watcher>();
  readonly #watchersMax: number;
  readonly #lastRead = new LastRead();
  /** Events handed out since this hub was made. */
  delivered = 0;

  constructor(history: EventHistory, watchersLimit = watchersMax) {
    this.#history = history;
    this.#revision = history.revision;
    this.#watchersMax = watchersLimit;
  }

  /** Watchers registered. */
  get count(): number {
    return this.#watchers.size;
  }

  /** Watchers that have something to pull. Looks at all of them. */
  get lagging(): number {
    let found = 0;
    for (const watcher of this.#watchers) if (watcher.lags) found++;
    return found;
  }

  /** The revision up to which watchers were woken. */
  get revision(): number {
    return this.#revision;
  }

  /**
   * Registers a watcher. One that starts in the past lags from the first moment: pull it, `wake` is not called for what is
   * already there. `wake` is called inside a turn and must only take a note; it may be called again after a pull that synced.
   */
  watch(spec: WatchSpec, wake: (watcher: Watcher) => void): Watcher | WatchRefusal {
    const range = rangeOf(spec);
    if (range === undefined) return { type: 'emptyRange' };
    const start = spec.startRevision;
    const { compactRevision, revision } = this.#history;
    if (start !== 0 && start < compactRevision) return { type: 'compacted', compacted: compactRevision };
    if (this.#watchers.size >= this.#watchersMax) return { type: 'tooMany' };
    const next = start === 0 ? revision + 1 : start;
    const watcher = new Watcher(spec, range, wake, next, this.#revision);
    this.#watchers.add(watcher);
    this.#ranges.add(range, watcher);
    return watcher;
  }

  /** Forgets a watcher; doing it twice is harmless. */
  cancel(watcher: Watcher): void {
    if (!this.#watchers.delete(watcher)) return;
    watcher.cancelled = true;
    this.#ranges.remove(watcher.range, watcher);
  }

  /** True if the watcher has pulled all that concerns it up to the hub's revision (only then may progress be reported, W6). */
  synced(watcher: Watcher): boolean {
    return !watcher.lags;
  }

  /**
   * After each entry applied: wakes the synced watchers that the new revisions concern. Costs nothing for watchers that lag already. Not
   * after many: once a later entry has compacted a revision, nobody can say any more whom it did not concern.
   */
  advance(): void {
    const from = this.#revision + 1;
    const to = this.#history.revision;
    assert(to >= this.#revision, 'W2: the history went back');
    this.#revision = to;
    if (this.#watchers.size === 0) return;
    if (from < this.#history.compactRevision) {
      // Written and compacted by one entry: what these revisions held can not be known any more, and that must be said (W9).
      this.#lagFrom(from);
      return;
    }
    const woken: Watcher[] = [];
    for (let revision = from; revision <= to; revision++) {
      for (const event of this.#history.eventsOf(revision)) {
        this.#ranges.forEach(event.key, (watcher) => {
          if (revision < watcher.nextRevision || !watcher.admits(event.type)) return;
          watcher.lastRevision = revision;
          if (watcher.lags) return;
          watcher.lags = true;
          watcher.nextRevision = revision;
          woken.push(watcher);
        });
      }
    }
    // Only now, as a wake may cancel or add watchers.
    for (const watcher of woken) if (!watcher.cancelled) watcher.wake(watcher);
  }

  /**
   * The next events, about `bytesMax` of them but at least one whole revision (W4). Reads at most `watchRevisionsPerPullMax`
   * revisions, so that one long look back holds up nobody.
   */
  pull(watcher: Watcher, bytesMax: number): Pulled {
    assert(!watcher.cancelled, 'W10: pulls a cancelled watcher');
    if (!watcher.lags) return { type: 'events', revision: this.#revision, events: [] };
    const { compactRevision } = this.#history;
    if (watcher.nextRevision < compactRevision) return { type: 'compacted', compacted: compactRevision };
    const { events, next } = this.#read(watcher, bytesMax, compactRevision);
    watcher.nextRevision = next;
    if (watcher.nextRevision > watcher.lastRevision) {
      // What came since does not concern it: no need to look at it.
      watcher.nextRevision = this.#revision + 1;
      watcher.lags = false;
    }
    this.delivered += events.length;
    return { type: 'events', revision: watcher.nextRevision - 1, events };
  }

  /** What the next pull of a watcher brings. */
  #read(watcher: Watcher, bytesMax: number, compactRevision: number): Read {
    const last = Math.min(watcher.lastRevision, watcher.nextRevision + watchRevisionsPerPullMax - 1);
    const known = this.#lastRead.find(watcher, last, bytesMax, compactRevision);
    if (known !== undefined) return known;
    const events: EventView[] = [];
    let bytes = 0;
    let next = watcher.nextRevision;
    for (; next <= last && bytes < bytesMax; next++) {
      for (const event of this.#history.eventsOf(next)) {
        if (!watcher.admits(event.type) || !watcher.covers(event.key)) continue;
        const view = event.view(watcher.spec.prevKv);
        events.push(view);
        bytes += eventBytes(view);
      }
    }
    const read = { events, next };
    if (bytes <= watchRunBytesMax) this.#lastRead.keep(watcher, last, bytesMax, compactRevision, read);
    else this.#lastRead.forget();
    return read;
  }

  /**
   * A snapshot replaced the state: watchers go on where they were, out of the new history, or learn that they were overtaken by
   * compaction when they pull. Wakes everybody whom the leap may concern.
   */
  replaceHistory(history: EventHistory): void {
    assert(history.revision >= this.#revision, 'W2: a snapshot older than the state was installed');
    const from = this.#revision + 1;
    this.#history = history;
    this.#lastRead.forget();
    this.#revision = history.revision;
    this.#lagFrom(from);
  }

  /** Makes every synced watcher read from `from` on by itself, unless it wants nothing before a revision still further on. */
  #lagFrom(from: number): void {
    const woken: Watcher[] = [];
    for (const watcher of this.#watchers) {
      if (watcher.lags) {
        watcher.lastRevision = this.#revision;
        continue;
      }
      watcher.nextRevision = Math.max(watcher.nextRevision, from);
      watcher.lags = watcher.nextRevision <= this.#revision;
      watcher.lastRevision = this.#revision;
      if (watcher.lags) woken.push(watcher);
    }
    for (const watcher of woken) if (!watcher.cancelled) watcher.wake(watcher);
  }
}

/** About the size of an event on the wire; only used to bound a pull. */
function eventBytes({ kv, prevKv }: EventView): number {
  const prevBytes = prevKv === undefined ? 0 : prevKv.key.length + prevKv.value.length + 32;
  return kv.key.length + kv.value.length + 48 + prevBytes;
}
