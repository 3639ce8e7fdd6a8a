/**
 * The writing end of a log: where the next group goes, and what it takes to put it there. Owns positions, numbers, chain and
 * the list of segments; touches no file: it plans steps that `disk/fs-wal.ts` and `store/memory-wal.ts` carry out. Pure.
 * Invariants: S1 (a segment is sealed only when its successor is named on disk; dropped only when a synced group says so), R6.
 *
 * Rolling over, in order, each step synced before the next:
 *   1. the next segment exists under its name (usually made long before, as the spare);
 *   2. the present one gets its seal: from now on a missing successor is damage;
 *   3. the group goes into the next one.
 * Dropping, in order: 1. `dropUpTo` notes the oldest segment still needed; 2. the next group carries that number; 3. once it is
 * synced, older files may go, oldest first. So a log whose first file was lost differs from one that was cut.
 */
import { assert } from '../base/assert.ts';
import type { HardState, Index, LogBase, WriteGroup } from './entry.ts';
import {
  encodeSegmentHead,
  SECTOR_BYTES,
  segmentKey,
  type WalIdentity,
  type WalStep,
  wholeSectors,
} from './wal-format.ts';
import { encodeGroup, groupSizeBytes } from './wal-group.ts';

/** A segment in use. */
export interface SegmentNote {
  readonly number: number;
  readonly sizeBytes: number;
  /** The log's last entry when the segment was opened. */
  readonly base: LogBase;
  /** Lowest index of any entry in it; `Infinity` if it holds none. */
  lowestIndex: Index;
}

/** Where a log's writing end is. Made by `freshTail` or by recovery. */
export interface TailState {
  readonly identity: WalIdentity;
  readonly salt: bigint;
  /** Size of segments made from now on, unless a group needs more. */
  readonly segmentBytes: number;
  /** In use, ascending; the last one is written to. */
  readonly segments: SegmentNote[];
  /** Key of the last segment. */
  key: number;
  /** Where in it the next group goes. */
  position: number;
  /** The last segment has its seal: it takes no more. */
  sealed: boolean;
  nextGroup: number;
  chain: number;
  last: LogBase;
  hardState: HardState;
  /** The oldest segment needed, as the next group will say. */
  firstSegment: number;
}

/** The state of a log that does not exist yet; its first `plan` makes segment 1. */
export function freshTail(identity: WalIdentity, salt: bigint, base: LogBase, segmentBytes: number): TailState {
  return {
    identity,
    salt,
    segmentBytes,
    segments: [],
    key: 0,
    position: 0,
    sealed: true,
    nextGroup: 1,
    chain: 0,
    last: base,
    hardState: { term: 0, vote: 0n, commit: base.index },
    firstSegment: 1,
  };
}

/** Plans writes. A plan counts as done at once; if a step fails, the log is dead (S4) and this object with it. */
export class WalTail {
  readonly #state: TailState;
  /** The oldest segment needed, as the last group planned says it. */
  #announcedSegment: number;

  /** Takes the state over. */
  constructor(state: TailState) {
    this.#state = state;
    this.#announcedSegment = state.firstSegment;
  }

  /** Room left in the present segment, the seal's sector set aside. Bytes. */
  get roomBytes(): number {
    const state = this.#state;
    const present = state.segments.at(-1);
    return present === undefined || state.sealed ? 0 : present.sizeBytes - SECTOR_BYTES - state.position;
  }

  /** The segment written to; 0 before the first plan. */
  get segment(): number {
    return this.#state.segments.at(-1)?.number ?? 0;
  }

  /** What a spare for the next rollover must be, byte for byte, unless a big group comes. */
  get spare(): WalStep & { readonly type: 'create' } {
    return this.#creation(this.segment + 1, this.#state.segmentBytes);
  }

  /** Last entry on its way to disk. */
  get last(): LogBase {
    return this.#state.last;
  }

  /** Segments in use, ascending. */
  get segments(): readonly Readonly<SegmentNote>[] {
    return this.#state.segments;
  }

