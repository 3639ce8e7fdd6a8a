/**
 * The small world: members that run the real node over in-memory disks, a lossy network and clocks of their own, in virtual
 * time. One seed is one run. Crashes lose what was not synced; a restart goes the way of a real boot.
 */
import { Prng } from '../../src/base/prng.ts';
import type { Input } from '../../src/node/input.ts';
import { Node } from '../../src/node/node.ts';
import type { Ports } from '../../src/node/ports.ts';
import { initialLog, initialMembership } from '../../src/raft/membership.ts';
import { Machine } from '../../src/state/machine.ts';
import type { MemberId } from '../../src/store/entry.ts';
import { Checks } from './checks.ts';
import { SimDisks } from './disks.ts';
import { Network } from './network.ts';
import { Timeline } from './timeline.ts';

export const tickMs = 20;
export const ticksPerRaftTick = 5;
export const electionTicks = 10;
export const electionTimeoutMs = electionTicks * ticksPerRaftTick * tickMs;

export class World {
  readonly prng: Prng;
  readonly timeline: Timeline;
  readonly network: Network;
  readonly checks = new Checks();
  readonly members: SimMember[] = [];
  crashes = 0;
  /** How often a sync takes up to 200 ms instead of about one. */
  diskStallChance = 0.02;

  constructor(seed: bigint, memberCount: number) {
    this.prng = new Prng(seed, 'world');
    this.timeline = new Timeline(this.prng.fork('ties'));
    this.network = new Network(this.prng.fork('network'), this.timeline);
    const members = Array.from({ length: memberCount }, (_, i) => ({
      id: BigInt(i + 1),
      name: `n${i + 1}`,
      peerUrls: [`http://n${i + 1}`],
    }));
    const { payload } = initialMembership('sim', members);
    for (const { id } of members) this.members.push(new SimMember(this, id, payload));
    for (const member of this.members) member.start();
  }

  get ids(): MemberId[] {
    return this.members.map((member) => member.id);
  }

  member(id: MemberId): SimMember {
    return this.members[Number(id) - 1] as SimMember;
  }

  /** The member on duty in the highest term, if any. */
  get leader(): SimMember | undefined {
    const leaders = this.members.filter((member) => member.node?.raft.role === 'leader');
    return leaders.sort((a, b) => (b.node as Node).raft.term - (a.node as Node).raft.term)[0];
  }

  run(durationMs: number): void {
    this.timeline.runUntil(this.timeline.nowMs + durationMs);
  }

  /** Runs until `done`, at most `limitMs`. Returns whether it came true. */
  runUntil(done: () => boolean, limitMs: number): boolean {
    const end = this.timeline.nowMs + limitMs;
    while (!done()) {
      if (this.timeline.nowMs >= end) return false;
      this.run(10);
    }
    return true;
  }
}

export class SimMember {
  readonly id: MemberId;
  node: Node | undefined;
  boots = 0;
  /** Called when a crash takes the waiting calls with it. */
  forgotten: (() => void)[] = [];
  /** This host's clock runs at this rate, within 1 ± 1/500. */
  clockRate = 1;
  /** Time this clock stood still (a suspended machine). */
  #frozenMs = 0;
  #pausedUntilMs = 0;
  readonly #world: World;
  readonly #prng: Prng;
  readonly #disks: SimDisks;

