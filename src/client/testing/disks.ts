/**
 * A member's data directory in memory: log and image as their twins in `store/` have them, and IDENTITY's numbers. What a start makes of
 * it follows `disk/boot.ts`. Invariants: S1, R11.
 */
import { byteString } from '../../base/bytes.ts';
import { Prng } from '../../base/prng.ts';
import { snapshotMetaOfRecord } from '../../disk/image-meta.ts';
import type { NodeRestored } from '../../node/options.ts';
import { decodeMembership, initialLog } from '../../raft/membership.ts';
import type { SnapshotHead } from '../../raft/message.ts';
import type { SnapshotMeta } from '../../raft/types.ts';
import { ImageDamage } from '../../state/image-verifier.ts';
import { Machine } from '../../state/machine.ts';
import { loadMachine } from '../../state/machine-loader.ts';
import type { Index, LogBase, MemberId, WriteGroup } from '../../store/entry.ts';
import type { ImageRecord } from '../../store/image.ts';
import { MemoryImage } from '../../store/memory-image.ts';
import { MemoryWal } from '../../store/memory-wal.ts';
import { MemoryFiles } from '../../store/wal-memory-files.ts';

/** Whose directory it is. */
export interface DirectoryOwner {
  readonly clusterId: bigint;
  readonly memberId: MemberId;
  /** Payload of entry 1. */
  readonly membership: Uint8Array;
}

export interface Snapshot {
  readonly meta: SnapshotMeta;
  readonly records: readonly ImageRecord[];
}

export class Disks {
  readonly #owner: DirectoryOwner;
  readonly #prng: Prng;
  /** Starts so far. */
  boot = 0;
  wal: MemoryWal;
  image = new MemoryImage();
  #generation = 1;
  #staged: MemoryImage | undefined;

  constructor(owner: DirectoryOwner, seed: bigint, name: string) {
    this.#owner = owner;
    this.#prng = new Prng(seed, `disk ${name}`);
    this.wal = this.#createWal({ index: 0, term: 0 }, initialLog(owner.membership));
  }

  /** What a start finds. */
  open(): NodeRestored {
    this.boot++;
    const records = this.image.scan();
    const seed = this.#prng.uint32();
    const machine = records.length === 0 ? new Machine(seed) : loadMachine(records);
    if (machine instanceof ImageDamage) throw machine;
    const opened = MemoryWal.open(this.wal.files, { identity: this.#identity, lastAtLeast: machine.appliedIndex });
    if (opened.type === 'damage') throw new Error(`the log of a member is damaged: ${opened.file}: ${opened.what}`);
    this.wal = opened.wal;
    const membership = decodeMembership(
      machine.configuration.length > 0 ? machine.configuration : this.#owner.membership,
    );
    if (membership === undefined) throw new Error('the member list does not decode');
    const { configuration } = membership;
    const { loaded } = opened;
    return { machine, raft: { ...loaded, configuration, applied: machine.appliedIndex, needsSnapshot: false } };
  }

  /** The member is killed: of what it was writing any part may be lost. */
  crash(): void {
    this.wal.crash(this.#prng);
    this.image.crash(this.#prng);
    this.#staged = undefined;
  }

  /** The image as it is on disk; undefined if there is nothing in it yet. */
  snapshot(): Snapshot | undefined {
    const records = this.image.scan();
    const [first] = records;
    const meta = first === undefined ? undefined : snapshotMetaOfRecord(first);
    return meta === undefined || meta instanceof ImageDamage ? undefined : { meta, records };
  }

  get mayStage(): boolean {
    return this.#staged === undefined;
  }

  stage({ records }: Snapshot): void {
    this.#staged = new MemoryImage(new Map(records.map(({ key, value }) => [byteString(key), value])));
  }

  discard(): void {
    this.#staged = undefined;
  }

  /** From here on a start finds the staged image and this log. */
  install({ meta }: SnapshotHead, log: WriteGroup): void {
    if (this.#staged === undefined) throw new Error('no image is staged');
    this.#generation++;
    this.image = this.#staged;
    this.#staged = undefined;
    this.wal = this.#createWal({ index: meta.index, term: meta.term }, log);
  }

  dropLogUpTo(index: Index): void {
    this.wal.dropUpTo(index);
  }

  #createWal(base: LogBase, initial: WriteGroup): MemoryWal {
    return MemoryWal.create(new MemoryFiles(), {
      identity: this.#identity,
      base,
      initial,
      salt: this.#prng.uint64(),
    });
  }

  get #identity(): { readonly clusterId: bigint; readonly memberId: MemberId; readonly generation: number } {
    const { clusterId, memberId } = this.#owner;
    return { clusterId, memberId, generation: this.#generation };
  }
}
