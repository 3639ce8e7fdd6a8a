/**
 * Owns who leads an election, as an observer sees it (etcd: concurrency.Election.Observe): the leader as it is, then every
 * value of every leader, in revision order. A cursor, like a watcher: it follows the leader's key, and where that ends it asks
 * who was first *as of that revision*, so that no leader is left out however slow the reader (F5). Only if compaction overtakes
 * it does it go on from the present. Does not own delivery.
 */
import { compareBytes, emptyBytes } from '../base/bytes.ts';
import type { KeyValue } from '../state/outcome.ts';
import type { Hub } from './hub.ts';
import { oldestIn, prefixEnd, type QueueState, watchFor } from './queue.ts';
import type { Watcher, WatchSpec } from './watcher.ts';

/** A leader's key with a value it had; `revision` is when it was seen so. */
export interface LeaderSeen {
  readonly kv: KeyValue;
  readonly revision: number;
}

export interface LeadersPulled {
  readonly seen: readonly LeaderSeen[];
  /** Pull again; if not, `wake` will say when. */
  readonly more: boolean;
}

export class Leaders {
  readonly #hub: Hub;
  readonly #prefix: Uint8Array;
  readonly #wake: () => void;
  #watcher: Watcher | undefined;
  /** The key that `#watcher` is on leads; otherwise it looks for one. */
  #led = false;
  /** Where to look for the leader; 0: in the present. */
  #from = 0;
  #lastSeen: KeyValue | undefined;

  /** `wake` is called inside a turn and must only take a note. */
  constructor(hub: Hub, prefix: Uint8Array, wake: () => void) {
    this.#hub = hub;
    this.#prefix = prefix;
    this.#wake = wake;
  }

  /** What comes next, about `bytesMax` of it. The first call, after a read barrier, begins with the present. */
  pull(state: QueueState, bytesMax: number): LeadersPulled | 'tooManyWatchers' {
    if (this.#watcher === undefined) return this.#seek(state);
    const pulled = this.#hub.pull(this.#watcher, bytesMax);
    if (pulled.type === 'compacted') return this.#restart(0, []);
    const seen: LeaderSeen[] = [];
    for (const { type, kv } of pulled.events) {
      if (!this.#led || type === 'delete') return this.#restart(kv.modRevision, seen);
      seen.push({ kv, revision: kv.modRevision });
      this.#lastSeen = kv;
    }
    return { seen, more: !this.#hub.synced(this.#watcher) };
  }

  /** Forgets what it watches; doing it twice is harmless. */
  end(): void {
    if (this.#watcher !== undefined) this.#hub.cancel(this.#watcher);
    this.#watcher = undefined;
  }

  /** Looks for the leader anew, as of `from`. */
  #restart(from: number, seen: readonly LeaderSeen[]): LeadersPulled {
    this.end();
    this.#from = from;
    return { seen, more: true };
  }

  #seek(state: QueueState): LeadersPulled | 'tooManyWatchers' {
    const at = this.#from === 0 ? state.revision : this.#from;
    const found = state.range(oldestIn(this.#prefix, at));
    if (found.type === 'refused') return this.#restart(0, []);
    const [kv] = found.kvs;
    this.#led = kv !== undefined;
    const made = this.#hub.watch(this.#next(kv, at + 1), this.#wake);
    if ('type' in made) return made.type === 'tooMany' ? 'tooManyWatchers' : this.#restart(0, []);
    this.#watcher = made;
    const more = !this.#hub.synced(made);
    if (kv === undefined || this.#wasSeen(kv)) return { seen: [], more };
    this.#lastSeen = kv;
    return { seen: [{ kv, revision: at }], more };
  }

  /** After compaction overtook it, it may come to what it has shown already. */
  #wasSeen({ key, modRevision }: KeyValue): boolean {
    const last = this.#lastSeen;
    return last !== undefined && last.modRevision === modRevision && compareBytes(last.key, key) === 0;
  }

  /** What the leader's key becomes, or without one, the first key there is. */
  #next(leader: KeyValue | undefined, start: number): WatchSpec {
    return leader === undefined
      ? watchFor(this.#prefix, prefixEnd(this.#prefix), start, false)
      : watchFor(leader.key, emptyBytes, start, false);
  }
}
