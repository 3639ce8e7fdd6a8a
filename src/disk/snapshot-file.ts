/**
 * A snapshot file (decision 0014) of the image as it is on disk at one moment, in pieces of a fixed size. Two walks over the same
 * moment: the first judges every record and counts, so that no damaged image begins to leave (S2) and the length is known; the
 * second brings the bytes. Holds one piece and one read of LevelDB, however slow the reader is. Knows no reader.
 */
import {
  type SnapshotFileHead,
  snapshotBlockBytes,
  snapshotBodyBytes,
  snapshotHeadText,
} from '../base/snapshot-head.ts';
import type { ImageMeta } from '../state/image-records.ts';
import { ImageDamage, ImageVerifier } from '../state/image-verifier.ts';
import type { ImageRecord } from '../store/image.ts';
import type { ImageSnapshot, LevelImage } from './level-image.ts';
import { levelTrouble } from './level-trouble.ts';
import { ImageUnreadable } from './snapshot-read.ts';

/** Bytes before a record's key: the lengths of key and value, u32 each. */
const FRAME_BYTES = 8;
/** Bytes of a piece, as etcd sends them. */
export const snapshotPieceBytes = 32 * 1024;

/** A file to be sent once. Close it in any case. */
export interface SnapshotFile {
  readonly head: SnapshotFileHead;
  /** All but the hash at the end. */
  readonly totalBytes: number;
  /** Pieces of `snapshotPieceBytes`, the last one shorter. Each is the reader's to keep. */
  pieces(): AsyncIterable<Buffer>;
  close(): Promise<void>;
}

/** Rejects with `ImageUnreadable` if the image is damaged. `who`: cluster and member, 16 hexadecimal digits each. */
export async function openSnapshotFile(
  image: LevelImage,
  who: Pick<SnapshotFileHead, 'cluster' | 'member'>,
): Promise<SnapshotFile> {
  const moment = image.snapshot();
  try {
    const head = await judged(image, moment, who);
    return {
      head,
      totalBytes: snapshotBodyBytes(head.bytes),
      pieces: () => piecesOf(head, moment),
      close: () => moment.close(),
    };
  } catch (error) {
    await moment.close();
    if (error instanceof ImageUnreadable || !image.isOpen) throw error;
    const { kind, text } = levelTrouble(error);
    throw kind === 'damaged' ? new ImageUnreadable(image, text, error) : error;
  }
}

async function judged(
  image: LevelImage,
  moment: ImageSnapshot,
  { cluster, member }: Pick<SnapshotFileHead, 'cluster' | 'member'>,
): Promise<SnapshotFileHead> {
  const verifier = new ImageVerifier();
  let [records, versions, bytes] = [0, 0, 0];
  for await (const chunk of moment.chunks()) {
    for (const record of chunk) {
      const read = verifier.read(record);
      if (read instanceof ImageDamage) throw new ImageUnreadable(image, read.what);
      if (read.type === 'version') versions++;
      records++;
      bytes += sizeOf(record);
    }
  }
  const meta: ImageMeta | ImageDamage = verifier.finish();
  if (meta instanceof ImageDamage) throw new ImageUnreadable(image, meta.what);
  const { appliedIndex: index, appliedTerm: term, revision, digest } = meta;
  return { cluster, member, index, term, revision, digest, versions, records, bytes };
}

async function* piecesOf(head: SnapshotFileHead, moment: ImageSnapshot): AsyncIterable<Buffer> {
  const packer = new Packer();
  const first = Buffer.alloc(snapshotBlockBytes);
  first.write(snapshotHeadText(head), 'latin1');
  yield* packer.add(first);
  for await (const chunk of moment.chunks()) {
    for (const { key, value } of chunk) {
      const frame = Buffer.allocUnsafe(FRAME_BYTES);
      frame.writeUInt32BE(key.length, 0);
      frame.writeUInt32BE(value.length, 4);
      yield* packer.add(frame);
      yield* packer.add(key);
      yield* packer.add(value);
    }
  }
  yield* packer.add(Buffer.alloc(snapshotBodyBytes(head.bytes) - snapshotBlockBytes - head.bytes));
  yield* packer.rest();
}

function sizeOf({ key, value }: ImageRecord): number {
  return FRAME_BYTES + key.length + value.length;
}

/** Cuts what it is given into pieces of one size. */
class Packer {
  #piece = Buffer.allocUnsafeSlow(snapshotPieceBytes);
  #at = 0;

  /** Takes all of `bytes`; gives the pieces that became full. */
  *add(bytes: Uint8Array): Generator<Buffer> {
    for (let from = 0; from < bytes.length; ) {
      const part = bytes.subarray(from, from + snapshotPieceBytes - this.#at);
      this.#piece.set(part, this.#at);
      this.#at += part.length;
      from += part.length;
      if (this.#at < snapshotPieceBytes) continue;
      yield this.#piece;
      this.#piece = Buffer.allocUnsafeSlow(snapshotPieceBytes);
      this.#at = 0;
    }
  }

  /** What is left, if anything. */
  *rest(): Generator<Buffer> {
    if (this.#at > 0) yield this.#piece.subarray(0, this.#at);
  }
}
