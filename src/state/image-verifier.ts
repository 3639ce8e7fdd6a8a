/**
 * Judges a whole image, record by record in key order (S2, D1): checksums, order, layouts, and at the end that the meta
 * record is there and its digest is that of the records read. Damage is a value that says what is wrong; the answer to it is to
 * discard the image and build it again from log or peers.
 */
import { compareBytes } from '../base/bytes.ts';
import type { ImageRecord } from '../store/image.ts';
import { RecordSum } from './digest.ts';
import {
  type DecodedRecord,
  decodeRecord,
  hashedLength,
  type ImageMeta,
  LEASE_BYTES,
  LEASE_PAGE_HEAD_BYTES,
  type LeasePage,
  leasesIn,
  Opener,
} from './image-records.ts';
import { stateDigest } from './state-digest.ts';

/** Why an image cannot be used. Not an Error: nobody throws it. */
export class ImageDamage {
  /** One line, for the log. */
  readonly what: string;

  constructor(what: string) {
    this.what = what;
  }
}

export class ImageVerifier {
  /** Sums of the records read so far, by family. */
  readonly sums = {
    lease: new RecordSum(),
    version: new RecordSum(),
    member: new RecordSum(),
    alarms: new RecordSum(),
  };
  readonly #opener = new Opener();
  #meta: ImageMeta | undefined;
  #lastKey: Uint8Array | undefined;
  #count = 0;

  /** Takes the next record. Its content is good in itself; the image is good only if `finish` says so. */
  read(record: ImageRecord): DecodedRecord | ImageDamage {
    this.#count += 1;
    const bytes = this.#opener.open(record);
    if (bytes === undefined) return this.#damage(record, 'checksum does not fit');
    if (this.#lastKey !== undefined && compareBytes(this.#lastKey, record.key) >= 0)
      return this.#damage(record, 'out of order');
    this.#lastKey = record.key;
    const decoded = decodeRecord(bytes);
    if (typeof decoded === 'string') return this.#damage(record, decoded);
    if (decoded.type === 'meta') this.#meta = decoded.meta;
    else if (decoded.type === 'lease') this.#addLeases(decoded);
    else this.sums[decoded.type].add(bytes.bytes, 0, hashedLength(bytes));
    return decoded;
  }

  #addLeases(page: LeasePage): void {
    const end = LEASE_PAGE_HEAD_BYTES + leasesIn(page) * LEASE_BYTES;
    for (let at = LEASE_PAGE_HEAD_BYTES; at < end; at += LEASE_BYTES)
      this.sums.lease.add(page.bytes, at, at + LEASE_BYTES);
  }

  #damage({ key }: ImageRecord, what: string): ImageDamage {
    return new ImageDamage(`record ${this.#count} (key ${Buffer.from(key).toString('hex')}): ${what}`);
  }

  /** All records were read. */
  finish(): ImageMeta | ImageDamage {
    const meta = this.#meta;
    if (meta === undefined) return new ImageDamage('the meta record is missing');
    const digest = stateDigest(Object.values(this.sums), meta);
    if (digest !== meta.digest)
      return new ImageDamage(`digest of the records is ${digest}, the meta record says ${meta.digest}`);
    return meta;
  }
}

/** Reads all records of an image, in key order. */
export function verifyRecords(records: Iterable<ImageRecord>): ImageMeta | ImageDamage {
  const verifier = new ImageVerifier();
  for (const record of records) {
    const read = verifier.read(record);
    if (read instanceof ImageDamage) return read;
  }
  return verifier.finish();
}
