/**
 * From committed entries to state and image. Owns when the image is written and how much log may go; the machine owns what an
 * entry does. The image never runs ahead of the log on disk, and the log is dropped only below an image write that has
 * *returned* (house §4). Keeps S1, D3.
 */
import { assert } from '../base/assert.ts';
import { imageFlushBytesMax, imageFlushMsMax, logTrailingBytesMax, logTrailingEntriesMax } from '../base/limits.ts';
import type { Raft } from '../raft/raft.ts';
import type { Machine } from '../state/machine.ts';
import type { Index, MemberId } from '../store/entry.ts';
import type { Ports } from './ports.ts';

export class Applier {
  readonly #raft: Raft;
  readonly #ports: Ports;
  readonly #trailingEntriesMax: number;
  #writing = false;
  #writtenAtMs = 0;
  /** Applied index of the newest image write that returned. */
  #imageIndex: Index;
  /** Who waits for the image to be on disk up to an index. */
  #wanted: { readonly index: Index; readonly reply: () => void }[] = [];
  /** Streams under way: the log after their image must stay. */
  readonly #pins = new Map<MemberId, Index>();

  constructor(raft: Raft, ports: Ports, imageIndex: Index, trailingEntriesMax = logTrailingEntriesMax) {
    this.#raft = raft;
    this.#ports = ports;
    this.#trailingEntriesMax = trailingEntriesMax;
    this.#imageIndex = imageIndex;
  }

  get imageIndex(): Index {
    return this.#imageIndex;
  }

  /** An image write is on its way to disk. */
  get writing(): boolean {
    return this.#writing;
  }

  /** `reply` comes once the image on disk reflects everything up to `index`, which is applied. */
  want(index: Index, reply: () => void): void {
    this.#wanted.push({ index, reply });
    this.#answer();
  }

  /** Hands the image to disk when it is due: a second old or 1 MiB, and one at a time. With the disk low at once: no log goes before. */
  flush(machine: Machine, nowMs: number, diskLow: boolean): void {
    if (this.#writing || machine.pendingImageBytes === 0) return;
    const due =
      this.#wanted.length > 0 ||
      diskLow ||
      machine.pendingImageBytes >= imageFlushBytesMax ||
      nowMs - this.#writtenAtMs >= imageFlushMsMax;
    if (!due) return;
    if (machine.appliedIndex > this.#raft.persistedIndex) return;
    const batch = machine.takeImageBatch();
    if (batch === undefined) return;
    this.#writing = true;
    this.#writtenAtMs = nowMs;
    this.#ports.image.write(batch);
  }

  /**
   * The image is on disk up to `appliedIndex`: the log below it may go, but for a tail that spares slow members a snapshot. With the
   * disk low that tail goes too: deletes, revokes and expiry need the room (S5).
   */
  imageWritten(appliedIndex: Index, diskLow: boolean): void {
    assert(this.#writing && appliedIndex >= this.#imageIndex, 'S1: image writes return in order, one at a time');
    this.#writing = false;
    this.#imageIndex = appliedIndex;
    this.#answer();
    this.#dropLog(diskLow);
  }

  /** A snapshot stream to `member` begins with the image as it is on disk. */
  pin(member: MemberId): void {
    this.#pins.set(member, this.#imageIndex);
  }

  unpin(member: MemberId): void {
    this.#pins.delete(member);
  }

  /** A snapshot took the place of image and log. */
  installed(index: Index): void {
    this.#imageIndex = index;
    this.#pins.clear();
    this.#answer();
  }

  #answer(): void {
    const reached = this.#wanted.filter(({ index }) => index <= this.#imageIndex);
    if (reached.length > 0) this.#wanted = this.#wanted.filter(({ index }) => index > this.#imageIndex);
    for (const { reply } of reached) reply();
  }

  #dropLog(diskLow: boolean): void {
    const bytesMax = diskLow ? 0 : logTrailingBytesMax;
    let upTo = Math.min(this.#imageIndex, this.#raft.indexBeforeTail(this.#trailingEntriesMax, bytesMax));
    for (const pinned of this.#pins.values()) upTo = Math.min(upTo, pinned);
    if (upTo <= this.#raft.base.index) return;
    this.#raft.compact(upTo);
    this.#ports.wal.dropUpTo(upTo);
  }
}
