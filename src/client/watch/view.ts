/**
 * A mirrored map: the keys of a range as they are, kept by a listing and a watch behind it. Revisions are applied
 * whole, so nobody sees half of a txn. After a compaction it is compared with what there is, so that those who follow
 * its changes miss none that counts.
 */
import { onAbort } from '../abort.ts';
import { LeaseError } from '../errors.ts';
import { listAll, type Page } from '../kv/pages.ts';
import type { KeyValue } from '../kv/views.ts';
import { type Stoppable, stoppable } from '../stoppable.ts';
import type { CallSettings } from '../transport/calls.ts';
import { bytesOf, type Codec, type KeyLike, type KeyRange } from '../values.ts';
import { type Change, Changes } from './changes.ts';
import type { WatchEvent } from './events.ts';
import type { Lanes } from './lanes.ts';
import { Watch } from './watch.ts';

/**
 * Follows its range until it is closed.
 * @example
 * await using config = await client.view({ prefix: 'config/' }, json<Config>());
 * config.get('config/db')?.value.host;
 * for await (const { keyText, kv } of config.changes()) reload(keyText, kv?.value);
 */
export class View<T = Uint8Array> implements AsyncDisposable {
  readonly #map = new Map<string, KeyValue<T>>();
  readonly #watch: Watch<T>;
  readonly #followers = new Set<Changes<T>>();
  #revision: bigint;
  #over = false;
  #failure: LeaseError | undefined;

  private constructor(lanes: Lanes, range: KeyRange, codec: Codec<T> | undefined, listed: Page<T>) {
    for (const kv of listed.items) this.#map.set(idOf(kv.key), kv);
    this.#revision = listed.revision;
    this.#watch = new Watch<T>(lanes, range, { from: listed.revision + 1n, codec, progress: true });
    void this.#follow();
  }

  /** Resolves when it holds what there is. Rejects with a `LeaseError` when that cannot be read in time. */
  static async open<T>(
    lanes: Lanes,
    range: KeyRange,
    codec: Codec<T> | undefined,
    settings: CallSettings,
  ): Promise<View<T>> {
    return new View(lanes, range, codec, await listAll(lanes.core, range, { ...settings, codec }));
  }

  /** The key as it is here; undefined if there is none. Asks nobody. */
  get(key: KeyLike): KeyValue<T> | undefined {
    return this.#map.get(idOf(bytesOf(key)));
  }

  /** Whether the key is there. */
  has(key: KeyLike): boolean {
    return this.#map.has(idOf(bytesOf(key)));
  }

  /** How many keys there are. */
  get size(): number {
    return this.#map.size;
  }

  /** All of them now, in the order of the bytes of their keys. */
  entries(): readonly KeyValue<T>[] {
    const sorted = [...this.#map].sort(([a], [b]) => (a < b ? -1 : 1));
    return sorted.map(([, kv]) => kv);
  }

  /** It holds everything up to here; the cluster may be ahead. */
  get revision(): bigint {
    return this.#revision;
  }

  /**
   * It follows its range; false once it is closed or failed. While members are away it is true, and what it holds may
   * be old.
   */
  get ready(): boolean {
    return !this.#over;
  }

  /** Why it no longer follows, other than by `close`. */
  get failure(): LeaseError | undefined {
    return this.#failure;
  }

  /**
   * Changes from this call on, the newest of each key: what happens before they are first read is among them, so
   * `entries()` and then these miss nothing. Ends with the view's `close`, quietly with the signal or when its reader
   * leaves, and throws when the view fails. What is not read to its end must be closed, by one of these.
   */
  changes({ signal }: { readonly signal?: AbortSignal } = {}): Stoppable<Change<T>> {
    const changes = new Changes<T>();
    this.#followers.add(changes);
    if (this.#over) changes.end(this.#failure, false);
    return stoppable(signal, (stop) => {
      onAbort(stop, () => {
        this.#followers.delete(changes);
        changes.end(undefined, true);
      });
      return readingOf(changes);
    });
  }

  /** What it holds stays as it is. */
  close(): void {
    this.#watch.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  async #follow(): Promise<void> {
    try {
      for (let batch = await this.#watch.batch(); batch !== undefined; batch = await this.#watch.batch())
        for (const event of batch) this.#apply(event);
    } catch (error) {
      this.#failure = error instanceof LeaseError ? error : new LeaseError('internal', String(error), { cause: error });
    }
    this.#over = true;
    for (const follower of this.#followers) follower.end(this.#failure, false);
    this.#followers.clear();
  }

  #apply(event: WatchEvent<T>): void {
    this.#revision = event.revision;
    switch (event.type) {
      case 'put':
        this.#set(idOf(event.key), event.kv);
        break;
      case 'delete':
        this.#set(idOf(event.key), undefined);
        break;
      case 'resync':
        this.#replace(event.items);
        break;
      case 'progress':
        break;
    }
  }

  #replace(items: readonly KeyValue<T>[]): void {
    const gone = new Set(this.#map.keys());
    for (const kv of items) {
      const id = idOf(kv.key);
      gone.delete(id);
      if (this.#map.get(id)?.modRevision !== kv.modRevision) this.#set(id, kv);
    }
    for (const id of gone) this.#set(id, undefined);
  }

  #set(id: string, kv: KeyValue<T> | undefined): void {
    const prev = this.#map.get(id);
    if (kv === undefined) this.#map.delete(id);
    else this.#map.set(id, kv);
    const keyText = (kv ?? prev)?.keyText;
    if (keyText === undefined) return;
    for (const follower of this.#followers) follower.add(id, { keyText, kv, prev });
  }
}

async function* readingOf<T>(changes: Changes<T>): AsyncGenerator<Change<T>, void, undefined> {
  for (let change = await changes.next(); change !== undefined; change = await changes.next()) yield change;
}

/** A string that stands for the bytes, and sorts as they do. */
function idOf(key: Uint8Array): string {
  let id = '';
  for (const byte of key) id += String.fromCharCode(byte);
  return id;
}
