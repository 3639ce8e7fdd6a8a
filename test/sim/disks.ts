/**
 * One member's data directory in memory: the log at byte level, the image at record level, IDENTITY with generation and boot, and
 * the memory of other members' boots. What a crash takes is decided by the twins; what a start makes of the rest follows
 * `disk/boot.ts` step by step. Damage is done in `damage.ts`.
 */
import { byteString } from '../../src/base/bytes.ts';
import { Prng } from '../../src/base/prng.ts';
import { snapshotMetaOfRecord } from '../../src/disk/image-meta.ts';
import { decodeMembership } from '../../src/raft/membership.ts';
import type { SnapshotHead } from '../../src/raft/message.ts';
import type { RaftRestored } from '../../src/raft/options.ts';
import type { SnapshotMeta } from '../../src/raft/types.ts';
import { ImageDamage } from '../../src/state/image-verifier.ts';
import { Machine } from '../../src/state/machine.ts';
import { loadMachine } from '../../src/state/machine-loader.ts';
import type { Index, WriteGroup } from '../../src/store/entry.ts';
import type { ImageBatch, ImageRecord } from '../../src/store/image.ts';
import { MemoryImage, type MemoryImageCopy } from '../../src/store/memory-image.ts';
import { MemoryWal } from '../../src/store/memory-wal.ts';
import type { DiskDone, LoadedLog } from '../../src/store/wal.ts';
import { MemoryFiles } from '../../src/store/wal-memory-files.ts';
import { CertainLog } from './durable-log.ts';

const clusterId = 1n;

/** What a start finds. */
export type Opened =
  | {
      readonly type: 'opened';
      readonly raft: RaftRestored;
      readonly machine: Machine;
      readonly boot: number;
      /** What of the synced log is not there any more, in words. */
      readonly missing: string | undefined;
      /** Why the image is not believed, in words; undefined if it is. */
      readonly imageDamage: string | undefined;
    }
  | { readonly type: 'refused'; readonly why: string };

/** All of a data directory at one time. */
export interface DirectoryCopy {
  readonly files: MemoryFiles;
  readonly image: MemoryImageCopy;
  readonly imageGeneration: number;
  readonly generation: number;
  readonly boot: number;
  readonly seenBoots: readonly number[];
  readonly seenTokens: readonly number[];
}

export class SimDisks {
  readonly certain = new CertainLog();
  readonly #member: number;
  readonly #prng: Prng;
  readonly #initial: WriteGroup;
  readonly #segmentBytes: number;
  generation = 1;
  /** Starts, and a number drawn at each, as IDENTITY has them. */
  boot = 0;
  token = 0;
  /** By member: the newest start seen of it, and its token. */
  seenBoots: number[];
  seenTokens: number[];
  wal: MemoryWal;
  image = new MemoryImage();
  /** Whose image it is, as the file OWNER says. */
  imageGeneration = 1;
  /** The image does not open, or cannot be read. */
  imageUnreadable = false;
  /** There is nothing here. */
  gone = false;
  #staged: MemoryImage | undefined;
  /** An install is committed and the node does not know yet. */
  #installing = false;

  constructor(seed: bigint, member: number, members: number, initial: WriteGroup, segmentBytes: number) {
    this.#member = member;
    this.#prng = new Prng(seed, `disk n${member + 1}`);
    this.#initial = initial;
    this.#segmentBytes = segmentBytes;
    this.seenBoots = new Array<number>(members).fill(0);
    this.seenTokens = new Array<number>(members).fill(0);
    this.wal = this.#createWal({ index: 0, term: 0 }, initial);
    this.certain.done(initial);
  }

  /** In the order of `disk/boot.ts`: identity, image, log, and whether the two join. */
  open(): Opened {
    if (this.gone) return { type: 'refused', why: 'the directory is empty' };
    this.boot++;
    this.token = this.#prng.uint32();
    const read = this.#readImage();
    const found = read instanceof Machine ? read : undefined;
    const lastAtLeast = found?.appliedIndex ?? 0;
    const { memberId, generation } = this.#identity;
    const opened = MemoryWal.open(this.wal.files, {
      identity: { clusterId, memberId, generation },
      lastAtLeast,
      segmentBytes: this.#segmentBytes,
    });
    if (opened.type === 'damage') return { type: 'refused', why: `${opened.file} at ${opened.offset}: ${opened.what}` };
    this.wal = opened.wal;
    const { loaded } = opened;
    const missing = this.certain.missingIn(loaded);
    this.certain.replace(loaded);
    const joined = found !== undefined && termAt(loaded, found.appliedIndex) === found.appliedTerm;
    if (!joined) {
      this.image = new MemoryImage();
      this.imageUnreadable = false;
      this.imageGeneration = this.generation;
    }
    const machine = joined ? found : new Machine();
    const imageDamage = joined ? undefined : read instanceof Machine ? 'it does not join the log' : read.what;
    const raft = this.#restored(loaded, machine, !joined);
    return { type: 'opened', raft, machine, boot: this.boot, missing, imageDamage };
  }

