/**
 * A member of the small Raft world: a core over a twin disk, its turns, writes, images and installs. The disk stalls, the process
 * pauses, a crash takes what was not synced.
 */
import { decodeMembership } from '../../src/raft/membership.ts';
import type { SnapshotHead } from '../../src/raft/message.ts';
import { Raft } from '../../src/raft/raft.ts';
import type { Configuration } from '../../src/raft/types.ts';
import type { Entry, Index, MemberId, WriteGroup } from '../../src/store/entry.ts';
import { TwinDisk, type TwinImage } from '../raft/disk.ts';
import type { RaftWatched } from './checks/raft-checks.ts';
import type { RaftWorld } from './raft-world.ts';
import { digestWith } from './raft-world-checks.ts';
import { Violation } from './violation.ts';

interface Staged {
  readonly head: SnapshotHead;
  readonly image: TwinImage;
}

export class RaftWorldMember implements RaftWatched {
  readonly id: MemberId;
  readonly disk = new TwinDisk();
  raft: Raft | undefined;
  boot = 0;
  applied: Index = 0;
  /** Until then the disk does nothing. */
  stalledUntilMs = 0;
  /** Until then the process stands still: what arrives waits, ticks pass unseen. */
  pausedUntilMs = 0;
  readonly #world: RaftWorld;
  #digest = 0;
  #configuration: Configuration;
  #staged: Staged | undefined;
  #turnDue = false;

  constructor(world: RaftWorld, id: MemberId, log: WriteGroup) {
    this.#world = world;
    this.id = id;
    this.#configuration = world.first;
    this.disk.write(log);
  }

  get durable(): TwinDisk {
    return this.disk;
  }

  /** It has applied all that is committed, `goal` at least, in the right order, and owes no round. */
  standsAt(goal: Index): boolean {
    const { checks } = this.#world;
    const { applied } = this;
    return (
      applied >= goal &&
      applied === checks.committed &&
      this.#digest === checks.digestAt(applied) &&
      checks.pending(this.id) === 0
    );
  }

  // ── life and death ───────────────────────────────────────────────────────────────────────────────────────────────────

  start(): void {
    const { disk, id } = this;
    const { faults, first, checks, messages, electionTicks, appendBytesMax } = this.#world;
    const random = faults.fork(`boot ${id}`);
    this.boot++;
    this.applied = disk.image?.meta.index ?? 0;
    this.#digest = disk.image?.digest ?? 0;
    this.#configuration = disk.image?.meta.configuration ?? first;
    this.#staged = undefined;
    this.#turnDue = false;
    this.raft = new Raft(
      { id, boot: this.boot, electionTicks, heartbeatTicks: 1, appendBytesMax, random: () => random.unit() },
      disk.restored(first),
    );
    checks.booted(this);
    messages.booted(this);
    this.turn();
  }

  crash(): void {
    const { raft } = this;
    if (raft === undefined) return;
    const world = this.#world;
    world.refused += raft.describe().refusedMessages;
    world.crashes++;
    this.raft = undefined;
    this.disk.crash();
    for (const peer of world.members) {
      if (peer !== this && world.faults.chance(0.7)) peer.later(world.net.below(20), (core) => core.linkLost(this.id));
    }
  }

