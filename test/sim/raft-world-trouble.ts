/** What happens to the members of the small Raft world: proposals and questions all the time, and trouble until it is healed. */
import type { Prng } from '../../src/base/prng.ts';
import type { Raft } from '../../src/raft/raft.ts';
import type { RaftWorld } from './raft-world.ts';
import type { RaftWorldMember } from './raft-world-member.ts';

export class Trouble {
  readonly #world: RaftWorld;
  readonly #load: Prng;
  /** No log goes in this run: where two of them part is sought among all entries. */
  readonly #keepsAll: boolean;
  #proposals = 0;

  constructor(world: RaftWorld, load: Prng) {
    this.#world = world;
    this.#load = load;
    this.#keepsAll = load.chance(0.3);
  }

  begin(): void {
    this.#loading();
    this.#troubling();
  }

  #loading(): void {
    const world = this.#world;
    const load = this.#load;
    world.at(load.between(1, 20), () => {
      const leading = this.#leaders();
      const member = load.pick(leading.length > 0 && load.chance(0.7) ? leading : world.members);
      const round = load.chance(0.4);
      member.input((raft) => {
        if (round) {
          const ticket = raft.requestRound();
          if (ticket !== undefined) world.checks.asked(member.id, ticket);
        } else this.#propose(raft);
      });
      if (load.chance(0.2)) member.saveImage(this.#keepsAll ? Number.MAX_SAFE_INTEGER : world.disks.pick([0, 3, 20]));
      this.#loading();
    });
  }

  #propose(raft: Raft): void {
    const payload = Buffer.from(`p${++this.#proposals}`);
    const proposed = raft.propose('commands', payload);
    if (proposed.type !== 'accepted') return;
    const { index, term } = proposed;
    this.#world.checks.proposed({ index, term, kind: 'commands', payload }, raft.termAt(index - 1) ?? 0);
  }

  #troubling(): void {
    const world = this.#world;
    world.at(world.faults.between(20, 400), () => {
      if (world.healed) return;
      this.#trouble();
      this.#troubling();
    });
  }

  #trouble(): void {
    const { faults, members, links, nowMs } = this.#world;
    const member = faults.pick(members);
    const other = faults.pick(members);
    const isDown = ({ raft }: RaftWorldMember): boolean => raft === undefined;
    switch (faults.below(14)) {
      case 0:
        links.cut(member.id, other.id);
        break;
      case 1:
        this.#cutOff(member);
        break;
      case 2:
      case 3:
      case 4:
        links.heal();
        break;
      case 5:
        member.crash();
        break;
      case 6:
        for (const down of members.filter(isDown)) down.start();
        break;
      case 7:
        member.input((raft) => raft.transfer(other.id));
        break;
      case 8:
        member.input((raft) => raft.linkLost(other.id));
        break;
      case 9:
        member.stalledUntilMs = nowMs + faults.between(50, 400);
        break;
      case 10:
        member.pausedUntilMs = nowMs + faults.between(20, 400);
        break;
      case 11:
        this.#loneLeader();
        break;
      case 12:
        if (isDown(member)) this.#loseImage(member);
        else member.crashBriefly();
        break;
      default:
        if (faults.chance(0.2)) for (const each of members) each.crash();
        else for (const leader of this.#leaders()) leader.crashBriefly();
    }
  }

  /** A leader is cut off with a tail that nobody else has: sooner or later it must lose it, be it to an append or to a snapshot. */
  #loneLeader(): void {
    const world = this.#world;
    const { faults, links, members } = world;
    const leader = this.#leaders()[0];
    if (leader === undefined) return;
    if (faults.chance(0.5)) for (const peer of members) links.cut(leader.id, peer.id);
    else this.#cutOff(leader);
    const tail = faults.between(1, 30);
    leader.input((raft) => {
      for (let i = 0; i < tail; i++) this.#propose(raft);
    });
    const overtaken = faults.chance(0.5);
    world.at(faults.between(100, 500), () => {
      for (const peer of members) {
        if (peer === leader) continue;
        if (overtaken) peer.saveImage(this.#keepsAll ? Number.MAX_SAFE_INTEGER : 0);
        // Whoever leads now has heard nothing of it yet, and begins where it may have to begin: at the front.
        if (faults.chance(0.5)) peer.input((raft) => raft.linkLost(leader.id));
      }
      links.heal();
    });
  }

  #cutOff(member: RaftWorldMember): void {
    const { links, members } = this.#world;
    for (const peer of members) {
      links.cut(member.id, peer.id);
      links.cut(peer.id, member.id);
    }
  }

  /** Only while all others have theirs, and only where others can give it back. */
  #loseImage(member: RaftWorldMember): void {
    const { members } = this.#world;
    const whole = (peer: RaftWorldMember): boolean =>
      peer === member || peer.disk.image !== undefined || peer.disk.base.index === 0;
    if (members.length > 1 && members.every(whole)) member.disk.image = undefined;
  }

  #leaders(): RaftWorldMember[] {
    return this.#world.members.filter(({ raft }) => raft?.role === 'leader');
  }
}
