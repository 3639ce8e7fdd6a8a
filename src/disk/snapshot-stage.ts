/**
 * The receiving side of a snapshot: records go to the image directory of the next generation as they arrive, and when the
 * last one is there all of it is read back and judged as at a start. Owns that directory until the install takes it over;
 * it counts for nothing before. A stream that is cut or damaged leaves nothing behind. Invariants: S2, R11.
 *
 * One at a time: receiving, then staged (waiting for the node's verdict: install or discard). Calls are carried out one
 * after the other, in the order they were made.
 */
import { assert } from '../base/assert.ts';
import { snapshotStageBytesMax } from '../base/limits.ts';
import type { SnapshotHead } from '../raft/message.ts';
import { ImageDamage, ImageVerifier } from '../state/image-verifier.ts';
import type { ImageOp, ImageRecord } from '../store/image.ts';
import type { WalIdentity } from '../store/wal-format.ts';
import type { GenerationPaths } from './data-paths.ts';
import { makeDirectory, removeTree, type StepSeam } from './durable.ts';
import { createImage } from './image-directory.ts';
import { snapshotMetaOf } from './image-meta.ts';
import type { LevelImage } from './level-image.ts';
import { PackedRecords } from './packed-records.ts';

/** The generation to come. */
export interface NextGeneration {
  readonly paths: GenerationPaths;
  readonly owner: WalIdentity;
}

/** A whole, verified image, ready for `Input{snapshotStaged}`. */
export interface StagedSnapshot {
  readonly head: SnapshotHead;
  /** In key order. Views into packed memory: go through them, do not keep them. */
  readonly records: PackedRecords;
}

/** The stream cannot be taken: it is damaged, cut, or comes while another one waits. Says which; the member lives on. */
export class SnapshotRefused extends Error {
  override readonly name = 'SnapshotRefused';
}

interface Receiving {
  readonly head: SnapshotHead;
  readonly generation: NextGeneration;
  readonly image: LevelImage;
  waiting: ImageOp[];
  waitingBytes: number;
}

export class SnapshotStage {
  readonly #next: () => NextGeneration;
  readonly #seam: StepSeam;
  #receiving: Receiving | undefined;
  #staged: { readonly head: SnapshotHead; readonly generation: NextGeneration; readonly image: LevelImage } | undefined;
  /** The staged image was handed over, and its generation does not count yet: its directory is not ours to touch. */
  #handedOver = false;
  #order: Promise<unknown> = Promise.resolve();

  constructor(next: () => NextGeneration, seam: StepSeam) {
    this.#next = next;
    this.#seam = seam;
  }

  /** A stream begins. It takes the place of one that is still arriving; one that is whole and waits is not replaced. */
  begin(head: SnapshotHead): Promise<void> {
    return this.#inOrder(async () => {
      if (this.#staged !== undefined || this.#handedOver) {
        throw new SnapshotRefused('another snapshot waits to be installed');
      }
      await this.#drop();
      const generation = this.#next();
      await removeTree(generation.paths.directory);
      this.#seam('stage directory');
      await makeDirectory(generation.paths.directory);
      const image = await createImage(generation.paths.image, generation.owner);
      this.#receiving = { head, generation, image, waiting: [], waitingBytes: 0 };
    });
  }

  /** The next records of the stream. Resolves when there is room for more: at most 4 MiB wait for the disk. */
  chunk(records: readonly ImageRecord[]): Promise<void> {
    return this.#inOrder(async () => {
      const receiving = this.#receiving;
      if (receiving === undefined) throw new SnapshotRefused('no snapshot is being received');
      for (const { key, value } of records) {
        receiving.waiting.push({ key, value });
        receiving.waitingBytes += key.length + value.length;
        if (receiving.waitingBytes >= snapshotStageBytesMax) await this.#dropOnError(() => this.#flush(receiving));
      }
    });
  }

  /**
   * The stream said that it is complete. Reads everything back from disk and checks each record, the digest and that it is the
   * image the head spoke of. Rejects, with nothing left behind, if it is not.
   */
  end(): Promise<StagedSnapshot> {
    return this.#inOrder(async () => {
      const receiving = this.#receiving;
      if (receiving === undefined) throw new SnapshotRefused('no snapshot is being received');
      return this.#dropOnError(async () => {
        await this.#flush(receiving);
        this.#seam('verify stage');
        const records = await readBack(receiving);
        const { head, generation, image } = receiving;
        this.#receiving = undefined;
        this.#staged = { head, generation, image };
        return { head, records };
      });
    });
  }

  /** The stream broke off. What arrived of it is removed; a snapshot that is whole and waits stays. */
  abort(): Promise<void> {
    return this.#inOrder(() => this.#drop());
  }

  /** The node's verdict on a staged snapshot: it came too late. Removes it, and what is arriving. */
  discard(): Promise<void> {
    return this.#inOrder(async () => {
      await this.#drop();
      const staged = this.#staged;
      this.#staged = undefined;
      if (staged !== undefined) await remove(staged.generation, staged.image);
    });
  }

  /** The node's other verdict: the staged image is from now on the installer's. */
  takeStaged(head: SnapshotHead): LevelImage {
    const staged = this.#staged;
    assert(staged !== undefined, 'R11: only a staged snapshot is installed');
    const { index, term } = staged.head.meta;
    assert(index === head.meta.index && term === head.meta.term, 'R11: the snapshot installed is the one staged');
    this.#staged = undefined;
    this.#handedOver = true;
    return staged.image;
  }

  /** The install is over: the next snapshot is for the generation after that. */
  installed(): void {
    assert(this.#handedOver, 'R11: only what was handed over is installed');
    this.#handedOver = false;
  }

  async #flush(receiving: Receiving): Promise<void> {
    const ops = receiving.waiting;
    if (ops.length === 0) return;
    receiving.waiting = [];
    receiving.waitingBytes = 0;
    this.#seam('write stage');
    await new Promise<void>((resolve, reject) => {
      const batch = { ops, appliedIndex: receiving.head.meta.index };
      receiving.image.write(batch, (error) => (error === undefined ? resolve() : reject(error)));
    });
  }

  async #drop(): Promise<void> {
    const receiving = this.#receiving;
    this.#receiving = undefined;
    if (receiving !== undefined) await remove(receiving.generation, receiving.image);
  }

  async #dropOnError<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      await this.#drop();
      throw error;
    }
  }

  #inOrder<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#order.then(work);
    this.#order = turn.catch(() => undefined);
    return turn;
  }
}

async function remove(generation: NextGeneration, image: LevelImage): Promise<void> {
  await image.close();
  await removeTree(generation.paths.directory);
}

async function readBack(receiving: Receiving): Promise<PackedRecords> {
  const verifier = new ImageVerifier();
  const records = new PackedRecords();
  for await (const chunk of receiving.image.scan()) {
    for (const record of chunk) {
      const read = verifier.read(record);
      if (read instanceof ImageDamage) throw new SnapshotRefused(read.what);
    }
    records.add(chunk);
  }
  const meta = verifier.finish();
  if (meta instanceof ImageDamage) throw new SnapshotRefused(meta.what);
  const found = snapshotMetaOf(meta);
  if (found instanceof ImageDamage) throw new SnapshotRefused(found.what);
  const { index, term } = receiving.head.meta;
  if (found.index !== index || found.term !== term) {
    throw new SnapshotRefused(`the image is of (${found.index}, ${found.term}), its head said (${index}, ${term})`);
  }
  return records;
}
