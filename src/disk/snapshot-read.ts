/**
 * The sending side of a snapshot: the image as it is on disk at one moment. Owns the rule that meta and records come from
 * one iterator (R11), and that no record with a bad checksum leaves this member (S2).
 */
import type { SnapshotMeta } from '../raft/types.ts';
import { Opener } from '../state/image-records.ts';
import { ImageDamage } from '../state/image-verifier.ts';
import type { ImageRecord } from '../store/image.ts';
import { snapshotMetaOfRecord } from './image-meta.ts';
import type { LevelImage } from './level-image.ts';

/** A whole image, to be gone through once. Close it in any case. */
export interface SnapshotSource {
  readonly meta: SnapshotMeta;
  /** All records in key order, the meta record first. Throws `ImageUnreadable` where the image is damaged. */
  readonly chunks: AsyncIterable<ImageRecord[]>;
  close(): Promise<void>;
}

/** Our own image cannot be read or believed: no snapshot can be made of it, and the next start will rebuild it. */
export class ImageUnreadable extends Error {
  override readonly name = 'ImageUnreadable';
}

/** Opens the image for streaming. Rejects with `ImageUnreadable` if there is nothing good to send. */
export async function openSnapshot(image: LevelImage): Promise<SnapshotSource> {
  const moment = image.snapshot();
  const iterator = moment.chunks()[Symbol.asyncIterator]();
  const close = async (): Promise<void> => {
    await iterator.return?.();
    await moment.close();
  };
  try {
    const first = await iterator.next();
    const head: ImageRecord | undefined = first.done === true ? undefined : first.value[0];
    if (first.done === true || head === undefined) throw new ImageUnreadable('the image is empty');
    const meta = snapshotMetaOfRecord(head);
    if (meta instanceof ImageDamage) throw new ImageUnreadable(meta.what);
    return { meta, chunks: checkedChunks(first.value, iterator), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function* checkedChunks(first: ImageRecord[], rest: AsyncIterator<ImageRecord[]>): AsyncIterable<ImageRecord[]> {
  const opener = new Opener();
  let chunk: ImageRecord[] | undefined = first;
  while (chunk !== undefined) {
    for (const record of chunk) {
      if (opener.open(record) !== undefined) continue;
      throw new ImageUnreadable(`the checksum of record ${Buffer.from(record.key).toString('hex')} does not fit`);
    }
    yield chunk;
    const next = await rest.next();
    chunk = next.done === true ? undefined : next.value;
  }
}
