/**
 * A disk for tests of the core: what is durable, and one write that is not yet. A crash loses the write under way. Beside the
 * log it keeps an image, which stands for the applied state: an index, a digest, the configuration.
 */
import type { RaftRestored } from '../../src/raft/options.ts';
import type { Configuration, SnapshotMeta } from '../../src/raft/types.ts';
import type { Entry, HardState, Index, LogBase, Term, WriteGroup } from '../../src/store/entry.ts';

export interface TwinImage {
  readonly meta: SnapshotMeta;
  readonly digest: number;
}

export class TwinDisk {
  hardState: HardState = { term: 0, vote: 0n, commit: 0 };
  base: LogBase = { index: 0, term: 0 };
  entries: Entry[] = [];
  image: TwinImage | undefined;
  /** Handed over, not synced. */
  pending: WriteGroup | undefined;

  get lastIndex(): Index {
    return this.base.index + this.entries.length;
  }

  term(index: Index): Term | undefined {
    return index === this.base.index ? this.base.term : this.entries[index - this.base.index - 1]?.term;
  }

  begin(group: WriteGroup): void {
    if (this.pending !== undefined) throw new Error('two writes at once');
    this.pending = group;
  }

  /** The write under way is synced. */
  sync(): void {
    const group = this.pending;
    if (group === undefined) throw new Error('nothing to sync');
    this.pending = undefined;
    this.write(group);
  }

  crash(): void {
    this.pending = undefined;
  }

  write({ hardState, entries }: WriteGroup): void {
    if (hardState !== undefined) this.hardState = hardState;
    const first = entries[0];
    if (first === undefined) return;
    if (first.index > this.lastIndex + 1 || first.index <= this.base.index) throw new Error('a hole in the log');
    this.entries = [...this.entries.slice(0, first.index - this.base.index - 1), ...entries];
  }

  /** Image and log become those of a snapshot, at once. */
  install(image: TwinImage, log: WriteGroup): void {
    this.image = image;
    this.base = { index: image.meta.index, term: image.meta.term };
    this.entries = [...log.entries];
    if (log.hardState !== undefined) this.hardState = log.hardState;
  }

  dropUpTo(index: Index): void {
    if (index <= this.base.index) return;
    const term = this.term(index);
    if (term === undefined) throw new Error('dropped more than there is');
    this.entries = this.entries.slice(index - this.base.index);
    this.base = { index, term };
  }

  /** What a boot finds; `configuration` is the cluster's first one. */
  restored(configuration: Configuration): RaftRestored {
    const needsSnapshot = this.image === undefined && this.base.index > 0;
    return {
      hardState: this.hardState,
      base: this.base,
      configuration: this.image?.meta.configuration ?? configuration,
      entries: this.entries,
      applied: this.image?.meta.index ?? 0,
      needsSnapshot,
    };
  }
}
