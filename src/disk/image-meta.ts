/**
 * From the image's meta record to Raft's words for a snapshot. The state machine keeps the configuration as bytes and Raft
 * knows no image, so the two meet here (house §4: index, term and configuration come from the same read as the records).
 */
import { decodeMembership } from '../raft/membership.ts';
import type { SnapshotMeta } from '../raft/types.ts';
import { decodeRecord, type ImageMeta, Opener } from '../state/image-records.ts';
import { ImageDamage } from '../state/image-verifier.ts';
import type { ImageRecord } from '../store/image.ts';

/** What a snapshot made of an image with this meta record stands for. */
export function snapshotMetaOf(meta: ImageMeta): SnapshotMeta | ImageDamage {
  const membership = decodeMembership(meta.configuration);
  if (membership === undefined) return new ImageDamage('the configuration in the meta record cannot be read');
  return { index: meta.appliedIndex, term: meta.appliedTerm, configuration: membership.configuration };
}

/** The same from an image's first record, which is the meta record as its key sorts first. */
export function snapshotMetaOfRecord(first: ImageRecord): SnapshotMeta | ImageDamage {
  const bytes = new Opener().open(first);
  if (bytes === undefined) return new ImageDamage('the checksum of the first record does not fit');
  const decoded = decodeRecord(bytes);
  if (typeof decoded === 'string') return new ImageDamage(decoded);
  if (decoded.type !== 'meta') return new ImageDamage('the meta record is missing');
  return snapshotMetaOf(decoded.meta);
}
