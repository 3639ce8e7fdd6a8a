/**
 * Keys and their versions, as far as compaction left them, in memory. Owns which versions there are and their order; what a put or
 * delete means is kv.ts's. A key is either live (its newest version is a value) or dead (a tombstone, kept for history), so that
 * reading the present never walks over the past.
 */
import { assert } from '../base/assert.ts';
import { type ByteString, bytesOf, emptyBytes } from '../base/bytes.ts';
import { OrderedMap } from '../base/ordered-map.ts';
import type { LeaseId } from './command.ts';
import type { KeyValue } from './outcome.ts';

/**
 * A key at one revision; immutable. `version` 0 is a tombstone. The value is a `ByteString`: at a few dozen bytes it needs a
 * fifth of what a typed array does, and it cannot keep the entry it came in alive.
 */
export interface KeyVersion {
  readonly node: KeyNode;
  readonly modRevision: number;
  readonly sub: number;
  readonly createRevision: number;
  readonly version: number;
  readonly value: ByteString;
  readonly lease: LeaseId;
}

/** A key. The lease fields belong to lessor.ts: a doubly linked list of the keys of one lease. */
export class KeyNode {
  readonly key: ByteString;
  /** Oldest first, never empty while the node is in the index. */
  versions: KeyVersion[] = [];
  /** Slot of the lease the key is attached to; -1: none. */
  leaseSlot = -1;
  nextOfLease: KeyNode | undefined = undefined;
  previousOfLease: KeyNode | undefined = undefined;

  constructor(key: ByteString) {
    this.key = key;
  }

  get newest(): KeyVersion | undefined {
    return this.versions[this.versions.length - 1];
  }
}

/** Keys in [from, to); `to` undefined: to the end. */
export interface Interval {
  readonly from: ByteString;
  readonly to: ByteString | undefined;
}

/** The interval of a request: end empty, the key alone; end the byte 0, all from the key on; else [key, end). */
export function intervalOf(key: ByteString, rangeEnd: ByteString): Interval {
  if (rangeEnd === '') return { from: key, to: `${key}\0` };
  return { from: key, to: rangeEnd === '\0' ? undefined : rangeEnd };
}

/** Whether `key` lies in the interval. */
export function covers(interval: Interval, key: ByteString): boolean {
  return key >= interval.from && (interval.to === undefined || key < interval.to);
}

/** As it is answered; copies key and value. */
export function keyValueOf(version: KeyVersion, withValue = true): KeyValue {
  return {
    key: bytesOf(version.node.key),
    createRevision: version.createRevision,
    modRevision: version.modRevision,
    version: version.version,
    value: withValue ? bytesOf(version.value) : emptyBytes,
    lease: version.lease,
  };
}

/**
 * The key as it was before the revision of this change: what a watcher is shown (etcd: a range at the revision before). Undefined if it
 * had no value then or that is compacted, and for a put that makes the key anew.
 */
export function valueBefore(version: KeyVersion): KeyVersion | undefined {
  const { modRevision, createRevision } = version;
  if (createRevision === modRevision) return undefined;
  const { versions } = version.node;
  const before = versions[firstAfter(versions, modRevision, -1) - 1];
  return before === undefined || before.version === 0 ? undefined : before;
}

