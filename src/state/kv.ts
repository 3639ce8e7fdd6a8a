/**
 * Keys and values: what put, delete and range mean (etcd server/storage/mvcc and apply; etcd-lease-semantics.md §2.4). Every
 * change goes through here: it makes the version, moves the key between leases, tells history and the image. Checks come
 * before effects; a caller that skipped one meets an assert, never a half-done command. Invariants: K2, K6, L5, L9.
 */
import { assert } from '../base/assert.ts';
import { type ByteString, byteString } from '../base/bytes.ts';
import { NO_SLOT } from '../base/id-table.ts';
import { answerBytesMax } from '../base/limits.ts';
import { type Compact, type DeleteRange, type LeaseId, NO_LEASE, type Put, type Range } from './command.ts';
import { Compaction } from './compaction.ts';
import { RecordSum } from './digest.ts';
import { versionQuotaBytes } from './growth.ts';
import { History } from './history.ts';
import { ImageQueue } from './image-queue.ts';
import { VERSION_KEY_BYTES, type VersionRecord, versionRecordBytes, writeVersionRecord } from './image-records.ts';
import { fits, intervalOf, type KeyIndex, type KeyNode, type KeyVersion, keyValueOf } from './key-index.ts';
import type { Lessor } from './lessor.ts';
import type { DeleteRangeResult, DoneResult, PutResult, RangeResult, Refusal } from './outcome.ts';
import { selectRange } from './range.ts';
import type { Revisions } from './revision.ts';

/** A deterministic no from below the machine; it becomes the refusal of an `Outcome`. */
export interface Refused {
  readonly type: 'refused';
  readonly refusal: Refusal;
}

export function refused(refusal: Refusal): Refused {
  return { type: 'refused', refusal };
}

export class Kv {
  readonly revisions: Revisions;
  readonly index: KeyIndex;
  readonly history: History;
  /** Version records for the image, and their sum. */
  readonly records = new ImageQueue();
  /** Over the version records that sweeps took away: with the sum of those that stand, over all there ever were. */
  readonly swept = new RecordSum();
  readonly compaction: Compaction;
  readonly #lessor: Lessor;
  #sizeBytes = 0;

  constructor(revisions: Revisions, index: KeyIndex, lessor: Lessor) {
    this.revisions = revisions;
    this.index = index;
    this.history = new History(revisions);
    this.compaction = new Compaction(this);
    this.#lessor = lessor;
  }

  /** Bytes that keys, values and their history count for in the quota. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  // ── reads ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Whether a range can be answered at all (K6). */
  refusesRange(range: Range): Refusal | undefined {
    if (range.revision > this.revisions.current) return 'futureRevision';
    if (range.revision > 0 && range.revision < this.revisions.compacted) return 'compacted';
    return undefined;
  }

  /**
   * Whether a range within a txn can be answered. As in etcd, a revision below 0 is not the newest here, but one long compacted;
   * in a store that never was compacted, only -1 is not.
   */
  refusesInTxn(range: Range): Refusal | undefined {
    return range.revision < 0 && range.revision < this.revisions.compacted ? 'compacted' : this.refusesRange(range);
  }

  range(range: Range): RangeResult | Refused {
    const refusal = this.refusesRange(range) ?? this.refusesAnswer([range]);
    return refusal === undefined ? this.checkedRange(range) : refused(refusal);
  }

  /** A checked range: of the present, writes of the command under way included, or of the end of an older revision. */
  checkedRange(range: Range): RangeResult {
    const { versions, more, count } = selectRange(this.index, this.revisions, range);
    if (isSmall(versions))
      return { type: 'range', kvs: versions.map((version) => keyValueOf(version, !range.keysOnly)), more, count };
    return {
      type: 'range',
      get kvs() {
        return versions.map((version) => keyValueOf(version, !range.keysOnly));
      },
      more,
      count,
    };
  }

  /** Bytes of a key's value; 0 without one. */
  valueBytes(key: Uint8Array): number {
    return this.index.live(byteString(key))?.value.length ?? 0;
  }

  /** Whether these, which are refused for nothing else, would answer with too much together. */
  refusesAnswer(ops: readonly (Range | DeleteRange)[]): Refusal | undefined {
    // None answers with more than there is, which is all that most need to know.
    if (ops.length * this.#sizeBytes <= answerBytesMax) return undefined;
    let bytes = 0;
    for (const op of ops) {
      bytes += this.#answerBytes(op);
      if (bytes > answerBytesMax) return 'answerTooLarge';
    }
    return undefined;
  }

  #answerBytes(op: Range | DeleteRange): number {
    let bytes = 0;
    if (op.type === 'range') {
      for (const { node, value } of selectRange(this.index, this.revisions, op).versions)
        bytes += versionQuotaBytes + node.key.length + (op.keysOnly ? 0 : value.length);
    } else if (op.prevKv) {
      this.index.scanLive(intervalOf(byteString(op.key), byteString(op.rangeEnd)), (version) => {
        bytes += quotaBytesOf(version);
        return true;
      });
    }
    return bytes;
  }

  // ── checks ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Whether the lease that a put names is unknown. A put may name none. */
  namesUnknownLease(put: Put): boolean {
    return put.lease !== NO_LEASE && this.#lessor.slotOf(put.lease) === NO_SLOT;
  }

  /** Whether a put needs the key to exist (`ignore_value`, `ignore_lease`). */
  needsKey(put: Put): boolean {
    return put.ignoreValue || put.ignoreLease;
  }

  /** Whether a put needs the key to exist, and it does not. */
  lacksKey(put: Put): boolean {
    return this.needsKey(put) && this.index.live(byteString(put.key)) === undefined;
  }

