/**
 * Reads a log back from the bytes of its segment files, fed in order. Decides what is a torn end, what is damage, and where
 * writing goes on. Pure; the files are read and repaired by its callers. Invariants: S1, S2, S6, R6, R13.
 *
 * The rule. A group is written only when the one before it is synced. So the *last* group alone may be torn: a bad group with
 * a good one (or a later segment in use) after it is damage, and so is everything that does not fit together. A bad last group is
 * taken for torn and dropped. That a flipped bit in it cannot be told from a torn write is the format's one ambiguity; it
 * is kept from costing a vote by the vote copy: term and vote of the dropped group are kept if either copy is good (its commit
 * is not: it may count on entries that were dropped).
 */
import { assert } from '../base/assert.ts';
import { asBuffer } from '../base/bytes.ts';
import type { Entry, HardState, Index, LogBase } from './entry.ts';
import type { LoadedLog } from './wal.ts';
import {
  type Damage,
  decodeSegmentHead,
  endOfBytes,
  parseSegmentName,
  SECTOR_BYTES,
  segmentKey,
  segmentName,
  type WalIdentity,
  type WalStep,
  whyForeign,
} from './wal-format.ts';
import { decodeEntries, decodeGroupHead, encodeVoteCopy, type GroupHead } from './wal-group.ts';
import { type Behind, isInUse, scanBehind } from './wal-scan.ts';
import { type SegmentNote, type TailState, WalTail } from './wal-tail.ts';

/** What the log must be for its opener; anything else is damage. */
export interface WalExpectation {
  readonly identity: WalIdentity;
  /** The log must reach at least here: the image's applied index, or a commit known to be synced. */
  readonly lastAtLeast?: Index;
  /** The log must begin here or before: the image's applied index. */
  readonly baseAtMost?: Index;
  /** Size of segments made from now on. */
  readonly segmentBytes: number;
}

/** A log that is whole, perhaps but for its torn last group. */
export interface RecoveredLog {
  readonly type: 'log';
  readonly loaded: LoadedLog;
  /** Where writing goes on, once `repairs` are synced. */
  readonly tail: WalTail;
  /** The last group was bad and is not in `loaded` (term and vote may be, see above). */
  readonly droppedTornGroup: boolean;
  /**
   * To be done and synced before anything else is written. They write the last group anew, as what is read after a failed sync
   * may be in the page cache only; save a vote found in a dropped group; and put zeros where its bytes were.
   */
  readonly repairs: readonly WalStep[];
  /** File of the spare segment, if one is there and blank. */
  readonly spare: { readonly segment: number; readonly sizeBytes: number } | undefined;
}

/** Recovers from files in any order; see `WalRecovery`. */
export function recoverWal(
  files: Iterable<{ readonly name: string; readonly bytes: Uint8Array }>,
  expected: WalExpectation,
): RecoveredLog | Damage {
  const recovery = new WalRecovery(expected);
  for (const file of [...files].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const damage = recovery.feed(file.name, file.bytes);
    if (damage !== undefined) return damage;
  }
  return recovery.finish();
}

/** Takes segment files one by one, so that no more than one need be in memory. */
export class WalRecovery {
  readonly #expected: WalExpectation;
  readonly #segments: SegmentNote[] = [];
  readonly #entries: Entry[] = [];
  #base: LogBase | undefined;
  #last: LogBase = { index: 0, term: 0 };
  #hardState: HardState = { term: 0, vote: 0n, commit: 0 };
  #salt: bigint | undefined;
  #key = 0;
  #fed = 0;
  #sealed = false;
  #nextGroup = 0;
  #chain = 0;
  #firstSegment = 0;
  /** Up to this segment the log makes sense only as the leftover of a drop. */
  #leftovers = 0;
  #lastGroup: { readonly head: GroupHead; readonly offset: number; readonly bytes: Buffer } | undefined;
  /** Set once the log's end is found; later segments are spares. */
  #end: (Behind & { readonly position: number }) | undefined;
  #spare: { segment: number; sizeBytes: number } | undefined;

  constructor(expected: WalExpectation) {
    this.#expected = expected;
  }

