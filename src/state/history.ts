/**
 * What happened, by revision: the events since the compacted revision, for watchers and historical hashes. A watcher is a
 * cursor over this (house §4), so nothing is queued or copied per watcher; an event's bytes are made when first asked for.
 */
import { assert } from '../base/assert.ts';
import type { ByteString } from '../base/bytes.ts';
import { type KeyVersion, keyValueOf, valueBefore } from './key-index.ts';
import type { KeyValue } from './outcome.ts';
import type { Revisions } from './revision.ts';

/** Bytes of values that recently asked-for events may keep besides the store's own. */
const RECENT_BYTES_MAX = 4 * 1024 * 1024;

/** One change of one key. Of a deleted key `kv` holds key and `modRevision`, all else is zero or empty. */
export interface KvEvent {
  readonly type: 'put' | 'delete';
  /** The key once more, for matching. */
  readonly key: ByteString;
  readonly kv: KeyValue;
  /** The key as it was before the revision, if it had a value that is not compacted. */
  prevKv(): KeyValue | undefined;
  /** As a watcher is shown it. The same object for all who ask alike, so that what is made of it can be shared as well. */
  view(withPrevKv: boolean): EventView;
}

/** An event as delivered; `prevKv` is undefined unless asked for. */
export interface EventView {
  readonly type: 'put' | 'delete';
  readonly kv: KeyValue;
  readonly prevKv: KeyValue | undefined;
}

class VersionEvent implements KvEvent {
  readonly #version: KeyVersion;
  #kv: KeyValue | undefined;
  #previous: KeyValue | undefined;
  #plain: EventView | undefined;
  #withPrevKv: EventView | undefined;

  constructor(version: KeyVersion) {
    this.#version = version;
  }

  get type(): 'put' | 'delete' {
    return this.#version.version > 0 ? 'put' : 'delete';
  }

  get key(): ByteString {
    return this.#version.node.key;
  }

  get kv(): KeyValue {
    this.#kv ??= keyValueOf(this.#version);
    return this.#kv;
  }

  prevKv(): KeyValue | undefined {
    if (this.#previous !== undefined) return this.#previous;
    const before = valueBefore(this.#version);
    if (before !== undefined) this.#previous = keyValueOf(before);
    return this.#previous;
  }

  view(withPrevKv: boolean): EventView {
    const { type, kv } = this;
    this.#plain ??= { type, kv, prevKv: undefined };
    if (!withPrevKv) return this.#plain;
    if (this.#withPrevKv === undefined) {
      const prevKv = this.prevKv();
      this.#withPrevKv = prevKv === undefined ? this.#plain : { type, kv, prevKv };
    }
    return this.#withPrevKv;
  }
}

export class History {
  readonly #revisions: Revisions;
  /** By revision - `#first`; a revision with one change, most of them, is held without an array. */
  readonly #changes: (KeyVersion | KeyVersion[])[] = [];
  /** The revision of `#changes[0]`. */
  #first = 2;
  /** Events made lately: many watchers ask for the same revisions at about the same time. */
  #recent = new Map<number, readonly KvEvent[]>();
  #recentBytes = 0;

  constructor(revisions: Revisions) {
    this.#revisions = revisions;
  }

  /** The revisions were restored from an image, whose versions come next. */
  restart(): void {
    assert(this.#changes.length === 0, 'D3: an image is restored into an empty history');
    this.#first = Math.max(2, this.compactRevision + 1);
  }

  /** The newest revision. */
  get revision(): number {
    return this.#revisions.current;
  }

  /** Events at or below this are gone; 0: all are there. */
  get compactRevision(): number {
    return this.#revisions.compacted;
  }

  /** Whether this change comes next: the following one of the newest revision held, or the first of the one after it. */
  follows(version: KeyVersion): boolean {
    if (version.modRevision < this.#first) return true;
    const newest = this.#first + this.#changes.length - 1;
    if (version.modRevision === newest + 1) return version.sub === 0;
    return version.modRevision === newest && version.sub === this.changesOf(newest).length;
  }

  /** No revision up to the current one is missing, and there is none above. */
  get isWhole(): boolean {
    return this.#first + this.#changes.length - 1 === Math.max(this.revision, this.#first - 1);
  }

  /** Adds the next change, in order of (revision, sub). What an image still holds of compacted revisions is no event. */
  append(version: KeyVersion): void {
    assert(this.follows(version), 'W1, W3: changes come in order, without a gap');
    const at = version.modRevision - this.#first;
    if (at < 0) return;
    const changes = this.#changes[at];
    if (changes === undefined) this.#changes.push(version);
    else if (Array.isArray(changes)) changes.push(version);
    else this.#changes[at] = [changes, version];
  }

  /** The changes of a revision, by sub; empty for one that is not there: in the future, compacted, or 1 and below. */
  changesOf(revision: number): readonly KeyVersion[] {
    const changes = this.#changes[revision - this.#first];
    if (changes === undefined) return [];
    return Array.isArray(changes) ? changes : [changes];
  }

  /** The events of a whole revision, in order of sub (W4). Empty as `changesOf`, and while the revision is being written. */
  eventsOf(revision: number): readonly KvEvent[] {
    if (revision > this.revision) return [];
    const known = this.#recent.get(revision);
    if (known !== undefined) return known;
    const changes = this.changesOf(revision);
    if (changes.length === 0) return [];
    const events = changes.map((version) => new VersionEvent(version));
    for (const version of changes) this.#recentBytes += 256 + version.node.key.length + version.value.length;
    if (this.#recentBytes > RECENT_BYTES_MAX) {
      this.#recent = new Map();
      this.#recentBytes = 0;
    }
    this.#recent.set(revision, events);
    return events;
  }
}