  constructor(world: World, id: MemberId, initialPayload: Uint8Array) {
    this.#world = world;
    this.id = id;
    this.#prng = world.prng.fork(`member ${id}`);
    this.clockRate = 1 + (this.#prng.unit() - 0.5) / 250;
    this.#disks = new SimDisks(id, this.#prng.fork('disk'), initialLog(initialPayload));
  }

  start(): void {
    const boot = ++this.boots;
    const { loaded, imageRecords } = this.#disks.open();
    const machine = imageRecords.length === 0 ? new Machine() : Machine.load(imageRecords);
    if (!(machine instanceof Machine)) throw new Error(`image of member ${this.id}: ${JSON.stringify(machine)}`);
    this.#world.checks.restored(machine);
    const restored = { raft: this.#disks.restored(loaded, machine), machine };
    const node: Node = new Node(
      {
        member: this.id,
        boot,
        tickMs,
        ticksPerRaftTick,
        electionTicks,
        seed: this.#prng.uint64(),
        quotaBytes: 512 * 1024 * 1024,
        observe: (entry, commands) =>
          this.#world.checks.applied(entry, commands, node.machine, this.#world.timeline.nowMs),
      },
      restored,
      this.#ports(boot),
    );
    this.node = node;
    this.#tick(boot);
  }

  crash(): void {
    if (this.node === undefined) return;
    this.#world.crashes++;
    this.node = undefined;
    for (const forget of this.forgotten) forget();
    this.forgotten = [];
    this.#disks.crash();
    for (const peer of this.#world.members) {
      if (peer.id !== this.id)
        this.#world.network.carry(this.id, peer.id, () => peer.enqueue({ type: 'linkLost', member: this.id }));
    }
  }

  /** The process stands still for a while. `frozen`: its clock stands still too, as on a suspended machine. */
  pause(durationMs: number, frozen: boolean): void {
    this.#pausedUntilMs = this.#world.timeline.nowMs + durationMs;
    if (frozen) this.#frozenMs += durationMs;
  }

  /** A pause ends early. */
  resume(): void {
    this.#pausedUntilMs = 0;
  }

  enqueue(input: Input): void {
    this.node?.enqueue(input);
  }

  /** The image is lost while the member is down. */
  loseImage(): void {
    this.#disks.loseImage();
  }

  /** Runs `step` if this boot still runs, once the member is not paused. */
  #alive(boot: number, step: () => void): void {
    if (this.node === undefined || this.boots !== boot) return;
    const waitMs = this.#pausedUntilMs - this.#world.timeline.nowMs;
    if (waitMs > 0) this.#world.timeline.after(waitMs, () => this.#alive(boot, step));
    else step();
  }

  #after(boot: number, delayMs: number, step: () => void): void {
    this.#world.timeline.after(delayMs, () => this.#alive(boot, step));
  }

  #monoMs(): number {
    return (this.#world.timeline.nowMs - this.#frozenMs) * this.clockRate;
  }

  #tick(boot: number): void {
    this.#after(boot, tickMs / this.clockRate, () => {
      this.enqueue({ type: 'tick' });
      this.#tick(boot);
    });
  }

  #ports(boot: number): Ports {
    const { timeline, network, members } = this.#world;
    const after = (delayMs: number, step: () => void): void => this.#after(boot, delayMs, step);
    return {
      wake: () => after(this.#prng.unit() * 0.1, () => this.node?.turn(this.#monoMs())),
      wal: {
        write: (group) => {
          this.#disks.writeLog(group, () => this.enqueue({ type: 'persisted' }));
          after(0.1 + this.#prng.unit() * (this.#prng.chance(this.#world.diskStallChance) ? 200 : 1), () =>
            this.#disks.logSynced(),
          );
        },
        dropUpTo: (index) => this.#disks.dropLog(index),
      },
      image: {
        write: (batch) => {
          this.#disks.writeImage(batch, () => this.enqueue({ type: 'imageWritten', appliedIndex: batch.appliedIndex }));
          after(1 + this.#prng.unit() * 20, () => this.#disks.imageSynced());
        },
      },
      peers: {
        send: (to, message) =>
          network.carry(this.id, to, () => {
            const peer = members[Number(to) - 1] as SimMember;
            peer.enqueue({ type: 'message', message });
          }),
      },
      snapshots: {
        send: (to, term) => {
          const snapshot = this.#disks.readImage();
          const lost = snapshot === undefined || this.#prng.chance(network.quality.loss);
          timeline.after(5 + this.#prng.unit() * 50, () => {
            const peer = members[Number(to) - 1] as SimMember;
            const ok = !lost && peer.node !== undefined && !network.isCut(this.id, to) && peer.#disks.mayStage;
            if (ok && snapshot !== undefined) {
              peer.#disks.stage(snapshot.records);
              const head = { from: this.id, to, term, meta: snapshot.meta };
              peer.enqueue({ type: 'snapshotStaged', head, records: snapshot.records });
            }
            this.#alive(boot, () => this.enqueue({ type: 'snapshotSent', to, index: snapshot?.meta.index ?? 0, ok }));
          });
        },
        install: (head, log) =>
          after(2 + this.#prng.unit() * 20, () => {
            this.#disks.install(head, log);
            this.enqueue({ type: 'snapshotInstalled' });
          }),
        discard: () => this.#disks.discard(),
      },
    };
  }
}
