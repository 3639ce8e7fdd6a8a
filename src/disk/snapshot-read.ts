/**
 * The sending side of a snapshot: the image as it is on disk at one moment. Owns the rule that meta and records come from one
 * iterator (R11), that no damaged image leaves this member whole (S2), and the news that ours is damaged (V4).
 */
import type { SnapshotMeta } from '../raft/types.ts';
import { ImageDamage, ImageVerifier } from '../state/image-verifier.ts';
import type { ImageRecord } from '../store/image.ts';
import { snapshotMetaOfRecord } from './image-meta.ts';
import type { LevelImage } from './level-image.ts';
import { levelTrouble } from './level-trouble.ts';

/** A whole image, to be gone through once. Close it in any case. */
export interface SnapshotSource {
  readonly meta: SnapshotMeta;
  /** All records in key order, the meta record first. Throws `ImageUnreadable` where the image is damaged, at its end at the latest. */
  readonly chunks: AsyncIterable<ImageRecord[]>;
  /** What `chunks` threw. */
  readonly damage: ImageUnreadable | undefined;
  close(): Promise<void>;
}

/** Our own image cannot be read or believed: no snapshot can be made of it, and the next start rebuilds it. */
export class ImageUnreadable extends Error {
  override readonly name = 'ImageUnreadable';

  constructor(image: LevelImage, what: string, cause?: unknown) {
    const remedy = 'the next start rebuilds it, from the log or from another member';
    super(`${image.directory}: the image is damaged (${what}); ${remedy}`, cause === undefined ? undefined : { cause });
  }
}

/** The image has not been written yet: ask again in a second. */
export class NoImageYet extends Error {
  override readonly name = 'NoImageYet';
}

/** Opens the image for streaming. Rejects with `NoImageYet`, or `ImageUnreadable` if there is nothing good to send. */
export async function openSnapshot(image: LevelImage): Promise<SnapshotSource> {
  const moment = image.snapshot();
  const iterator = moment.chunks()[Symbol.asyncIterator]();
  const close = async (): Promise<void> => {
    await iterator.return?.();
    await moment.close();
  };
  let damage: ImageUnreadable | undefined;
  const noted = (error: unknown): unknown => {
    const judged = judge(image, error);
    if (judged instanceof ImageUnreadable) damage = judged;
    return judged;
  };
  try {
    const first = await iterator.next();
    const head: ImageRecord | undefined = first.done === true ? undefined : first.value[0];
    if (first.done === true || head === undefined) throw new NoImageYet('the image is empty');
    const meta = snapshotMetaOfRecord(head);
    if (meta instanceof ImageDamage) throw new ImageUnreadable(image, meta.what);
    return {
      meta,
      chunks: verified(image, first.value, iterator, noted),
      get damage() {
        return damage;
      },
      close,
    };
  } catch (error) {
    await close();
    throw judge(image, error);
  }
}

async function* verified(
  image: LevelImage,
  first: ImageRecord[],
  rest: AsyncIterator<ImageRecord[]>,
  noted: (error: unknown) => unknown,
): AsyncIterable<ImageRecord[]> {
  const verifier = new ImageVerifier();
  let chunk: ImageRecord[] | undefined = first;
  try {
    while (chunk !== undefined) {
      for (const record of chunk) believe(image, verifier.read(record));
      yield chunk;
      const next = await rest.next();
      chunk = next.done === true ? undefined : next.value;
    }
    // A record that is missing is no bad record: only the digest tells.
    believe(image, verifier.finish());
  } catch (error) {
    throw noted(error);
  }
}

function believe(image: LevelImage, read: unknown): void {
  if (read instanceof ImageDamage) throw new ImageUnreadable(image, read.what);
}

/** LevelDB found damage by itself. An image that was closed below us, as an install does, is no damage. */
function judge(image: LevelImage, error: unknown): unknown {
  if (error instanceof ImageUnreadable || error instanceof NoImageYet || !image.isOpen) return error;
  const { kind, text } = levelTrouble(error);
  return kind === 'damaged' ? new ImageUnreadable(image, text, error) : error;
}
