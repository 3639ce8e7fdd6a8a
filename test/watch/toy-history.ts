/** A history small enough to be obviously right, for the tests of the watch room. */
import { NO_LEASE } from '../../src/state/command.ts';
import type { EventView, KvEvent } from '../../src/state/history.ts';
import type { KeyValue } from '../../src/state/outcome.ts';
import type { EventHistory, WatchSpec } from '../../src/watch/watcher.ts';

const latin1 = (text: string): Uint8Array => Buffer.from(text, 'latin1');

/** One change to append. */
export interface ToyChange {
  readonly type: 'put' | 'delete';
  readonly key: string;
  readonly value?: string;
}

/** Revision 1 is empty, as in etcd. */
export class ToyHistory implements EventHistory {
  revision = 1;
  compactRevision = 0;
  readonly #events = new Map<number, KvEvent[]>();
  readonly #now = new Map<string, KeyValue>();

  /** Appends one revision that holds all `changes`. */
  append(...changes: ToyChange[]): void {
    this.revision++;
    const events: KvEvent[] = [];
    for (const { type, key, value } of changes) {
      const before = this.#now.get(key);
      const kv: KeyValue = {
        key: latin1(key),
        createRevision: type === 'put' ? (before?.createRevision ?? this.revision) : 0,
        modRevision: this.revision,
        version: type === 'put' ? (before?.version ?? 0) + 1 : 0,
        value: latin1(value ?? ''),
        lease: NO_LEASE,
      };
      if (type === 'put') this.#now.set(key, kv);
      else this.#now.delete(key);
      const view = (withPrevKv: boolean): EventView => ({ type, kv, prevKv: withPrevKv ? before : undefined });
      events.push({ type, key, kv, prevKv: () => before, view });
    }
    this.#events.set(this.revision, events);
  }

  compact(revision: number): void {
    this.compactRevision = revision;
    for (const at of this.#events.keys()) if (at < revision) this.#events.delete(at);
  }

  eventsOf(revision: number): readonly KvEvent[] {
    return this.#events.get(revision) ?? [];
  }

  /** The same records in another object, as after a snapshot. */
  copy(): ToyHistory {
    const copy = new ToyHistory();
    copy.revision = this.revision;
    copy.compactRevision = this.compactRevision;
    for (const [revision, events] of this.#events) copy.#events.set(revision, events);
    for (const [key, kv] of this.#now) copy.#now.set(key, kv);
    return copy;
  }
}

/** A spec out of plain strings; everything else is off. */
export function spec(key: string, rangeEnd = '', rest: Partial<WatchSpec> = {}): WatchSpec {
  return {
    key: latin1(key),
    rangeEnd: latin1(rangeEnd),
    startRevision: 0,
    noPut: false,
    noDelete: false,
    prevKv: false,
    ...rest,
  };
}
