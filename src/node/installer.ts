/**
 * Installing a snapshot (house §4, R11): a staged image becomes a state, over as many turns as it takes; then it waits for its turn,
 * becomes the next generation of image and log, and then the node's state. One at a time; a newer one replaces one that has not
 * begun.
 */
import { assert } from '../base/assert.ts';
import { snapshotStepsPerTurnMax } from '../base/limits.ts';
import type { SnapshotHead } from '../raft/message.ts';
import type { Raft } from '../raft/raft.ts';
import type { ImageDamage } from '../state/image-verifier.ts';
import { Machine } from '../state/machine.ts';
import { loadingMachine } from '../state/machine-loader.ts';
import type { Index } from '../store/entry.ts';
import type { ImageRecord } from '../store/image.ts';
import type { Ports } from './ports.ts';

interface Loading {
  readonly head: SnapshotHead;
  readonly steps: ReturnType<typeof loadingMachine>;
}

interface Staged {
  readonly head: SnapshotHead;
  readonly machine: Machine;
}

export class Installer {
  readonly #raft: Raft;
  readonly #ports: Ports;
  readonly #seed: number;
  #loading: Loading | undefined;
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

  /** An image that has arrived is not yet a state: turns are wanted. */
  get loading(): boolean {
    return this.#loading !== undefined;
  }

  /** A whole image has arrived. */
  staged(head: SnapshotHead, records: Iterable<ImageRecord>): void {
    assert(this.#installing === undefined, 'R11: the host stages nothing while it installs');
    this.#staged = undefined;
    this.#loading = { head, steps: loadingMachine(records, this.#seed) };
  }

  /** Once a turn. Begins when neither image (`imageWriting`) nor log has a write on its way. */
  proceed(imageWriting: boolean): void {
    this.#loadSlice();
    if (!imageWriting) this.#begin();
  }

  /** A turn's worth of making a state of it: heartbeats do not wait for a million leases. */
  #loadSlice(): void {
    if (this.#loading === undefined) return;
    const { head, steps } = this.#loading;
    for (let left = snapshotStepsPerTurnMax; left > 0; left--) {
      const step = steps.next();
      if (step.done !== true) continue;
      this.#loading = undefined;
      this.#loaded(head, step.value);
      return;
    }
  }

  #begin(): void {
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

  /** An image that does not load is refused as a value: it came from outside. */
  #loaded(head: SnapshotHead, machine: Machine | ImageDamage): void {
    const { index, term } = head.meta;
    if (machine instanceof Machine && machine.appliedIndex === index && machine.appliedTerm === term)
      this.#staged = { head, machine };
    else this.#ports.snapshots.discard();
  }
}
