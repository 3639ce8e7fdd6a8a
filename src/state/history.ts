/**
 * What happened, by revision: the events of the compacted revision and all after it, for watchers and historical hashes. A watcher is a
 * cursor over this (house §4), so nothing is queued or copied per watcher; an event's bytes are made when first asked for. What
 * lies before the compacted revision waits here for the sweep, out of sight. Keeps W3, W9.
 */
import { assert } from '../base/assert.ts';
import type { ByteString } from '../base/bytes.ts';
import { type KeyVersion, keyValueOf, valueBefore } from './key-index.ts';
import type { KeyValue } from './outcome.ts';
import { isBefore, type Position, type Revisions } from './revision.ts';

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
  readonly #revisions: Revisions;
  #kv: KeyValue | undefined;
  #previous: KeyValue | undefined;
  #plain: EventView | undefined;
  #withPrevKv: EventView | undefined;

  constructor(version: KeyVersion, revisions: Revisions) {
    this.#version = version;
    this.#revisions = revisions;
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
    // What was before the compacted revision is compacted too.
    if (this.#version.modRevision <= this.#revisions.compacted) return undefined;
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
  /** By revision - `#first` + `#dropped`; a revision with one change, most of them, is held without an array. */
  #changes: (KeyVersion | KeyVersion[] | undefined)[] = [];
  /** The oldest revision held. */
  #first = 2;
  /** Of the first revision held after a restart, changes from this one on: a sweep has been over those before it. */
  #firstSub = 0;
  /** Empty places at the start of `#changes`. */
  #dropped = 0;
  /** Events made lately: many watchers ask for the same revisions at about the same time. */
  #recent = new Map<number, readonly KvEvent[]>();
  #recentBytes = 0;

  constructor(revisions: Revisions) {
    this.#revisions = revisions;
  }

  /** The revisions were restored from an image, whose versions come next; before `start` some may be missing. */
  restart(start: Position): void {
    assert(this.#changes.length === 0, 'D3: an image is restored into an empty history');
    this.#first = start.revision;
    this.#firstSub = start.sub;
  }

  /** The newest revision. */
  get revision(): number {
    return this.#revisions.current;
  }

  /** Events below this are gone; its own are there, as clients resume at it. -1: all are there. */
  get compactRevision(): number {
    return this.#revisions.compacted;
  }

  /** Whether this change comes next: the following one of the newest revision held, or the first of the one after it. */
  follows(version: KeyVersion): boolean {
    if (isBefore({ revision: version.modRevision, sub: version.sub }, this.#start)) return true;
    const newest = this.#newest;
    if (version.modRevision === newest + 1) return version.sub === (newest < this.#first ? this.#firstSub : 0);
    return version.modRevision === newest && version.sub === (this.changesOf(newest).at(-1)?.sub ?? -1) + 1;
  }

  get #start(): Position {
    return { revision: this.#first, sub: this.#firstSub };
  }

  /** The newest revision held; the one before `#first` if none is. */
  get #newest(): number {
    return this.#first + this.#changes.length - this.#dropped - 1;
  }

  /** No revision up to the current one is missing, and there is none above. */
  get isWhole(): boolean {
    return this.#newest === Math.max(this.revision, this.#first - 1);
  }

  /** Adds the next change, in order of (revision, sub). What an image still holds of compacted revisions is no event. */
  append(version: KeyVersion): void {
    assert(this.follows(version), 'W1, W3: changes come in order, without a gap');
    const { modRevision: revision, sub } = version;
    if (isBefore({ revision, sub }, this.#start)) return;
    const at = revision - this.#first + this.#dropped;
    const changes = this.#changes[at];
    if (changes === undefined) this.#changes.push(version);
    else if (Array.isArray(changes)) changes.push(version);
    else this.#changes[at] = [changes, version];
  }

  /**
   * The changes of a revision, ascending by sub, without a gap; empty for one that is not there: in the future, swept, or 1 and
   * below. Of the revision where a sweep stands those before it may be missing.
   */
  changesOf(revision: number): readonly KeyVersion[] {
    const changes = revision < this.#first ? undefined : this.#changes[revision - this.#first + this.#dropped];
    if (changes === undefined) return [];
    return Array.isArray(changes) ? changes : [changes];
  }

  /** Revisions below `revision` are swept and needed no more. */
  dropBelow(revision: number): void {
    if (revision <= this.#first) return;
    const end = Math.min(revision - this.#first + this.#dropped, this.#changes.length);
    this.#changes.fill(undefined, this.#dropped, end);
    this.#dropped = end;
    this.#first = revision;
    this.#firstSub = 0;
    // Seldom, so that each place is moved about once in its life.
    if (this.#dropped < 1024 || this.#dropped * 2 < this.#changes.length) return;
    this.#changes = this.#changes.slice(this.#dropped);
    this.#dropped = 0;
  }

  /** The compacted revision has moved: events made of those before it are let go, and its own, which show no older value now. */
  compacted(): void {
    for (const revision of this.#recent.keys()) if (revision <= this.compactRevision) this.#recent.delete(revision);
  }

  /** The events of a whole revision, in order of sub (W4). Empty for one in the future or being written, or compacted (W9). */
  eventsOf(revision: number): readonly KvEvent[] {
    if (revision > this.revision || revision < this.compactRevision) return [];
    const known = this.#recent.get(revision);
    if (known !== undefined) return known;
    const changes = this.changesOf(revision);
    if (changes.length === 0) return [];
    const events = changes.map((version) => new VersionEvent(version, this.#revisions));
    for (const version of changes) this.#recentBytes += 256 + version.node.key.length + version.value.length;
    if (this.#recentBytes > RECENT_BYTES_MAX) {
      this.#recent = new Map();
      this.#recentBytes = 0;
    }
    this.#recent.set(revision, events);
    return events;
  }
}
