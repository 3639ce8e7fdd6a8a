/**
 * The bytes of a WAL segment file: its name, its first sector, and the sizes everything else rests on. Groups are in
 * `wal-group.ts`, reading a whole log back in `wal-recovery.ts`. Pure. Invariants: S2, S6, R13.
 *
 * A segment is a file of a fixed size, filled with zeros when it is made, so that a write in steady state changes no file
 * metadata. Sector 0 is the segment's head: written once, before the file gets its name, never changed. Write groups follow,
 * each at a sector boundary; zeros follow the last one. The head's CRC is the *key*: it seeds the CRC of every group head in
 * the file, so that bytes of another segment, log or life are never taken for a group of this one.
 */
import { assert } from '../base/assert.ts';
import { asBuffer } from '../base/bytes.ts';
import { crc32 } from '../base/crc.ts';
import type { MemberId } from './entry.ts';

/** What a disk writes whole or not at all; groups begin and end on its boundaries. */
export const SECTOR_BYTES = 512;
/** The format number in every segment head; another one is refused. */
export const WAL_FORMAT = 1;

/** Whose log this is; it stands in every segment. */
export interface WalIdentity {
  readonly clusterId: bigint;
  readonly memberId: MemberId;
  /** The data directory's generation: raised by every snapshot install. */
  readonly generation: number;
}

/** The first sector of a segment. */
export interface SegmentHead extends WalIdentity {
  /** A random uint64 drawn when the log was created, the same in all its segments: tells apart two lives of one identity. */
  readonly salt: bigint;
  /** Segments are numbered from 1 without a gap. */
  readonly number: number;
  /** The file's size. */
  readonly sizeBytes: number;
}

/** Where a log is damaged, and how. A value: what to do about it is decided by those who open the log. */
export interface Damage {
  readonly type: 'damage';
  /** Name of the segment file, without directory. */
  readonly file: string;
  /** Byte in the file. */
  readonly offset: number;
  readonly what: string;
}

/** One file operation. Steps are done in order, each synced before the next begins. */
export type WalStep =
  /** Make the file: `head`, zeros up to `sizeBytes`, synced, named, directory synced. Replaces an unused spare. */
  | { readonly type: 'create'; readonly segment: number; readonly sizeBytes: number; readonly head: Buffer }
  /** Overwrite bytes within a file that is there. */
  | { readonly type: 'write'; readonly segment: number; readonly offset: number; readonly bytes: Buffer };

const HEAD_MAGIC = Buffer.from('leaseWAL', 'latin1');
const SUFFIX = '.wal';
const NAME_DIGITS = 12;

/** `000000000001.wal`: decimal and padded, so that names sort as numbers do. */
export function segmentName(segment: number): string {
  return `${String(segment).padStart(NAME_DIGITS, '0')}${SUFFIX}`;
}

/** The number in a segment's file name; undefined for every other name. */
export function parseSegmentName(name: string): number | undefined {
  if (!/^\d{12}\.wal$/.test(name)) return undefined;
  const segment = Number(name.slice(0, NAME_DIGITS));
  return segment > 0 ? segment : undefined;
}

/** `bytes` rounded up to whole sectors. */
export function wholeSectors(bytes: number): number {
  return Math.ceil(bytes / SECTOR_BYTES) * SECTOR_BYTES;
}

/** Sector 0: magic 8, CRC 4 (of all that follows), format 4, cluster 8, member 8, generation 8, salt 8, number 8, size 8, zeros. */
export function encodeSegmentHead(head: SegmentHead): Buffer {
  assert(
    head.sizeBytes % SECTOR_BYTES === 0 && head.sizeBytes >= 4 * SECTOR_BYTES,
    'a segment is whole sectors, four at least',
  );
  const sector = Buffer.alloc(SECTOR_BYTES);
  HEAD_MAGIC.copy(sector);
  sector.writeUInt32LE(WAL_FORMAT, 12);
  sector.writeBigUInt64LE(head.clusterId, 16);
  sector.writeBigUInt64LE(head.memberId, 24);
  writeUint53(sector, head.generation, 32);
  sector.writeBigUInt64LE(head.salt, 40);
  writeUint53(sector, head.number, 48);
  writeUint53(sector, head.sizeBytes, 56);
  sector.writeUInt32LE(crc32(sector.subarray(12)), 8);
  return sector;
}

/** The head, or a sentence saying why it is none. */
export function decodeSegmentHead(file: Uint8Array): SegmentHead | string {
  const bytes = asBuffer(file);
  if (bytes.length < SECTOR_BYTES) return `the file is cut short: ${bytes.length} bytes`;
  const sector = bytes.subarray(0, SECTOR_BYTES);
  if (!sector.subarray(0, 8).equals(HEAD_MAGIC)) return 'this is no segment of a log';
  if (sector.readUInt32LE(8) !== segmentKey(sector)) return 'the segment head is damaged';
  const format = sector.readUInt32LE(12);
  if (format !== WAL_FORMAT) return `format ${format} is not known to this version (it knows ${WAL_FORMAT})`;
  return {
    clusterId: sector.readBigUInt64LE(16),
    memberId: sector.readBigUInt64LE(24),
    generation: readUint53(sector, 32),
    salt: sector.readBigUInt64LE(40),
    number: readUint53(sector, 48),
    sizeBytes: readUint53(sector, 56),
  };
}

/** Why the segment is not `number` of this member's log; undefined if it is. `salt` is that of its other segments, if known. */
export function whyForeign(
  head: SegmentHead,
  identity: WalIdentity,
  number: number,
  fileBytes: number,
  salt: bigint | undefined,
): string | undefined {
  if (head.clusterId !== identity.clusterId) return `the segment belongs to cluster ${head.clusterId.toString(16)}`;
  if (head.memberId !== identity.memberId) return `the segment belongs to member ${head.memberId.toString(16)}`;
  if (head.generation !== identity.generation) return `the segment belongs to generation ${head.generation}`;
  if (salt !== undefined && head.salt !== salt) return 'the segment belongs to another log of this member';
  if (head.number !== number) return `the file holds segment ${head.number}`;
  if (head.sizeBytes !== fileBytes) return `the file has ${fileBytes} bytes instead of ${head.sizeBytes}`;
  return undefined;
}

/** The CRC over a segment head: the key of everything in the file. */
export function segmentKey(head: Uint8Array): number {
  return crc32(head.subarray(12, SECTOR_BYTES));
}

/** A safe integer as a little-endian uint64. */
export function writeUint53(buffer: Buffer, value: number, offset: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, 'numbers on disk are safe integers');
  buffer.writeUInt32LE(value >>> 0, offset);
  buffer.writeUInt32LE(Math.floor(value / 0x1_0000_0000), offset + 4);
}

/** Undoes `writeUint53`; a number beyond the safe ones loses its lowest bits, and is refused by whoever compares it. */
export function readUint53(buffer: Buffer, offset: number): number {
  return buffer.readUInt32LE(offset + 4) * 0x1_0000_0000 + buffer.readUInt32LE(offset);
}

/** Offset behind the last byte that is not zero in `bytes[from, …)`; `from` if all are. */
export function endOfBytes(bytes: Buffer, from: number): number {
  const step = 4096;
  const zeros = Buffer.alloc(Math.min(step, bytes.length - from));
  let end = bytes.length;
  while (end > from) {
    const start = Math.max(from, end - step);
    if (bytes.compare(zeros, 0, end - start, start, end) !== 0) break;
    end = start;
  }
  while (end > from && bytes[end - 1] === 0) end -= 1;
  return end;
}
