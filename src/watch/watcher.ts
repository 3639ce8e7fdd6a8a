/**
 * Owns what one watcher is: what it asked for and how far it has read. A watcher is a cursor, not a queue (house §4): however
 * slow its reader, it costs the same few words. Does not own delivery (`hub.ts`) nor the search for whom an event concerns
 * (`ranges.ts`). Keeps W7 (filters and range exact), W8 (prev_kv).
 */
import { type ByteString, byteString } from '../base/bytes.ts';
import type { KvEvent } from '../state/history.ts';

/** What the hub reads from: all events since the compact revision, in memory. `state/history.ts` satisfies it. */
export interface EventHistory {
  /** The newest revision; may grow between two calls of the hub. */
  readonly revision: number;
  /** Revisions below it can not be watched any more; its own events are still there, as clients resume at it (etcd). */
  readonly compactRevision: number;
  /** The events of one revision in sub order; empty if it has none. */
  eventsOf(revision: number): readonly KvEvent[];
}

/** What a client asks for. `rangeEnd` empty: that key alone; the single byte 0: from `key` on; else [key, rangeEnd). */
export interface WatchSpec {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  /** First revision wanted; 0: the next one. A future revision delivers nothing earlier. */
  readonly startRevision: number;
  readonly noPut: boolean;
  readonly noDelete: boolean;
  /** Deliver the version before each event too. */
  readonly prevKv: boolean;
}

/** A range of keys as the core compares it: `high` undefined means no upper bound. `low` is in, `high` is not. */
export interface KeyRange {
  readonly low: ByteString;
  readonly high: ByteString | undefined;
}

/** The range a spec means, or undefined if no key can be in it (etcd: an empty watcher range). */
export function rangeOf(spec: WatchSpec): KeyRange | undefined {
  const low = byteString(spec.key);
  if (spec.rangeEnd.length === 0) return { low, high: `${low}\0` };
  const high = byteString(spec.rangeEnd);
  if (high === '\0') return { low, high: undefined };
  return low < high ? { low, high } : undefined;
}

/**
 * A registered watch. Made by `Hub.watch`; the hub alone moves the cursor.
 * Either it is *synced*: every event up to the hub's revision that concerns it was pulled, and `nextRevision` only bounds what it
 * wants of the future. Or it *lags*: `nextRevision` is the first revision it has not read, and its owner must pull.
 */
export class Watcher {
  readonly spec: WatchSpec;
  readonly range: KeyRange;
  /** Called when a synced watcher gets something to pull; never called again before it is synced again. */
  readonly wake: (watcher: Watcher) => void;
  /** For the hub only. */
  nextRevision: number;
  /** For the hub only: while it lags, nothing after this revision is known to concern it. */
  lastRevision: number;
  /** For the hub only. */
  lags: boolean;
  /** For the hub only. */
  cancelled = false;

  constructor(
    spec: WatchSpec,
    range: KeyRange,
    wake: (watcher: Watcher) => void,
    nextRevision: number,
    hubRevision: number,
  ) {
    this.spec = spec;
    this.range = range;
    this.wake = wake;
    this.nextRevision = nextRevision;
    this.lastRevision = hubRevision;
    this.lags = nextRevision <= hubRevision;
  }

  /** True if the filters let this kind of event pass. */
  admits(type: KvEvent['type']): boolean {
    return type === 'put' ? !this.spec.noPut : !this.spec.noDelete;
  }

  /** True if whatever concerns the other one concerns this one, and is shown it alike. */
  readsLike(other: Watcher): boolean {
    const { noPut, noDelete, prevKv } = this.spec;
    const { spec, range } = other;
    if (noPut !== spec.noPut || noDelete !== spec.noDelete || prevKv !== spec.prevKv) return false;
    return this.range.low === range.low && this.range.high === range.high;
  }

  /** True if `key` lies in the range. */
  covers(key: ByteString): boolean {
    return this.range.low <= key && (this.range.high === undefined || key < this.range.high);
  }
}
