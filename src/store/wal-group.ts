/**
 * The bytes of one write group: a head, entry records, and where a vote is at stake a second copy of it. Pure.
 * Invariants: R6 (term and vote are one record, kept twice), S2.
 *
 * A group begins at a sector boundary, so its head lies within one sector. Every head says where the log stood before
 * the group (base) and what the hard state is after it, so any group can open a segment. The chain runs through head and
 * records: each record's CRC is seeded with the one before it, and the head names the chain before and after. The *vote
 * copy* is a sector of its own behind the records, written when term or vote changed: if the rest of the last group is
 * bad, the vote is still known.
 */
import { assert, unreachable } from '../base/assert.ts';
import { asBuffer } from '../base/bytes.ts';
import { crc32 } from '../base/crc.ts';
import type { Entry, EntryKind, HardState, LogBase, MemberId, Term } from './entry.ts';
import { readUint53, SECTOR_BYTES, wholeSectors, writeUint53 } from './wal-format.ts';

const GROUP_MAGIC = 0x70_75_72_47;
const VOTE_MAGIC = 0x65_74_6f_56;
const GROUP_HEAD_BYTES = 88;
const CHAINED_HEAD_BYTES = 80;
const RECORD_HEAD_BYTES = 28;
const VOTE_COPY_BYTES = 48;
const FLAG_SEAL = 1;
const FLAG_VOTE_COPY = 2;

/** What the head of a group says, apart from sizes and checksums. */
export interface GroupPlace {
  /** Key of the segment the group stands in; see `segmentKey`. */
  readonly key: number;
  readonly segment: number;
  /** Where in the segment it stands: a group that a disk put elsewhere is not taken for another. */
  readonly offset: number;
  /** The oldest segment still needed when the group was written: a missing one from there on is damage. */
  readonly firstSegment: number;
  /** Groups are numbered without a gap through all segments. */
  readonly number: number;
  readonly chainBefore: number;
  /** The log's last entry before this group. */
  readonly base: LogBase;
  /** In force once this group is on disk; `commit` is at most the log's last index after it. */
  readonly hardState: HardState;
  /** The segment ends here: the next one exists and goes on. */
  readonly seal: boolean;
  /** Term or vote changed: write them a second time. */
  readonly voteCopy: boolean;
}

/** A group head as found on disk. */
export interface GroupHead extends GroupPlace {
  readonly chainAfter: number;
  readonly entryCount: number;
  readonly recordBytes: number;
  /** Everything, rounded up to sectors, the vote copy included. */
  readonly sizeBytes: number;
}

/** The second copy of term and vote. */
export interface VoteCopy {
  readonly number: number;
  readonly chainBefore: number;
  readonly term: Term;
  readonly vote: MemberId;
}

/** Bytes a group of these entries takes in a segment. */
export function groupSizeBytes(entries: readonly Entry[], voteCopy: boolean): number {
  let bytes = GROUP_HEAD_BYTES;
  for (const entry of entries) bytes += RECORD_HEAD_BYTES + entry.payload.length;
  return wholeSectors(bytes) + (voteCopy ? SECTOR_BYTES : 0);
}

/** The group's bytes (whole sectors, zero-padded) and the chain value behind it. */
export function encodeGroup(place: GroupPlace, entries: readonly Entry[]): { bytes: Buffer; chainAfter: number } {
  const sizeBytes = groupSizeBytes(entries, place.voteCopy);
  assert(sizeBytes < 0x1_0000_0000, 'a group is below 4 GiB');
  const bytes = Buffer.allocUnsafe(sizeBytes);
  bytes.fill(0, 0, GROUP_HEAD_BYTES);
  bytes.writeUInt32LE(GROUP_MAGIC, 0);
  bytes.writeUInt32LE((place.seal ? FLAG_SEAL : 0) | (place.voteCopy ? FLAG_VOTE_COPY : 0), 12);
  writeUint53(bytes, place.number, 16);
  bytes.writeUInt32LE(place.segment, 24);
  bytes.writeUInt32LE(place.firstSegment, 28);
  bytes.writeUInt32LE(entries.length, 32);
  bytes.writeUInt32LE(place.chainBefore, 36);
  writeUint53(bytes, place.hardState.term, 40);
  bytes.writeBigUInt64LE(place.hardState.vote, 48);
  writeUint53(bytes, place.hardState.commit, 56);
  writeUint53(bytes, place.base.index, 64);
  writeUint53(bytes, place.base.term, 72);

  let end = GROUP_HEAD_BYTES;
  for (const entry of entries) {
    bytes.writeUInt32LE(entry.payload.length, end + 4);
    writeUint53(bytes, entry.index, end + 8);
    writeUint53(bytes, entry.term, end + 16);
    bytes.writeUInt32LE(kindCode(entry.kind), end + 24);
    bytes.set(entry.payload, end + RECORD_HEAD_BYTES);
    end += RECORD_HEAD_BYTES + entry.payload.length;
  }
  bytes.fill(0, end);
  bytes.writeUInt32LE(end - GROUP_HEAD_BYTES, 8);

  let chain = crc32(bytes.subarray(8, CHAINED_HEAD_BYTES), place.chainBefore);
  let at = GROUP_HEAD_BYTES;
  for (const entry of entries) {
    const next = at + RECORD_HEAD_BYTES + entry.payload.length;
    chain = crc32(bytes.subarray(at + 4, next), chain);
    bytes.writeUInt32LE(chain, at);
    at = next;
  }
  bytes.writeUInt32LE(chain, 80);
  bytes.writeUInt32LE(place.offset, 84);
  bytes.writeUInt32LE(crc32(bytes.subarray(8, GROUP_HEAD_BYTES), place.key), 4);
  if (place.voteCopy) encodeVoteCopy(bytes, sizeBytes - SECTOR_BYTES, place);
  return { bytes, chainAfter: chain };
}

