/**
 * What was read last out of the history, kept for the next watcher that is to read just the same. Many clients watch one prefix: then
 * one search does for all of them, and there is one list of events, which whoever encodes it knows again. Owns that one list. Keeps
 * W7, W8: alike are watchers with one range, one filter and one wish for prev_kv; W9: a compaction may hide what was before, so
 * nothing read earlier counts; W12: only a short list is kept (`watchRunBytesMax`).
 */
import type { EventView } from '../state/history.ts';
import type { Watcher } from './watcher.ts';

/** What one pull brings: events of whole revisions, and the first revision that was not looked at. */
export interface Read {
  readonly events: readonly EventView[];
  readonly next: number;
}

export class LastRead {
  #watcher: Watcher | undefined;
  #from = 0;
  #last = 0;
  #bytesMax = 0;
  #compactRevision = 0;
  #read: Read | undefined;

  /** What there is from `nextRevision` of the watcher to `last`, about `bytesMax` of it, if the same was just read. */
  find(watcher: Watcher, last: number, bytesMax: number, compactRevision: number): Read | undefined {
    const other = this.#watcher;
    const same =
      other !== undefined &&
      watcher.nextRevision === this.#from &&
      last === this.#last &&
      bytesMax === this.#bytesMax &&
      compactRevision === this.#compactRevision &&
      watcher.readsLike(other);
    return same ? this.#read : undefined;
  }

  keep(watcher: Watcher, last: number, bytesMax: number, compactRevision: number, read: Read): void {
    this.#watcher = watcher;
    this.#from = watcher.nextRevision;
    this.#last = last;
    this.#bytesMax = bytesMax;
    this.#compactRevision = compactRevision;
    this.#read = read;
  }

  /** There is another history. */
  forget(): void {
    this.#watcher = undefined;
    this.#read = undefined;
  }
}