  /** The machine stops: of what is not synced any part may be lost. */
  crash(): void {
    if (!this.gone) this.wal.crash(this.#prng);
    this.image.crash(this.#prng);
    this.#staged = undefined;
    this.#installing = false;
  }

  writeLog(group: WriteGroup, done: DiskDone): void {
    this.certain.begin(group);
    this.wal.write(group, done);
  }

  logSynced(group: WriteGroup): void {
    this.certain.done(group);
    this.wal.completeSync();
  }

  logFailed(): void {
    this.wal.failSync(new Error('EIO'), this.#prng);
  }

  dropLog(index: Index): void {
    this.wal.dropUpTo(index);
  }

  writeImage(batch: ImageBatch, done: DiskDone): void {
    this.image.write(batch, done);
  }

  imageSynced(): void {
    this.image.completeWrite();
  }

  imageFailed(): void {
    this.image.failWrite(new Error('EIO'), this.#prng.chance(0.5));
  }

  /** The image on disk, as a snapshot stream would carry it; undefined if there is nothing good to send. */
  readImage(): { readonly meta: SnapshotMeta; readonly records: readonly ImageRecord[] } | undefined {
    if (this.imageUnreadable) return undefined;
    const records = this.image.scan();
    const [first] = records;
    const meta = first === undefined ? undefined : snapshotMetaOfRecord(first);
    return meta === undefined || meta instanceof ImageDamage ? undefined : { meta, records };
  }

  /** One stream at a time. */
  get mayStage(): boolean {
    return this.#staged === undefined && !this.#installing;
  }

  stage(records: readonly ImageRecord[]): void {
    this.#staged = new MemoryImage(new Map(records.map(({ key, value }) => [byteString(key), value])));
  }

  discard(): void {
    this.#staged = undefined;
  }

  /** The one commit point: from here on a restart finds the new generation. */
  install(head: SnapshotHead, log: WriteGroup): void {
    if (this.#staged === undefined) throw new Error('nothing is staged');
    this.generation++;
    this.#installing = true;
    this.image = this.#staged;
    this.imageGeneration = this.generation;
    this.imageUnreadable = false;
    this.#staged = undefined;
    const base = { index: head.meta.index, term: head.meta.term };
    this.wal = this.#createWal(base, log);
    if (log.hardState !== undefined) this.certain.replace({ hardState: log.hardState, base, entries: log.entries });
  }

  /** The node is told: the next snapshot may come. */
  installReported(): void {
    this.#installing = false;
  }

  copyDirectory(): DirectoryCopy {
    const files = new MemoryFiles();
    for (const { name, bytes } of this.wal.files.all()) files.put(name, bytes);
    const { generation, imageGeneration, boot } = this;
    return {
      files,
      image: this.image.copy(),
      imageGeneration,
      generation,
      boot,
      seenBoots: [...this.seenBoots],
      seenTokens: [...this.seenTokens],
    };
  }

  /** Fault: the directory is replaced by an older copy, while the member is down. */
  restoreDirectory(copy: DirectoryCopy): void {
    this.generation = copy.generation;
    this.boot = copy.boot;
    this.seenBoots = [...copy.seenBoots];
    this.seenTokens = [...copy.seenTokens];
    this.image = new MemoryImage(copy.image);
    this.imageGeneration = copy.imageGeneration;
    const { memberId, generation } = this.#identity;
    const opened = MemoryWal.open(copy.files, {
      identity: { clusterId, memberId, generation },
      segmentBytes: this.#segmentBytes,
    });
    if (opened.type === 'opened') {
      this.wal = opened.wal;
      this.certain.replace(opened.loaded);
    }
  }

  /** The machine in the image, or why it cannot be believed. */
  #readImage(): Machine | ImageDamage {
    if (this.imageUnreadable) return new ImageDamage('it cannot be read');
    if (this.imageGeneration !== this.generation) return new ImageDamage('it is of another generation');
    const records = this.image.scan();
    return records.length === 0 ? new Machine() : loadMachine(records);
  }

  #restored(loaded: LoadedLog, machine: Machine, lost: boolean): RaftRestored {
    const payload =
      machine.configuration.length > 0 ? machine.configuration : (this.#initial.entries[0]?.payload as Uint8Array);
    const membership = decodeMembership(payload);
    if (membership === undefined) throw new Error('membership does not decode');
    return {
      hardState: loaded.hardState,
      base: loaded.base,
      entries: loaded.entries,
      configuration: membership.configuration,
      applied: machine.appliedIndex,
      needsSnapshot: lost && loaded.base.index > 0,
    };
  }

  get #identity(): { readonly memberId: bigint; readonly generation: number } {
    return { memberId: BigInt(this.#member + 1), generation: this.generation };
  }

  #createWal(base: { index: Index; term: number }, initial: WriteGroup): MemoryWal {
    return MemoryWal.create(new MemoryFiles(), {
      identity: { clusterId, ...this.#identity },
      base,
      initial,
      salt: this.#prng.uint64(),
      segmentBytes: this.#segmentBytes,
    });
  }
}

/** Term of the log's entry at `index`; undefined below the base. */
function termAt(log: LoadedLog, index: Index): number | undefined {
  if (index < log.base.index) return undefined;
  return index === log.base.index ? log.base.term : log.entries[index - log.base.index - 1]?.term;
}
