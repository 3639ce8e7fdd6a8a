/**
 * One member's two disks in memory: the log at byte level, the image at record level, and the generation that binds them.
 * What a crash takes is decided by the twins; what a restart makes of the rest is the rule of house §4.
 */
import type { Prng } from '../../src/base/prng.ts';
import { decodeMembership } from '../../src/raft/membership.ts';
import type { SnapshotHead } from '../../src/raft/message.ts';
import type { RaftRestored } from '../../src/raft/raft.ts';
import type { SnapshotMeta } from '../../src/raft/types.ts';
import { Machine } from '../../src/state/machine.ts';
import type { Index, MemberId, WriteGroup } from '../../src/store/entry.ts';
import type { ImageBatch, ImageRecord } from '../../src/store/image.ts';
import { MemoryImage } from '../../src/store/memory-image.ts';
import { MemoryWal } from '../../src/store/memory-wal.ts';
import type { LoadedLog } from '../../src/store/wal.ts';
import { MemoryFiles } from '../../src/store/wal-memory-files.ts';

export class SimDisks {
  readonly #member: MemberId;
  readonly #prng: Prng;
  readonly #initial: WriteGroup;
  #generation = 1;
  #wal: MemoryWal;
  #image = new MemoryImage();
  #staged: MemoryImage | undefined;

  constructor(member: MemberId, prng: Prng, initial: WriteGroup) {
    this.#member = member;
    this.#prng = prng;
    this.#initial = initial;
    this.#wal = this.#createWal({ index: 0, term: 0 }, initial);
  }

  /** What a boot finds. */
  open(): { loaded: LoadedLog; imageRecords: readonly ImageRecord[] } {
    const imageRecords = this.#image.scan();
    const opened = this.#wal.reopen();
    if (opened.type === 'damage') throw new Error(`log of member ${this.#member}: ${JSON.stringify(opened)}`);
    this.#wal = opened.wal;
    return { loaded: opened.loaded, imageRecords };
  }

  restored(loaded: LoadedLog, machine: Machine): RaftRestored {
    const needsSnapshot = machine.appliedIndex < loaded.base.index;
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
      needsSnapshot,
    };
  }

  crash(): void {
    this.#wal.crash(this.#prng);
    this.#image.crash(this.#prng);
    this.#staged = undefined;
  }

  writeLog(group: WriteGroup, done: () => void): void {
    this.#wal.write(group, done);
  }

  logSynced(): void {
    this.#wal.completeSync();
  }

  dropLog(index: Index): void {
    this.#wal.dropUpTo(index);
  }

  writeImage(batch: ImageBatch, done: () => void): void {
    this.#image.write(batch, done);
  }

  imageSynced(): void {
    this.#image.completeWrite();
  }

  loseImage(): void {
    this.#image.wipe();
  }

  /** The image on disk with its head, as a snapshot stream would carry it. */
  readImage(): { readonly meta: SnapshotMeta; readonly records: readonly ImageRecord[] } | undefined {
    const records = this.#image.scan();
    if (records.length === 0) return undefined;
    const machine = Machine.load(records);
    if (!(machine instanceof Machine)) throw new Error('own image is damaged');
    const membership = decodeMembership(machine.configuration);
    if (membership === undefined) throw new Error('membership does not decode');
    return {
      meta: { index: machine.appliedIndex, term: machine.appliedTerm, configuration: membership.configuration },
      records,
    };
  }

  /** One stream at a time. */
  get mayStage(): boolean {
    return this.#staged === undefined;
  }

  stage(records: readonly ImageRecord[]): void {
    this.#staged = new MemoryImage(
      new Map(records.map(({ key, value }) => [Buffer.from(key).toString('latin1'), value])),
    );
  }

  discard(): void {
    this.#staged = undefined;
  }

  /** The one commit point: from here on a restart finds the new generation. */
  install(head: SnapshotHead, log: WriteGroup): void {
    if (this.#staged === undefined) throw new Error('nothing is staged');
    this.#generation++;
    this.#image = this.#staged;
    this.#staged = undefined;
    this.#wal = this.#createWal({ index: head.meta.index, term: head.meta.term }, log);
  }

  #createWal(base: { index: Index; term: number }, initial: WriteGroup): MemoryWal {
    const identity = { clusterId: 1n, memberId: this.#member, generation: this.#generation };
    return MemoryWal.create(new MemoryFiles(), { identity, base, initial, salt: this.#prng.uint64() });
  }
}