  /** Steps that write the group, its entries replacing what the log held from `entries[0].index` on. */
  plan(group: WriteGroup): WalStep[] {
    const state = this.#state;
    const hardState = group.hardState ?? state.hardState;
    const voteCopy = hardState.term !== state.hardState.term || hardState.vote !== state.hardState.vote;
    const last = this.#checkEntries(group);
    assert(hardState.commit <= last.index, 'S1: the commit saved is within the log saved');

    const sizeBytes = groupSizeBytes(group.entries, voteCopy);
    const steps: WalStep[] = [];
    if (sizeBytes > this.roomBytes) this.#rollOver(sizeBytes, steps);
    steps.push(this.#append(group, hardState, voteCopy, false));

    const segment = state.segments.at(-1);
    assert(segment !== undefined, 'a group is in a segment');
    const first = group.entries[0];
    if (first !== undefined) segment.lowestIndex = Math.min(segment.lowestIndex, first.index);
    state.last = last;
    state.hardState = hardState;
    return steps;
  }

  /** Notes that entries up to `index` are not needed; the next group will say so. Idempotent. */
  dropUpTo(index: Index): void {
    const state = this.#state;
    let lowestIndex: Index = Number.POSITIVE_INFINITY;
    for (let i = state.segments.length - 1; i >= 0; i--) {
      const note = state.segments[i];
      assert(note !== undefined, 'a segment below the count');
      lowestIndex = Math.min(lowestIndex, note.lowestIndex);
      // A suffix that was overwritten from a later segment reaches below this one's base: the base's term would be a lie.
      if (note.base.index > index || lowestIndex <= note.base.index) continue;
      state.firstSegment = Math.max(state.firstSegment, note.number);
      return;
    }
  }

  /**
   * To be called when the last plan is on disk: forgets and returns the segments that may be deleted now, oldest first. The
   * directory must be synced after each deletion, so that no hole can remain.
   */
  takeDroppable(): number[] {
    const state = this.#state;
    const dropped: number[] = [];
    while ((state.segments[0]?.number ?? this.#announcedSegment) < this.#announcedSegment) {
      dropped.push(state.segments.shift()?.number ?? 0);
    }
    return dropped;
  }

  #checkEntries(group: WriteGroup): LogBase {
    const state = this.#state;
    let last = state.last;
    const first = group.entries[0];
    if (first === undefined) return last;
    const base = state.segments[0]?.base ?? state.last;
    assert(
      first.index > base.index && first.index <= last.index + 1,
      'R5: entries overwrite or follow what the log holds',
    );
    let index = first.index;
    for (const entry of group.entries) {
      assert(entry.index === index, 'R5: the entries of a group have no gap');
      index += 1;
      last = entry;
    }
    return { index: last.index, term: last.term };
  }

  #rollOver(sizeBytes: number, steps: WalStep[]): void {
    const state = this.#state;
    const number = this.segment + 1;
    const needed = wholeSectors(SECTOR_BYTES + sizeBytes + SECTOR_BYTES);
    const creation = this.#creation(number, Math.max(needed, state.segmentBytes));
    steps.push(creation);
    if (!state.sealed) steps.push(this.#append({ hardState: undefined, entries: [] }, state.hardState, false, true));
    state.segments.push({
      number,
      sizeBytes: creation.sizeBytes,
      base: state.last,
      lowestIndex: Number.POSITIVE_INFINITY,
    });
    state.key = segmentKey(creation.head);
    state.position = SECTOR_BYTES;
    state.sealed = false;
  }

  #append(group: WriteGroup, hardState: HardState, voteCopy: boolean, seal: boolean): WalStep {
    const state = this.#state;
    const segment = this.segment;
    const { bytes, chainAfter } = encodeGroup(
      {
        key: state.key,
        segment,
        offset: state.position,
        firstSegment: state.firstSegment,
        number: state.nextGroup,
        chainBefore: state.chain,
        base: state.last,
        hardState,
        seal,
        voteCopy,
      },
      group.entries,
    );
    const step: WalStep = { type: 'write', segment, offset: state.position, bytes };
    state.position += bytes.length;
    state.nextGroup += 1;
    state.chain = chainAfter;
    state.sealed = seal;
    this.#announcedSegment = state.firstSegment;
    return step;
  }

  #creation(number: number, sizeBytes: number): WalStep & { readonly type: 'create' } {
    const { identity, salt } = this.#state;
    const head = encodeSegmentHead({
      clusterId: identity.clusterId,
      memberId: identity.memberId,
      generation: identity.generation,
      salt,
      number,
      sizeBytes,
    });
    return { type: 'create', segment: number, sizeBytes, head };
  }
}