  // ── effects ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A checked put: its lease is known, and its key exists if that is needed. */
  put(put: Put): PutResult {
    const node = this.index.nodeFor(byteString(put.key));
    const newest = node.newest;
    const before = newest !== undefined && newest.version > 0 ? newest : undefined;
    assert(before !== undefined || !this.needsKey(put), 'K6: a put that keeps value or lease was checked');
    const lease = put.ignoreLease && before !== undefined ? before.lease : put.lease;
    const value = put.ignoreValue && before !== undefined ? before.value : byteString(put.value);
    this.#append(node, before, value, lease);
    if (!put.prevKv || before === undefined) return { type: 'put', prevKv: undefined };
    if (isSmall([before])) return { type: 'put', prevKv: keyValueOf(before) };
    return {
      type: 'put',
      get prevKv() {
        return keyValueOf(before);
      },
    };
  }

  /** Deletes what the request covers, in byte order. */
  deleteRange(request: DeleteRange): DeleteRangeResult {
    const nodes = this.index.liveNodes(intervalOf(byteString(request.key), byteString(request.rangeEnd)));
    const before = request.prevKv ? nodes.map((node) => node.newest as KeyVersion) : [];
    for (const node of nodes) this.delete(node);
    if (isSmall(before))
      return { type: 'deleteRange', deleted: nodes.length, prevKvs: before.map((version) => keyValueOf(version)) };
    return {
      type: 'deleteRange',
      deleted: nodes.length,
      get prevKvs() {
        return before.map((version) => keyValueOf(version));
      },
    };
  }

  /** Deletes one live key. */
  delete(node: KeyNode): void {
    const version: KeyVersion = {
      node,
      modRevision: this.revisions.writing,
      sub: this.revisions.nextSub(),
      createRevision: 0,
      version: 0,
      value: '',
      lease: NO_LEASE,
    };
    this.#lessor.move(node, NO_SLOT);
    this.#take(version);
    this.#record(version);
  }

  #append(node: KeyNode, before: KeyVersion | undefined, value: ByteString, lease: LeaseId): void {
    const modRevision = this.revisions.writing;
    const slot = lease === NO_LEASE ? NO_SLOT : this.#lessor.slotOf(lease);
    assert(lease === NO_LEASE || slot !== NO_SLOT, 'L9: a key is attached only to a lease that lives');
    const version: KeyVersion = {
      node,
      modRevision,
      sub: this.revisions.nextSub(),
      createRevision: before === undefined ? modRevision : before.createRevision,
      version: before === undefined ? 1 : before.version + 1,
      value,
      lease,
    };
    this.#take(version);
    this.#lessor.move(node, slot);
    this.#record(version);
  }

  /** Takes the oldest `count` versions of a key away, from memory and image. */
  forget(node: KeyNode, count: number): void {
    for (let i = 0; i < count; i++) {
      const version = node.versions[i] as KeyVersion;
      const write = (bytes: Buffer, at: number): void => writeVersionRecord(bytes, at, version);
      this.records.remove(versionRecordBytes(version), VERSION_KEY_BYTES, write, this.swept);
      this.#sizeBytes -= quotaBytesOf(version);
    }
    this.index.forget(node, count);
  }

  /** Compacts: `touched` 1. Nothing is gone yet. */
  compact({ revision }: Compact): DoneResult | Refused {
    const refusal = this.compaction.compact(revision);
    return refusal === undefined ? { type: 'done', touched: 1 } : refused(refusal);
  }

  #record(version: KeyVersion): void {
    this.records.put(versionRecordBytes(version), VERSION_KEY_BYTES, (bytes, at) => {
      writeVersionRecord(bytes, at, version);
    });
  }

  #take(version: KeyVersion): void {
    this.index.append(version, this.revisions.compacted);
    this.history.append(version);
    this.#sizeBytes += quotaBytesOf(version);
  }

  /**
   * Takes over the versions of an image, in order of (revision, sub), a step for each and one for each live key. Returns false if
   * they do not follow from each other.
   */
  *restoring(records: readonly VersionRecord[], sum: RecordSum): Generator<void, boolean> {
    const { compacted } = this.revisions;
    const { start } = this.compaction;
    this.history.restart(start);
    for (const { key, modRevision, sub, createRevision, version, value, lease } of records) {
      const node = this.index.nodeFor(key);
      const restored: KeyVersion = { node, modRevision, sub, createRevision, version, value, lease };
      if (!fits(restored, compacted) || !this.history.follows(restored)) return false;
      // A deletion whose key is known no more is there for watchers, until the next sweep comes by.
      if (node.newest === undefined && version === 0 && modRevision < start.revision) return false;
      this.#take(restored);
      yield;
    }
    this.records.sum.addSum(sum);
    return this.history.isWhole && (yield* this.#restoringAttachments());
  }

  /** Attaches the restored live keys to their leases. False if a key names a lease that is not there. */
  *#restoringAttachments(): Generator<void, boolean> {
    for (const node of this.index.liveNodes({ from: '', to: undefined })) {
      const lease = (node.newest as KeyVersion).lease;
      if (lease === NO_LEASE) continue;
      const slot = this.#lessor.slotOf(lease);
      if (slot === NO_SLOT) return false;
      this.#lessor.move(node, slot);
      yield;
    }
    return true;
  }
}

/** Bytes up to which an answer is made at once: that costs less than the means to make it later. */
const SMALL_ANSWER_BYTES = 4096;

function isSmall(versions: readonly KeyVersion[]): boolean {
  let bytes = 0;
  for (const version of versions) {
    bytes += quotaBytesOf(version);
    if (bytes > SMALL_ANSWER_BYTES) return false;
  }
  return true;
}

function quotaBytesOf({ node, value }: KeyVersion): number {
  return versionQuotaBytes + node.key.length + value.length;
}
