/**
 * The log in memory: what lies above the base, and two marks on it: `written` (handed to the disk) and `persisted`
 * (synced). It owns no rule of Raft but this one: when a suffix is cut off, both marks and the note of the write that is
 * under way are lowered with it, so that a later `persisted()` never vouches for an entry that was replaced meanwhile.
 * Invariants: R3, R6, R9 (it never cuts what matches; the caller asks for a cut only at a conflict).
 */
import { assert } from '../base/assert.ts';
import type { Entry, Index, LogBase, Term } from '../store/entry.ts';

/** Entries base.index + 1 … lastIndex, without a gap. */
export class RaftLog {
  #base: LogBase;
  #entries: Entry[];
  #bytes: number;
  #written: Index;
  #persisted: Index;
  /** Highest index of the write under way that is still what this log holds. */
  #underWay: Index;

  /** All of `entries` were read from the disk, so they count as persisted. */
  constructor(base: LogBase, entries: readonly Entry[]) {
    this.#base = base;
    this.#entries = [...entries];
    this.#bytes = bytesOf(entries);
    entries.forEach((entry, i) => {
      assert(entry.index === base.index + 1 + i, 'the restored log has a gap');
    });
    this.#written = this.lastIndex;
    this.#persisted = this.lastIndex;
    this.#underWay = this.lastIndex;
  }

  get base(): LogBase {
    return this.#base;
  }
  get lastIndex(): Index {
    return this.#base.index + this.#entries.length;
  }
  get lastTerm(): Term {
    return this.#entries.at(-1)?.term ?? this.#base.term;
  }
  /** Payload bytes of all entries. */
  get bytes(): number {
    return this.#bytes;
  }
  /** Handed to the disk up to here. */
  get written(): Index {
    return this.#written;
  }
  /** On disk and synced up to here: what this member may vouch for. */
  get persisted(): Index {
    return this.#persisted;
  }

  /** The term at `index`; undefined below the base and above the end. */
  term(index: Index): Term | undefined {
    if (index === this.#base.index) return this.#base.term;
    return this.#entries[index - this.#base.index - 1]?.term;
  }

  /** Is (`lastTerm`, `lastIndex`) at least as far as this log? The order of Raft thesis §3.6.1: term first, then index. */
  isUpToDate(lastIndex: Index, lastTerm: Term): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);
  }

  /**
   * The highest index ≤ `index` whose term is ≤ `term`: the most that a log with (`index`, `term`) can share with this one.
   * Skips a whole term of conflict in one step (etcd raft/log.go findConflictByTerm). `index` itself if it is below the base.
   */
  lastAtMost(index: Index, term: Term): Index {
    let high = Math.min(index, this.lastIndex);
    if (high <= this.#base.index) return high;
    if ((this.term(high) as Term) <= term) return high;
    let low = this.#base.index;
    // Terms never fall along a log: the answer lies in [low, high), and term(high) > term throughout.
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.term(middle) as Term) <= term) low = middle;
      else high = middle;
    }
    return low;
  }

  /** Entries `from` … `to`, as many as fit in `bytesMax` payload bytes, at least one if there is any. `from` is above the base. */
  slice(from: Index, to: Index, bytesMax: number): Entry[] {
    assert(from > this.#base.index, 'entries at or below the base are not here');
    const start = from - this.#base.index - 1;
    const end = Math.min(to - this.#base.index, this.#entries.length);
    let stop = start;
    let bytes = 0;
    while (stop < end) {
      bytes += (this.#entries[stop] as Entry).payload.length;
      if (bytes > bytesMax && stop > start) break;
      stop++;
    }
    return this.#entries.slice(start, stop);
  }

  /** Payload bytes of the entries `from` … `to`. */
  payloadBytes(from: Index, to: Index): number {
    let bytes = 0;
    for (let i = from - this.#base.index - 1; i < to - this.#base.index; i++) {
      bytes += (this.#entries[i] as Entry).payload.length;
    }
    return bytes;
  }

  /** The lowest index behind which at most `bytesMax` payload bytes follow. */
  indexBeforeBytes(bytesMax: number): Index {
    let bytes = 0;
    for (let i = this.#entries.length; i > 0; i--) {
      bytes += (this.#entries[i - 1] as Entry).payload.length;
      if (bytes > bytesMax) return this.#base.index + i;
    }
    return this.#base.index;
  }

  /** Adds entries directly behind the end. */
  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      assert(entry.index === this.lastIndex + 1, 'an append leaves a gap');
      assert(entry.term >= this.lastTerm, 'terms fall along the log');
      this.#entries.push(entry);
      this.#bytes += entry.payload.length;
    }
  }

  /** Forgets everything from `index` on; replacements follow at once, so the next write overwrites it on disk too. */
  cutFrom(index: Index): void {
    assert(index > this.#base.index && index <= this.lastIndex, 'a cut outside the log');
    this.#bytes -= bytesOf(this.#entries.splice(index - this.#base.index - 1));
    this.#written = Math.min(this.#written, index - 1);
    this.#persisted = Math.min(this.#persisted, index - 1);
    this.#underWay = Math.min(this.#underWay, index - 1);
  }

  /** What the next write holds; from now on it is under way. At most `bytesMax` payload bytes, at least one entry if any waits. */
  takeUnwritten(bytesMax: number): Entry[] {
    if (this.#written === this.lastIndex) {
      this.#underWay = this.#written;
      return [];
    }
    const entries = this.slice(this.#written + 1, this.lastIndex, bytesMax);
    this.#written += entries.length;
    this.#underWay = this.#written;
    return entries;
  }

  /** The write under way is on disk. */
  writeDone(): void {
    this.#persisted = Math.max(this.#persisted, this.#underWay);
    assert(this.#persisted <= this.#written, 'R6: persisted runs ahead of what was written');
  }

  /** Drops what is at or below `to` from memory; it is in the image. */
  compact(to: LogBase): void {
    if (to.index <= this.#base.index) return;
    assert(this.term(to.index) === to.term, 'R3: the image and the log name another term for one index');
    assert(to.index <= this.#persisted, 'compaction of what is not on disk yet');
    this.#bytes -= bytesOf(this.#entries.splice(0, to.index - this.#base.index));
    this.#base = to;
  }

  /** A snapshot is installed: the log starts at `base`. What was behind it stays if this log held (`base.index`, `base.term`). */
  install(base: LogBase): void {
    const kept = this.term(base.index) === base.term ? this.#entries.slice(base.index - this.#base.index) : [];
    this.#base = base;
    this.#entries = kept;
    this.#bytes = bytesOf(kept);
    this.#written = this.lastIndex;
    this.#persisted = this.lastIndex;
    this.#underWay = this.lastIndex;
  }
}

function bytesOf(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const { payload } of entries) bytes += payload.length;
  return bytes;
}
