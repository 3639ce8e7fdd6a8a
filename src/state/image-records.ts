/**
 * The bytes of the image (house §4): one record for each lease, key version and member, one for all alarms, and the meta record
 * that says how far the image reflects the log. Layouts are frozen (goldens in the tests); integers are big-endian, so that key
 * order is number order. Every value ends in a CRC-32 over key and body. Owns layouts only; `image-verifier.ts` judges a whole image.
 * Invariants: S2, D1, D3.
 *
 *     meta     00                          | format u16 · index · term · revision · compacted · stamps · digest 4×u32 ·
 *                                          | sweep's revision · sweep's sub u32 · swept 4×u32 · configuration
 *     leases   01 page u32                 | which slots u32 · (id · stamp · granted ms · remaining ms) for each of them, ascending
 *     version  02 revision · sub u32       | create · version · lease · key length u32 · key · value      (version 0: tombstone)
 *     member   03 id                       | msgpack of [name, client urls]
 *     alarms   04                          | (member · kind u8) for each that is raised, ascending; kind as etcd's AlarmType
 *
 * All numbers without a type are 64-bit integers.
 */
import { type ByteString, byteString } from '../base/bytes.ts';
import { crc32 } from '../base/crc.ts';
import { leasesMax } from '../base/limits.ts';
import type { MemberId } from '../store/entry.ts';
import type { ImageRecord } from '../store/image.ts';
import { decodeAlarms, encodeAlarms, type RaisedAlarm } from './alarm-record.ts';
import { decodeAttributes, encodeAttributes } from './codec.ts';
import type { KeyVersion } from './key-index.ts';
import type { Position } from './revision.ts';

/** Raised when a layout changes; an image of another format is refused. */
export const IMAGE_FORMAT = 3;

const FAMILY = { meta: 0, lease: 1, version: 2, member: 3, alarms: 4 } as const;
/** Bytes of the checksum that ends every record. */
export const CRC_BYTES = 4;
/**
 * Slots of one lease page. A million leases as records of their own took 8 to 10 CPU seconds to read at a start, most of it spent
 * on LevelDB's and our own work per record; a larger page makes a single changed lease dearer to write.
 */
export const LEASES_PER_PAGE = 32;
/** Bytes of a page's key, of what stands before its leases, and of one lease. */
export const LEASE_PAGE_KEY_BYTES = 5;
export const LEASE_PAGE_HEAD_BYTES = LEASE_PAGE_KEY_BYTES + 4;
export const LEASE_BYTES = 32;
/** Bytes of a version's key. */
export const VERSION_KEY_BYTES = 13;
const VERSION_HEAD_BYTES = VERSION_KEY_BYTES + 28;
const META_HEAD_BYTES = 1 + 2 + 40 + 16 + 12 + 16;

/** A record as it is hashed and sealed: key, then body, with room for the checksum behind. */
export interface Unsealed {
  readonly bytes: Buffer;
  readonly keyLength: number;
}

/** The whole-image facts, kept in the meta record. */
export interface ImageMeta {
  readonly appliedIndex: number;
  readonly appliedTerm: number;
  readonly revision: number;
  /** -1: never compacted. */
  readonly compactRevision: number;
  /** Where the sweep of the last compaction stands; undefined: nothing is left to sweep. */
  readonly sweep: Position | undefined;
  /** Sum over the version records that sweeps took away, 32 hexadecimal digits. */
  readonly swept: string;
  /** The newest lease stamp given out. */
  readonly stamps: number;
  /** 32 hexadecimal digits, as `Machine.digest()`. */
  readonly digest: string;
  /** The payload of the last applied configuration entry; empty before the first. */
  readonly configuration: Uint8Array;
}

/**
 * The leases of `LEASES_PER_PAGE` neighbouring slots of the member that wrote the image. Slots are no part of the state: members
 * number them differently, and the digest counts leases, not pages. A view: good until the next record is opened.
 */
export interface LeasePage {
  readonly type: 'lease';
  readonly firstSlot: number;
  /** Bit i: the lease of slot `firstSlot + i` is in it. Never 0. */
  readonly slots: number;
  /** The leases, `LEASE_BYTES` each, from `LEASE_PAGE_HEAD_BYTES` on. */
  readonly bytes: Buffer;
}

/** A version of a key; the key instead of its node. */
export interface VersionRecord extends Omit<KeyVersion, 'node'> {
  readonly type: 'version';
  readonly key: ByteString;
}

/** A member's published attributes. */
export interface MemberRecord {
  readonly id: MemberId;
  readonly name: string;
  readonly clientUrls: readonly string[];
}

export type DecodedRecord =
  | { readonly type: 'meta'; readonly meta: ImageMeta }
  | LeasePage
  | VersionRecord
  | ({ readonly type: 'member' } & MemberRecord)
  | { readonly type: 'alarms'; readonly raised: readonly RaisedAlarm[] };

