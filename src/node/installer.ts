/**
 * Installing a snapshot (house §4, R11): a staged image waits for its turn, becomes the next generation of image and log, and
 * then the node's state. One at a time; a newer one replaces one that has not begun.
 */
import { assert } from '../base/assert.ts';
import type { SnapshotHead } from '../raft/message.ts';
import type { Raft } from '../raft/raft.ts';
import { Machine } from '../state/machine.ts';
import type { Index } from '../store/entry.ts';
import type { ImageRecord } from '../store/image.ts';
import type { Ports } from './ports.ts';

interface Staged {
  readonly head: SnapshotHead;
  readonly machine: Machine;
}

export class Installer {
  readonly #raft: Raft;
  readonly #ports: Ports;
  readonly #seed: number;
  #staged: Staged | undefined;
  #installing: Staged | undefined;

  /** `seed` is that of the machines it loads. */
  constructor(raft: Raft, ports: Ports, seed: number) {
    this.#raft = raft;
    this.#ports = ports;
    this.#seed = seed;
  }

  /** Image and log are being replaced: nothing else may be written. */
  get installing(): boolean {
    return this.#installing !== undefined;
  }

  /** A whole image has arrived. One that does not load is refused as a value: it came from outside. */
  staged(head: SnapshotHead, records: Iterable<ImageRecord>): void {
    assert(this.#installing === undefined, 'R11: the host stages nothing while it installs');
    const machine = Machine.load(records, this.#seed);
    const fits =
      machine instanceof Machine && machine.appliedIndex === head.meta.index && machine.appliedTerm === head.meta.term;
    if (fits) this.#staged = { head, machine };
    else this.#ports.snapshots.discard();
  }

  /** Begins when neither log nor image has a write on its way. */
  begin(): void {
    if (this.#staged === undefined || this.#raft.writeOutstanding) return;
    const { head } = this.#staged;
    const log = this.#raft.beginInstall(head);
    if (log === undefined) this.#ports.snapshots.discard();
    else {
      this.#installing = this.#staged;
      this.#ports.snapshots.install(head, log);
    }
    this.#staged = undefined;
  }

  /** The new generation is on disk. Returns the state it holds. */
  installed(): { readonly machine: Machine; readonly index: Index } {
    const done = this.#installing;
    assert(done !== undefined, 'R11: only what was begun is installed');
    this.#installing = undefined;
    this.#raft.installed();
    return { machine: done.machine, index: done.head.meta.index };
  }
}
