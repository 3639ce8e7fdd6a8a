/** Faults drawn from the seed, one after the other, for as long as the safety phase lasts. At most a minority is down at once. */
import type { Prng } from '../../src/base/prng.ts';
import type { SimMember, World } from './world.ts';

export type FaultKind =
  | 'crash'
  | 'crashLeader'
  | 'powerLoss'
  | 'pause'
  | 'suspend'
  | 'isolateLeader'
  | 'isolateOne'
  | 'oneWay'
  | 'lossy'
  | 'transfer'
  | 'loseImage';

export const faultKinds: readonly FaultKind[] = [
  'crash',
  'crashLeader',
  'powerLoss',
  'pause',
  'suspend',
  'isolateLeader',
  'isolateOne',
  'oneWay',
  'lossy',
  'transfer',
  'loseImage',
];

export class Faults {
  readonly counts = new Map<FaultKind, number>();
  readonly #world: World;
  readonly #prng: Prng;
  readonly #kinds: readonly FaultKind[];
  running = true;

  /** Each run draws its own set of kinds (swarm testing). */
  constructor(world: World, prng: Prng, kinds: readonly FaultKind[] = faultKinds) {
    this.#world = world;
    this.#prng = prng;
    this.#kinds = kinds.filter(() => prng.chance(0.6));
    this.#next();
  }

  #next(): void {
    this.#world.timeline.after(this.#prng.between(300, 6_000), () => {
      if (!this.running) return;
      if (this.#kinds.length > 0) this.#strike(this.#prng.pick(this.#kinds));
      this.#next();
    });
  }

  #strike(kind: FaultKind): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    const world = this.#world;
    const { network, timeline, ids } = world;
    const someone = this.#prng.pick(world.members);
    const leader = world.leader ?? someone;
    const healLater = (): void => timeline.after(this.#prng.between(200, 8_000), () => network.heal());
    switch (kind) {
      case 'crash':
        this.#restartLater(someone);
        break;
      case 'crashLeader':
        this.#restartLater(leader);
        break;
      case 'powerLoss':
        for (const member of world.members) this.#restartLater(member, true);
        break;
      case 'pause':
        this.#prng.pick([someone, leader]).pause(this.#prng.between(100, 9_000), false);
        break;
      case 'suspend':
        this.#prng.pick([someone, leader]).pause(this.#prng.between(100, 9_000), true);
        break;
      case 'isolateLeader':
        network.isolate(leader.id, ids);
        healLater();
        break;
      case 'isolateOne':
        network.isolate(someone.id, ids);
        healLater();
        break;
      case 'oneWay': {
        const other = this.#prng.pick(world.members);
        if (other !== someone) network.cut(someone.id, other.id);
        healLater();
        break;
      }
      case 'lossy':
        network.quality = {
          loss: 0.3 * this.#prng.unit(),
          duplicate: 0.3 * this.#prng.unit(),
          delayMsMin: 0.2,
          delayMsMax: this.#prng.pick([2, 50, 400]),
        };
        healLater();
        break;
      case 'transfer':
        leader.enqueue({ type: 'transfer', target: this.#prng.pick(ids), reply: () => undefined });
        break;
      case 'loseImage':
        this.#restartLater(someone, false, true);
        break;
    }
  }

  #restartLater(member: SimMember, always = false, imageToo = false): void {
    const down = this.#world.members.filter((each) => each.node === undefined).length;
    if (member.node === undefined || (!always && 2 * (down + 1) >= this.#world.members.length + 1)) return;
    member.crash();
    if (imageToo) member.loseImage();
    this.#world.timeline.after(this.#prng.between(10, 5_000), () => {
      if (member.node === undefined) member.start();
    });
  }

  /** Ends the safety phase: everybody up, every link whole. */
  heal(): void {
    this.running = false;
    this.#world.network.heal();
    for (const member of this.#world.members) {
      member.resume();
      if (member.node === undefined) member.start();
    }
  }
}
