/**
 * Looks at what stands behind the last good group of a segment: zeros, the torn rest of one group, or proof that more was
 * synced. Pure. Invariants: R13 (a bad group before a good one is damage), R6 (a vote is found if either copy is good).
 */
import type { MemberId, Term } from './entry.ts';
import { endOfBytes, SECTOR_BYTES } from './wal-format.ts';
import { decodeGroupHead, decodeVoteCopy, type GroupHead } from './wal-group.ts';

/** Term and vote. */
export interface Vote {
  readonly term: Term;
  readonly vote: MemberId;
}

/** What was found behind a log's end. */
export interface Behind {
  /** Offset behind the last byte that is not zero; the end itself if there is none. */
  readonly dirtyEnd: number;
  /** Term and vote of the torn group, if a copy of them is good. */
  readonly vote: Vote | undefined;
  /** Number of a group that was begun after the bad one was synced; undefined in a healthy log. */
  readonly laterGroup: number | undefined;
}

/** Where the log ends, and what the next group would be. */
export interface EndOfLog {
  readonly position: number;
  readonly key: number;
  readonly nextGroup: number;
  readonly chain: number;
  /** The head at `position`, if it is good and only its records are bad. */
  readonly badGroup: GroupHead | undefined;
}

/** Scans the segment behind the log's end. */
export function scanBehind(file: Buffer, end: EndOfLog): Behind {
  const dirtyEnd = endOfBytes(file, end.position);
  let vote: Vote | undefined;
  if (end.badGroup?.voteCopy === true) {
    vote = { term: end.badGroup.hardState.term, vote: end.badGroup.hardState.vote };
  }
  for (let at = end.position + SECTOR_BYTES; at < dirtyEnd; at += SECTOR_BYTES) {
    const later = decodeGroupHead(file, at, end.key);
    if (later !== undefined) return { dirtyEnd, vote, laterGroup: later.number };
    const copy = decodeVoteCopy(file, at, end.key);
    // A lower number is of a torn group whose vote was saved before its bytes were zeroed: a crash came between the two repairs.
    if (copy === undefined || copy.number < end.nextGroup) continue;
    if (copy.number !== end.nextGroup || copy.chainBefore !== end.chain) {
      return { dirtyEnd, vote, laterGroup: copy.number };
    }
    vote = { term: copy.term, vote: copy.vote };
  }
  return { dirtyEnd, vote, laterGroup: undefined };
}

/** Whether anything of a group was ever put into this segment: something where its first group goes, or a head or vote further on. */
export function isInUse(file: Buffer, key: number): boolean {
  if (endOfBytes(file.subarray(0, 2 * SECTOR_BYTES), SECTOR_BYTES) > SECTOR_BYTES) return true;
  const dirtyEnd = endOfBytes(file, SECTOR_BYTES);
  for (let at = 2 * SECTOR_BYTES; at < dirtyEnd; at += SECTOR_BYTES) {
    if (decodeGroupHead(file, at, key) !== undefined || decodeVoteCopy(file, at, key) !== undefined) return true;
  }
  return false;
}