/** Adds the checksum and parts key from value. The record may not change afterwards. */
export function sealed({ bytes, keyLength }: Unsealed): ImageRecord {
  writeChecksum(bytes, 0, bytes.length);
  return { key: bytes.subarray(0, keyLength), value: bytes.subarray(keyLength) };
}

/** Writes the checksum of the record in `bytes[start, end)` into its last bytes. */
export function writeChecksum(bytes: Buffer, start: number, end: number): void {
  const at = end - CRC_BYTES;
  bytes.writeUInt32BE(crc32(bytes.subarray(start, at)), at);
}

/** Bytes of a record that are hashed: all but the checksum. */
export function hashedLength(record: Unsealed): number {
  return record.bytes.length - CRC_BYTES;
}

/** Writes key and head of a lease page at `at`. `slots` as in `LeasePage`. */
export function writeLeasePageHead(bytes: Buffer, at: number, page: number, slots: number): void {
  bytes[at] = FAMILY.lease;
  bytes.writeUInt32BE(page, at + 1);
  bytes.writeUInt32BE(slots >>> 0, at + LEASE_PAGE_KEY_BYTES);
}

/** The key of a lease page, for its deletion. */
export function leasePageKey(page: number): Uint8Array {
  const key = Buffer.allocUnsafe(LEASE_PAGE_KEY_BYTES);
  key[0] = FAMILY.lease;
  key.writeUInt32BE(page, 1);
  return key;
}

/** Writes one lease at `at`; these bytes are also what the digest counts of it. The id comes in its two int32 halves. */
export function writeLease(
  bytes: Buffer,
  at: number,
  hi: number,
  lo: number,
  stamp: number,
  grantedMs: number,
  remainingMs: number,
): void {
  bytes.writeInt32BE(hi, at);
  bytes.writeInt32BE(lo, at + 4);
  writeUint64(bytes, stamp, at + 8);
  writeUint64(bytes, grantedMs, at + 16);
  writeUint64(bytes, remainingMs, at + 24);
}