  /** The next segment file, in order of name. Its `bytes` are held until another is fed. After damage, feed no more. */
  feed(name: string, bytes: Uint8Array): Damage | undefined {
    const number = parseSegmentName(name);
    assert(number !== undefined && number > this.#fed, 'segments are fed in order');
    if (this.#fed > 0 && number !== this.#fed + 1) {
      return damageAt(segmentName(this.#fed + 1), 0, `the segment is missing (${name} is there)`);
    }
    this.#fed = number;
    const head = decodeSegmentHead(bytes);
    if (typeof head === 'string') return damageAt(name, 0, head);
    const foreign = whyForeign(head, this.#expected.identity, number, bytes.length, this.#salt);
    if (foreign !== undefined) return damageAt(name, 0, foreign);
    this.#salt = head.salt;

    const file = asBuffer(bytes);
    const key = segmentKey(file);
    if (this.#end !== undefined) return this.#checkSpare(name, number, file, key);
    this.#sealed = false;
    this.#key = key;
    const note: SegmentNote = {
      number,
      sizeBytes: file.length,
      base: this.#last,
      lowestIndex: Number.POSITIVE_INFINITY,
    };
    this.#segments.push(note);
    return this.#replay(name, note, file);
  }

  /** To be called after the last file. */
  finish(): RecoveredLog | Damage {
    const { identity, lastAtLeast, baseAtMost, segmentBytes } = this.#expected;
    const present = this.#segments.at(-1);
    if (present === undefined || this.#base === undefined || this.#salt === undefined) {
      return damageAt(segmentName(1), 0, 'the log has no segment');
    }
    const oldest = this.#segments[0] ?? present;
    if (this.#sealed || this.#end === undefined) {
      return damageAt(segmentName(present.number + 1), 0, 'the segment is missing (the one before it is sealed)');
    }
    if (oldest.number > this.#firstSegment) {
      return damageAt(segmentName(this.#firstSegment), 0, 'the segment is missing (the log begins with it)');
    }
    const start = this.#segments.find((note) => note.number === this.#firstSegment);
    if (start === undefined || this.#leftovers >= start.number) {
      return damageAt(segmentName(this.#leftovers), 0, 'entries overwrite what came before the log');
    }
    // Older segments were being deleted when the last process ended.
    if (start !== oldest) {
      this.#entries.splice(0, start.base.index - this.#base.index);
      this.#base = start.base;
    }
    const { position, dirtyEnd, vote } = this.#end;
    const file = segmentName(present.number);
    if (lastAtLeast !== undefined && this.#last.index < lastAtLeast) {
      return damageAt(file, position, `the log ends at index ${this.#last.index}, yet it once reached ${lastAtLeast}`);
    }
    if (baseAtMost !== undefined && this.#base.index > baseAtMost) {
      const what = `the log begins after index ${this.#base.index}, yet the image ends at ${baseAtMost}`;
      return damageAt(segmentName(oldest.number), 0, what);
    }
    const state: TailState = {
      identity,
      salt: this.#salt,
      segmentBytes,
      segments: this.#segments,
      key: this.#key,
      position,
      sealed: false,
      nextGroup: this.#nextGroup,
      chain: this.#chain,
      last: this.#last,
      hardState: this.#hardState,
      firstSegment: this.#firstSegment,
    };
    const tail = new WalTail(state);
    const repairs = this.#rewriteLastGroup();
    const hardState = vote === undefined ? this.#hardState : { ...vote, commit: this.#hardState.commit };
    if (vote !== undefined) repairs.push(...tail.plan({ hardState, entries: [] }));
    if (dirtyEnd > state.position) {
      const zeros = Buffer.alloc(dirtyEnd - state.position);
      repairs.push({ type: 'write', segment: present.number, offset: state.position, bytes: zeros });
    }
    return {
      type: 'log',
      loaded: { hardState, base: this.#base, entries: this.#entries },
      tail,
      droppedTornGroup: dirtyEnd > position,
      repairs,
      spare: this.#spare,
    };
  }

  #rewriteLastGroup(): WalStep[] {
    if (this.#lastGroup === undefined) return [];
    const { head, offset } = this.#lastGroup;
    const bytes = Buffer.from(this.#lastGroup.bytes);
    if (head.voteCopy) encodeVoteCopy(bytes, bytes.length - SECTOR_BYTES, head);
    return [{ type: 'write', segment: head.segment, offset, bytes }];
  }

  #replay(name: string, note: SegmentNote, file: Buffer): Damage | undefined {
    let position = SECTOR_BYTES;
    for (;;) {
      const head = decodeGroupHead(file, position, this.#key);
      if (head === undefined) return this.#finishAt(name, file, position, undefined);
      if (this.#base === undefined) this.#begin(head, note);
      if (
        head.segment !== note.number ||
        head.offset !== position ||
        head.number !== this.#nextGroup ||
        head.chainBefore !== this.#chain ||
        head.base.index !== this.#last.index ||
        head.base.term !== this.#last.term
      ) {
        return damageAt(name, position, `group ${head.number} does not follow group ${this.#nextGroup - 1}`);
      }
      const entries = decodeEntries(file, position, head);
      if (entries === undefined) return this.#finishAt(name, file, position, head);
      const wrong = this.#accept(head, entries, note);
      if (wrong !== undefined) return damageAt(name, position, wrong);
      this.#lastGroup = { head, offset: position, bytes: file.subarray(position, position + head.sizeBytes) };
      position += head.sizeBytes;
      if (!head.seal) continue;
      // What stands behind a seal is nobody's: the seal is chained to the next segment's first group.
      this.#sealed = true;
      return undefined;
    }
  }

  /** The oldest segment's first group says where the log begins. */
  #begin(head: GroupHead, note: SegmentNote): void {
    this.#base = head.base;
    this.#last = head.base;
    this.#nextGroup = head.number;
    this.#chain = head.chainBefore;
    this.#segments[0] = { ...note, base: head.base };
  }

  #accept(head: GroupHead, entries: readonly Entry[], note: SegmentNote): string | undefined {
    assert(this.#base !== undefined, 'the log has begun');
    const first = entries[0];
    if (first !== undefined) {
      if (first.index > this.#last.index + 1) {
        return `group ${head.number} begins at index ${first.index}, the log ends at ${this.#last.index}`;
      }
      // Below the base: this segment must be the leftover of a drop that was cut short. `finish` knows.
      if (first.index <= this.#base.index) {
        this.#base = { index: first.index - 1, term: Number.NaN };
        this.#leftovers = note.number;
      }
      this.#entries.length = first.index - this.#base.index - 1;
      for (const entry of entries) {
        if (entry.index !== this.#base.index + 1 + this.#entries.length) return `group ${head.number} has a gap`;
        this.#entries.push(entry);
        this.#last = { index: entry.index, term: entry.term };
      }
      const current = this.#segments.at(-1) ?? note;
      current.lowestIndex = Math.min(current.lowestIndex, first.index);
    }
    if (head.hardState.commit > this.#last.index) {
      return `commit ${head.hardState.commit} was synced, yet the log ends at index ${this.#last.index}`;
    }
    this.#hardState = head.hardState;
    this.#chain = head.chainAfter;
    this.#nextGroup = head.number + 1;
    this.#firstSegment = head.firstSegment;
    return undefined;
  }

  /** No good group at `position`: the log ends here if nothing good comes later. `bad` is its head, if that is good. */
  #finishAt(name: string, file: Buffer, position: number, bad: GroupHead | undefined): Damage | undefined {
    if (this.#base === undefined || (bad !== undefined && this.#lastGroup === undefined)) {
      return damageAt(name, position, 'the first group of the log is damaged');
    }
    const end = { position, key: this.#key, nextGroup: this.#nextGroup, chain: this.#chain, badGroup: bad };
    const behind = scanBehind(file, end);
    if (behind.laterGroup !== undefined) {
      const later = `bytes of group ${behind.laterGroup} come after it`;
      return damageAt(name, position, `group ${this.#nextGroup} is damaged, yet ${later}`);
    }
    this.#end = { position, ...behind };
    return undefined;
  }

  /** A segment behind the log's end must be unused: it is opened only after a seal that was synced. */
  #checkSpare(name: string, number: number, file: Buffer, key: number): Damage | undefined {
    if (isInUse(file, key)) {
      const present = this.#segments.at(-1)?.number ?? 0;
      return damageAt(segmentName(present), this.#end?.position ?? 0, `the log ends here, yet ${name} is in use`);
    }
    const blank = endOfBytes(file, SECTOR_BYTES) === SECTOR_BYTES;
    if (blank && number === (this.#segments.at(-1)?.number ?? 0) + 1)
      this.#spare = { segment: number, sizeBytes: file.length };
    return undefined;
  }
}

function damageAt(file: string, offset: number, what: string): Damage {
  return { type: 'damage', file, offset, what };
}