/** Index of the first version after (revision, sub). */
export function firstAfter(versions: readonly KeyVersion[], revision: number, sub: number): number {
  let low = 0;
  let high = versions.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = versions[middle] as KeyVersion;
    if (at.modRevision < revision || (at.modRevision === revision && at.sub <= sub)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Whether a version may follow the newest of its key: it is later, its number one more, and a tombstone follows a value. The
 * oldest one kept of a key may have any number up to the compacted revision, and is its first put after it.
 */
export function fits(version: KeyVersion, compacted: number): boolean {
  const before = version.node.newest;
  if (before === undefined) return version.modRevision <= compacted || version.version === 1;
  const later =
    before.modRevision < version.modRevision ||
    (before.modRevision === version.modRevision && before.sub < version.sub);
  const wanted = before.version > 0 && version.version > 0 ? before.version + 1 : 1;
  return later && (version.version === 0 ? before.version > 0 : version.version === wanted);
}

/** The value a key had at the end of `revision`, if any. */
export function versionAt(node: KeyNode, revision: number): KeyVersion | undefined {
  const version = node.versions[firstAfter(node.versions, revision, Number.MAX_SAFE_INTEGER) - 1];
  return version === undefined || version.version === 0 ? undefined : version;
}

export class KeyIndex {
  readonly #live = new OrderedMap<KeyNode>();
  readonly #dead = new OrderedMap<KeyNode>();

  /** Keys that have a value now. */
  get liveCount(): number {
    return this.#live.size;
  }

  /** The newest version of a key, unless that is a tombstone. */
  live(key: ByteString): KeyVersion | undefined {
    return this.#live.get(key)?.newest;
  }

  /** The node of a key, made if it is not known. It is in the index once it has a version. */
  nodeFor(key: ByteString): KeyNode {
    return this.#live.get(key) ?? this.#dead.get(key) ?? new KeyNode(key);
  }

  /** Adds the newest version of its key. */
  append(version: KeyVersion, compacted: number): void {
    const { node } = version;
    const before = node.newest;
    assert(
      fits(version, compacted),
      'K2: versions of a key come in order, each one more, and only a live key is deleted',
    );
    const wasLive = before !== undefined && before.version > 0;
    const isLive = version.version > 0;
    // The first few are kept in arrays that fit exactly: most keys have few, and a pushed-to array keeps room for 17.
    if (node.versions.length < 4) node.versions = node.versions.concat(version);
    else node.versions.push(version);
    if (before !== undefined && wasLive === isLive) return;
    if (before !== undefined) (wasLive ? this.#live : this.#dead).delete(node.key);
    (isLive ? this.#live : this.#dead).set(node.key, node);
  }

  /** Forgets the oldest `count` versions of a key, and a dead key with its last one. */
  forget(node: KeyNode, count: number): void {
    const { versions, newest } = node;
    assert(count < versions.length || newest?.version === 0, 'K6: a live key keeps its newest version');
    // A key of a million versions is swept a few thousand at a time: moving what stays is cheaper than copying it.
    if (versions.length - count < 4) node.versions = versions.slice(count);
    else versions.splice(0, count);
    if (node.versions.length === 0) this.#dead.delete(node.key);
  }

  /** Visits the live keys of the interval upwards until `visit` answers false. Must not change the index. */
  scanLive(interval: Interval, visit: (version: KeyVersion) => boolean): void {
    this.#live.scan(interval.from, interval.to, (node) => visit(node.newest as KeyVersion));
  }

  /** The live nodes of the interval, ascending. */
  liveNodes(interval: Interval): KeyNode[] {
    const nodes: KeyNode[] = [];
    this.#live.scan(interval.from, interval.to, (node) => nodes.push(node) > 0);
    return nodes;
  }

  countLive(interval: Interval): number {
    return this.#live.count(interval.from, interval.to);
  }

  /** What lay in the interval at the end of `revision`, ascending by key. */
  versionsAt(interval: Interval, revision: number): KeyVersion[] {
    const live: KeyVersion[] = [];
    const dead: KeyVersion[] = [];
    const visitInto = (into: KeyVersion[]) => (node: KeyNode) => {
      const version = versionAt(node, revision);
      if (version !== undefined) into.push(version);
      return true;
    };
    this.#live.scan(interval.from, interval.to, visitInto(live));
    this.#dead.scan(interval.from, interval.to, visitInto(dead));
    return mergeByKey(live, dead);
  }
}

function mergeByKey(a: readonly KeyVersion[], b: readonly KeyVersion[]): KeyVersion[] {
  const merged: KeyVersion[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const left = a[i];
    const right = b[j];
    if (right === undefined || (left !== undefined && left.node.key < right.node.key)) {
      merged.push(left as KeyVersion);
      i++;
    } else {
      merged.push(right);
      j++;
    }
  }
  return merged;
}