/** Leases of a page. */
export function leasesIn({ slots }: LeasePage): number {
  let count = 0;
  for (let rest = slots; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/** Bytes of a version's record. */
export function versionRecordBytes({ node, value }: KeyVersion): number {
  return VERSION_HEAD_BYTES + node.key.length + value.length + CRC_BYTES;
}

/** Writes a version's record at `at`. */
export function writeVersionRecord(bytes: Buffer, at: number, version: KeyVersion): void {
  const { key } = version.node;
  bytes[at] = FAMILY.version;
  writeUint64(bytes, version.modRevision, at + 1);
  bytes.writeUInt32BE(version.sub, at + 9);
  writeUint64(bytes, version.createRevision, at + 13);
  writeUint64(bytes, version.version, at + 21);
  bytes.writeBigInt64BE(version.lease, at + 29);
  bytes.writeUInt32BE(key.length, at + 37);
  bytes.write(key, at + VERSION_HEAD_BYTES, 'latin1');
  bytes.write(version.value, at + VERSION_HEAD_BYTES + key.length, 'latin1');
}

/** A member's record. */
export function memberRecord(member: MemberRecord): Unsealed {
  const attributes = encodeAttributes(member.name, member.clientUrls);
  const bytes = Buffer.allocUnsafe(9 + attributes.length + CRC_BYTES);
  bytes[0] = FAMILY.member;
  bytes.writeBigUInt64BE(member.id, 1);
  bytes.set(attributes, 9);
  return { bytes, keyLength: 9 };
}

/** The record of all raised alarms, in their order. */
export function alarmsRecord(raised: readonly RaisedAlarm[]): Unsealed {
  const bytes = Buffer.concat([Uint8Array.of(FAMILY.alarms), encodeAlarms(raised), Buffer.alloc(CRC_BYTES)]);
  return { bytes, keyLength: 1 };
}

/** The meta record. */
export function metaRecord(meta: ImageMeta): Unsealed {
  const bytes = Buffer.allocUnsafe(META_HEAD_BYTES + meta.configuration.length + CRC_BYTES);
  bytes[0] = FAMILY.meta;
  bytes.writeUInt16BE(IMAGE_FORMAT, 1);
  writeUint64(bytes, meta.appliedIndex, 3);
  writeUint64(bytes, meta.appliedTerm, 11);
  writeUint64(bytes, meta.revision, 19);
  bytes.writeBigInt64BE(BigInt(meta.compactRevision), 27);
  writeUint64(bytes, meta.stamps, 35);
  bytes.write(meta.digest, 43, 'hex');
  // No revision is 0: that stands for no sweep.
  writeUint64(bytes, meta.sweep?.revision ?? 0, 59);
  bytes.writeUInt32BE(meta.sweep?.sub ?? 0, 67);
  bytes.write(meta.swept, 71, 'hex');
  bytes.set(meta.configuration, META_HEAD_BYTES);
  return { bytes, keyLength: 1 };
}

/** Puts records together again as they were sealed, one at a time, in a buffer that it uses again and again. */
export class Opener {
  #room = Buffer.alloc(4096);

  /** Key and value in one, until the next call, or undefined if the checksum does not fit. */
  open({ key, value }: ImageRecord): Unsealed | undefined {
    const length = key.length + value.length;
    if (key.length === 0 || value.length < CRC_BYTES) return undefined;
    if (length > this.#room.length) this.#room = Buffer.alloc(length * 2);
    const bytes = this.#room.subarray(0, length);
    bytes.set(key, 0);
    bytes.set(value, key.length);
    const end = length - CRC_BYTES;
    return crc32(bytes.subarray(0, end)) === bytes.readUInt32BE(end) ? { bytes, keyLength: key.length } : undefined;
  }
}

/** What a record with a good checksum says, or, as text, why it says nothing. Keeps nothing of `bytes`. */
export function decodeRecord({ bytes, keyLength }: Unsealed): DecodedRecord | string {
  const end = bytes.length - CRC_BYTES;
  switch (bytes[0]) {
    case FAMILY.meta: {
      if (keyLength !== 1 || end < 3) return 'a meta record of the wrong size';
      const format = bytes.readUInt16BE(1);
      if (format !== IMAGE_FORMAT) return `format ${format}, this program knows ${IMAGE_FORMAT}`;
      if (end < META_HEAD_BYTES) return 'a meta record of the wrong size';
      const sweepRevision = readUint64(bytes, 59);
      const meta: ImageMeta = {
        appliedIndex: readUint64(bytes, 3),
        appliedTerm: readUint64(bytes, 11),
        revision: readUint64(bytes, 19),
        compactRevision: Number(bytes.readBigInt64BE(27)),
        stamps: readUint64(bytes, 35),
        digest: bytes.toString('hex', 43, 59),
        sweep: sweepRevision === 0 ? undefined : { revision: sweepRevision, sub: bytes.readUInt32BE(67) },
        swept: bytes.toString('hex', 71, META_HEAD_BYTES),
        configuration: Uint8Array.from(bytes.subarray(META_HEAD_BYTES, end)),
      };
      return { type: 'meta', meta };
    }
    case FAMILY.lease: {
      if (keyLength !== LEASE_PAGE_KEY_BYTES || end <= LEASE_PAGE_HEAD_BYTES) return 'a lease page of the wrong size';
      const firstSlot = bytes.readUInt32BE(1) * LEASES_PER_PAGE;
      const page: LeasePage = { type: 'lease', firstSlot, slots: bytes.readInt32BE(LEASE_PAGE_KEY_BYTES), bytes };
      if (end !== LEASE_PAGE_HEAD_BYTES + leasesIn(page) * LEASE_BYTES) return 'a lease page of the wrong size';
      return firstSlot < leasesMax ? page : 'a lease page beyond all slots';
    }
    case FAMILY.version: {
      if (keyLength !== VERSION_KEY_BYTES || end < VERSION_HEAD_BYTES) return 'a key record of the wrong size';
      const keyEnd = VERSION_HEAD_BYTES + bytes.readUInt32BE(37);
      if (keyEnd > end) return 'a key record of the wrong size';
      return {
        type: 'version',
        modRevision: readUint64(bytes, 1),
        sub: bytes.readUInt32BE(9),
        createRevision: readUint64(bytes, 13),
        version: readUint64(bytes, 21),
        lease: bytes.readBigInt64BE(29),
        key: byteString(bytes.subarray(VERSION_HEAD_BYTES, keyEnd)),
        value: byteString(bytes.subarray(keyEnd, end)),
      };
    }
    case FAMILY.member: {
      const attributes = keyLength === 9 ? decodeAttributes(bytes.subarray(9, end)) : undefined;
      if (attributes === undefined) return 'a member record that cannot be read';
      return { type: 'member', id: bytes.readBigUInt64BE(1), ...attributes };
    }
    case FAMILY.alarms: {
      const raised = keyLength === 1 ? decodeAlarms(bytes.subarray(1, end)) : undefined;
      return raised === undefined ? 'an alarm record that cannot be read' : { type: 'alarms', raised };
    }
    default:
      return `a record of unknown family ${bytes[0]}`;
  }
}

/** A whole number up to 2^53 - 1 as 64 bits. */
function writeUint64(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32BE(Math.floor(value / 0x1_0000_0000), at);
  bytes.writeUInt32BE(value >>> 0, at + 4);
}

/** The reverse of `writeUint64`. */
export function readUint64(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4);
}