  crashBriefly(): void {
    this.crash();
    this.#world.at(this.#world.faults.between(1, 100), () => {
      if (this.raft === undefined) this.start();
    });
  }

  // ── inputs and turns ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** It ticks from now on, whether or not it is up. */
  ticking(): void {
    const world = this.#world;
    const { tickMs } = world;
    world.at(world.healed ? tickMs : world.net.between(tickMs - 3, tickMs + 3), () => {
      if (world.nowMs >= this.pausedUntilMs) this.input((raft) => raft.tick());
      this.ticking();
    });
  }

  /** Something happens to it if it is in the same boot by then. */
  later(delayMs: number, act: (raft: Raft) => void): void {
    const { boot } = this;
    this.#world.at(delayMs, () => {
      if (this.boot === boot) this.input(act);
    });
  }

  /** One input; mostly its turn follows at once, now and then others join it. */
  input(act: (raft: Raft) => void): void {
    const world = this.#world;
    if (this.raft === undefined) return;
    if (world.nowMs < this.pausedUntilMs) {
      this.later(this.pausedUntilMs - world.nowMs, act);
      return;
    }
    act(this.raft);
    world.checks.after(this, world.members);
    world.messages.after(this, world.nowMs);
    if (world.net.chance(0.7)) this.turn();
    else if (!this.#turnDue) {
      this.#turnDue = true;
      this.later(world.net.below(4), () => this.turn());
    }
  }

  turn(): void {
    const { raft, disk, id } = this;
    const { checks, links, members } = this.#world;
    if (raft === undefined) return;
    this.#turnDue = false;
    const ready = raft.takeReady();
    checks.after(this, members);
    if (ready !== undefined) {
      if (ready.rounds !== undefined) checks.answered(id, ready.rounds.upTo, ready.rounds.index, raft.term);
      if (ready.roundsLost) checks.roundsLost(id);
      for (const message of ready.messages) links.send(message, this);
      if (ready.write !== undefined) this.#write(ready.write);
      for (const entry of ready.committed) this.#apply(raft, entry);
      for (const to of ready.snapshotsWanted) links.stream(this, to);
    }
    if (this.#staged !== undefined && raft.canInstallNow) this.#install(raft, this.#staged);
    if (disk.pending !== undefined && !raft.writeOutstanding)
      throw new Violation('R6', 'a write that nobody waits for');
  }

  #apply(raft: Raft, entry: Entry): void {
    if (entry.index !== this.applied + 1) throw new Violation('R5', `applied ${entry.index} after ${this.applied}`);
    this.applied = entry.index;
    this.#digest = digestWith(this.#digest, entry);
    if (entry.kind === 'configuration')
      this.#configuration = decodeMembership(entry.payload)?.configuration ?? this.#configuration;
    const { checks } = this.#world;
    checks.appliedAll(entry, this.#digest);
    if (raft.role === 'leader' && entry.term === raft.term) checks.acknowledged(entry);
  }

  // ── the disk ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #write(group: WriteGroup): void {
    const world = this.#world;
    world.checks.written(group.entries, this);
    this.disk.begin(group);
    const delayMs = Math.max(world.disks.pick([0, 1, 5, 30]), this.stalledUntilMs - world.nowMs);
    this.later(delayMs, (raft) => {
      this.disk.sync();
      raft.persisted();
    });
  }

  /** What the node does now and then: image to disk, once the log below it is there; then the log may go, but for a tail. */
  saveImage(tailEntries: number): void {
    const { raft, disk, applied } = this;
    if (raft === undefined || applied <= (disk.image?.meta.index ?? 0) || applied > raft.persistedIndex) return;
    if (raft.describe().installing || raft.describe().needsSnapshot) return;
    const meta = { index: applied, term: raft.termAt(applied) as number, configuration: this.#configuration };
    disk.image = { meta, digest: this.#digest };
    if (disk.pending !== undefined) return;
    const upTo = Math.min(applied, raft.indexBeforeTail(tailEntries, 1_000_000));
    raft.compact(upTo);
    disk.dropUpTo(raft.base.index);
  }

  /** An image arrived. */
  stage(head: SnapshotHead, image: TwinImage): void {
    this.#staged = { head, image };
    this.turn();
  }

  #install(raft: Raft, { head, image }: Staged): void {
    const world = this.#world;
    this.#staged = undefined;
    const wasLost = raft.describe().needsSnapshot;
    const log = raft.beginInstall(head);
    if (log === undefined) return;
    if (!wasLost && image.meta.index <= this.applied) throw new Violation('R11', 'an install goes back');
    if ((log.hardState?.commit ?? 0) < raft.commit) throw new Violation('R11', 'an install lowers commit');
    if (world.checks.digestAt(image.meta.index) !== image.digest) throw new Violation('R11', 'another state');
    this.later(world.disks.between(1, 40), (core) => {
      this.disk.install(image, log);
      core.installed();
      world.installs++;
      this.applied = image.meta.index;
      this.#digest = image.digest;
      this.#configuration = image.meta.configuration;
      if (core.commit < this.applied) throw new Violation('R11', 'commit is behind the image');
    });
  }
}
