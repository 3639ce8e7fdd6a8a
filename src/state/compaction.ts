/**
 * Compaction (etcd server/storage/mvcc: `compact` and the key index's rule of what is kept). The command itself only moves the
 * compacted revision: from then on nothing below it is answered. What nobody can see any more is taken away by *sweeps*, commands
 * that go on along the history a few thousand changes at a time, so that the state after each entry of the log is the same on
 * every member and no entry takes long (docs/decisions/0013). Owns what goes and when; how a version leaves is kv.ts's.
 *
 * Of a key stay: what it was at the compacted revision, unless it was deleted before it, and all from that revision on. The
 * compacted revision's own changes all stay, deletions too, so that a watch that begins there misses nothing (W3).
 * Invariants: K6, D1, W3, W9.
 */

import type { History } from './history.ts';
import { versionRecordBytes } from './image-records.ts';
import { firstAfter, type KeyNode, type KeyVersion } from './key-index.ts';
import type { Refusal } from './outcome.ts';
import { isBefore, type Position, type Revisions } from './revision.ts';

/** The first revision with a change. */
const FIRST_REVISION = 2;

/** What is compacted; `kv.ts` satisfies it. */
export interface CompactedKeys {
  readonly revisions: Revisions;
  readonly history: History;
  /** Takes the oldest `count` versions of a key away. */
  forget(node: KeyNode, count: number): void;
}

export class Compaction {
  readonly #kv: CompactedKeys;
  #position: Position | undefined;

  constructor(kv: CompactedKeys) {
    this.#kv = kv;
  }

  /** The next change a sweep will look at, one of the compacted revision or before it; undefined: nothing is left to sweep. */
  get position(): Position | undefined {
    return this.#position;
  }

  /** From here on no change is missing. */
  get start(): Position {
    return this.#position ?? { revision: Math.max(FIRST_REVISION, this.#kv.revisions.compacted), sub: 0 };
  }

  /** Whether everything that a compaction at `revision` made useless is gone. */
  isSwept(revision: number): boolean {
    return this.#position === undefined || this.#position.revision > revision;
  }

  /** Moves the compacted revision, or says why not: it was there already, or is in the future. */
  compact(revision: number): Refusal | undefined {
    const { revisions, history } = this.#kv;
    if (revision <= revisions.compacted) return 'compacted';
    if (revision > revisions.current) return 'futureRevision';
    // Again from the last compacted revision on, whose deletions stayed; or from where its sweep stands.
    const again = { revision: Math.max(FIRST_REVISION, revisions.compacted), sub: 0 };
    const start = this.#position !== undefined && isBefore(this.#position, again) ? this.#position : again;
    revisions.compact(revision);
    history.compacted();
    this.#moveTo(start);
    return undefined;
  }

  /** Sweeps as far as `to` (not included) or the end, whichever comes first. Returns how many versions went. */
  sweep(to: Position): number {
    if (this.#position === undefined || !isBefore(this.#position, to)) return 0;
    const nodes = new Set<KeyNode>();
    const position = this.#walk(this.#position, to, (node) => nodes.add(node));
    let gone = 0;
    for (const node of nodes) {
      const count = this.#useless(node, position);
      if (count > 0) this.#kv.forget(node, count);
      gone += count;
    }
    this.#moveTo(position);
    return gone;
  }

  /**
   * Where the next sweep should end: after about `changesMax` changes, or as many as have `bytesMax` of records to take away; at
   * least one. Undefined: nothing is left to sweep.
   */
  next(changesMax: number, bytesMax: number): Position | undefined {
    const from = this.#position;
    if (from === undefined) return undefined;
    const { history, revisions } = this.#kv;
    let [changes, bytes] = [0, 0];
    for (let { revision, sub } = from; revision <= revisions.compacted; revision++, sub = 0) {
      const all = history.changesOf(revision);
      for (let i = sub - (all[0]?.sub ?? 0); i < all.length; i++) {
        const version = all[i] as KeyVersion;
        if (changes >= changesMax || bytes >= bytesMax) return { revision, sub: version.sub };
        changes += 1;
        bytes += bytesBefore(version);
      }
    }
    return { revision: revisions.compacted + 1, sub: 0 };
  }

  /** Takes over where an image stands. False if there is no such place. */
  restore(position: Position | undefined): boolean {
    if (position !== undefined && (position.revision < FIRST_REVISION || this.#isOver(position))) return false;
    this.#position = position;
    return true;
  }

  /** Visits the keys changed in [from, to), up to the compacted revision. Returns the place of the first change not visited. */
  #walk(from: Position, to: Position, visit: (node: KeyNode) => void): Position {
    let { revision, sub } = from;
    while (revision <= this.#kv.revisions.compacted && isBefore({ revision, sub }, to)) {
      const changes = this.#kv.history.changesOf(revision);
      const first = changes[0]?.sub ?? 0;
      const end = revision < to.revision ? changes.length : Math.min(changes.length, to.sub - first);
      for (let i = sub - first; i < end; i++) visit((changes[i] as KeyVersion).node);
      if (end < changes.length) return { revision, sub: first + end };
      revision += 1;
      sub = 0;
    }
    return { revision, sub };
  }

  /** How many of a key's oldest versions nobody can see, as far as the sweep has come (not included). */
  #useless({ versions }: KeyNode, position: Position): number {
    const { compacted } = this.#kv.revisions;
    const visited = firstAfter(versions, position.revision, position.sub - 1);
    const last = versions[visited - 1];
    if (last === undefined) return 0;
    const old = firstAfter(versions, compacted - 1, Number.MAX_SAFE_INTEGER);
    return Math.min(last.version === 0 ? visited : visited - 1, old);
  }

  #moveTo(position: Position): void {
    this.#position = this.#isOver(position) ? undefined : position;
    this.#kv.history.dropBelow(this.start.revision);
  }

  #isOver({ revision }: Position): boolean {
    return revision > this.#kv.revisions.compacted;
  }
}

/** Bytes of the record that goes when this version is visited: the one before it of the same key, if there is one. */
function bytesBefore({ node: { versions }, modRevision, sub }: KeyVersion): number {
  const before = versions[firstAfter(versions, modRevision, sub - 1) - 1];
  return before === undefined ? 0 : versionRecordBytes(before);
}