/** The group head at `at`, if its magic and CRC are right for this segment and the group fits into the file. */
export function decodeGroupHead(file: Uint8Array, at: number, key: number): GroupHead | undefined {
  const bytes = asBuffer(file);
  if (at + SECTOR_BYTES > bytes.length || bytes.readUInt32LE(at) !== GROUP_MAGIC) return undefined;
  if (bytes.readUInt32LE(at + 4) !== crc32(bytes.subarray(at + 8, at + GROUP_HEAD_BYTES), key)) return undefined;
  const recordBytes = bytes.readUInt32LE(at + 8);
  const flags = bytes.readUInt32LE(at + 12);
  const voteCopy = (flags & FLAG_VOTE_COPY) !== 0;
  const sizeBytes = wholeSectors(GROUP_HEAD_BYTES + recordBytes) + (voteCopy ? SECTOR_BYTES : 0);
  if (at + sizeBytes > bytes.length) return undefined;
  return {
    key,
    segment: bytes.readUInt32LE(at + 24),
    offset: bytes.readUInt32LE(at + 84),
    firstSegment: bytes.readUInt32LE(at + 28),
    number: readUint53(bytes, at + 16),
    chainBefore: bytes.readUInt32LE(at + 36),
    base: { index: readUint53(bytes, at + 64), term: readUint53(bytes, at + 72) },
    hardState: {
      term: readUint53(bytes, at + 40),
      vote: bytes.readBigUInt64LE(at + 48),
      commit: readUint53(bytes, at + 56),
    },
    seal: (flags & FLAG_SEAL) !== 0,
    voteCopy,
    chainAfter: bytes.readUInt32LE(at + 80),
    entryCount: bytes.readUInt32LE(at + 32),
    recordBytes,
    sizeBytes,
  };
}

/** The entries of the group at `at`; undefined if any byte of its records is wrong. Payloads are copied out of `file`. */
export function decodeEntries(file: Uint8Array, at: number, head: GroupHead): Entry[] | undefined {
  const bytes = asBuffer(file);
  let chain = crc32(bytes.subarray(at + 8, at + CHAINED_HEAD_BYTES), head.chainBefore);
  // One copy for the whole group: the file's memory can go, and a group's entries live about equally long.
  const records = Buffer.from(bytes.subarray(at + GROUP_HEAD_BYTES, at + GROUP_HEAD_BYTES + head.recordBytes));
  const entries: Entry[] = [];
  let begin = 0;
  while (begin < records.length) {
    if (begin + RECORD_HEAD_BYTES > records.length) return undefined;
    const end = begin + RECORD_HEAD_BYTES + records.readUInt32LE(begin + 4);
    if (end > records.length) return undefined;
    chain = crc32(records.subarray(begin + 4, end), chain);
    if (records.readUInt32LE(begin) !== chain) return undefined;
    const kind = kindOf(records.readUInt32LE(begin + 24));
    if (kind === undefined) return undefined;
    entries.push({
      index: readUint53(records, begin + 8),
      term: readUint53(records, begin + 16),
      kind,
      payload: records.subarray(begin + RECORD_HEAD_BYTES, end),
    });
    begin = end;
  }
  return chain === head.chainAfter && entries.length === head.entryCount ? entries : undefined;
}

/** The vote copy that fills the sector at `at`, if its magic and CRC are right for this segment. */
export function decodeVoteCopy(file: Uint8Array, at: number, key: number): VoteCopy | undefined {
  const bytes = asBuffer(file);
  if (at + SECTOR_BYTES > bytes.length || bytes.readUInt32LE(at) !== VOTE_MAGIC) return undefined;
  if (bytes.readUInt32LE(at + 4) !== crc32(bytes.subarray(at + 8, at + VOTE_COPY_BYTES), key)) return undefined;
  return {
    number: readUint53(bytes, at + 8),
    chainBefore: bytes.readUInt32LE(at + 16),
    term: readUint53(bytes, at + 24),
    vote: bytes.readBigUInt64LE(at + 32),
  };
}

/** Puts the vote copy of a group into the sector at `at`, which is zero elsewhere. */
export function encodeVoteCopy(bytes: Buffer, at: number, place: GroupPlace): void {
  bytes.writeUInt32LE(VOTE_MAGIC, at);
  writeUint53(bytes, place.number, at + 8);
  bytes.writeUInt32LE(place.chainBefore, at + 16);
  writeUint53(bytes, place.hardState.term, at + 24);
  bytes.writeBigUInt64LE(place.hardState.vote, at + 32);
  bytes.writeUInt32LE(crc32(bytes.subarray(at + 8, at + VOTE_COPY_BYTES), place.key), at + 4);
}

function kindCode(kind: EntryKind): number {
  switch (kind) {
    case 'empty':
      return 1;
    case 'commands':
      return 2;
    case 'configuration':
      return 3;
    default:
      return unreachable(kind);
  }
}

function kindOf(code: number): EntryKind | undefined {
  return code === 1 ? 'empty' : code === 2 ? 'commands' : code === 3 ? 'configuration' : undefined;
}
