/**
 * The small Raft world: cores over twin disks, a network and virtual time, all drawn from one seed. Messages are lost, doubled,
 * reordered, delayed, cut one way or both; members crash and lose what was not synced, disks stall, images are lost, logs are
 * compacted and snapshots streamed. First a time of faults, then everything heals and must come to rest (V1).
 */
import { Prng } from '../../src/base/prng.ts';
import { decodeMembership, initialLog, initialMembership } from '../../src/raft/membership.ts';
import type { Message, SnapshotHead } from '../../src/raft/message.ts';
import { Raft } from '../../src/raft/raft.ts';
import type { Configuration } from '../../src/raft/types.ts';
import type { Entry, Index, MemberId, WriteGroup } from '../../src/store/entry.ts';
import { TwinDisk, type TwinImage } from '../raft/disk.ts';

import { MessageChecks } from './checks/message-checks.ts';
import type { RaftWatched } from './checks/raft-checks.ts';
import { digestWith, RaftWorldChecks } from './raft-world-checks.ts';

import { Timeline } from './timeline.ts';
import { Violation } from './violation.ts';

export const electionTicks = 10;
const tickMs = 10;

export interface RaftWorldOptions {
  readonly seed: number;
  readonly members: number;
  /** Length of the time of faults. */
  readonly faultsMs: number;
}

export interface RaftWorldResult {
  readonly committed: Index;
  readonly leaders: number;
  readonly crashes: number;
  readonly installs: number;
  readonly rounds: number;
  readonly refused: number;
  readonly events: number;
}

interface Member extends RaftWatched {
  readonly disk: TwinDisk;
  raft: Raft | undefined;
  boot: number;
  applied: Index;
  digest: number;
  configuration: Configuration;
  /** Until then the disk does nothing. */
  stalledUntilMs: number;
  /** Until then the process stands still: what arrives waits, ticks pass unseen. */
  pausedUntilMs: number;
  staged: { readonly head: SnapshotHead; readonly image: TwinImage } | undefined;
  turnDue: boolean;
}

/** One run. Throws a `Violation` when an invariant breaks. */
export function runRaftWorld(options: RaftWorldOptions): RaftWorldResult {
  return new RaftWorld(options).run();
}

class RaftWorld {
  readonly #options: RaftWorldOptions;
  readonly #net: Prng;
  readonly #disks: Prng;
  readonly #faults: Prng;
  readonly #load: Prng;
  readonly #members: Member[];
  readonly #checks: RaftWorldChecks;
  readonly #messages: MessageChecks;
  readonly #first: Configuration;
  readonly #timeline: Timeline;
  readonly #cut = new Set<string>();
  readonly #loss: number;
  readonly #doubling: number;
  readonly #delayMsMax: number;
  #healed = false;
  #crashes = 0;
  #installs = 0;
  #proposals = 0;
  #refused = 0;

  constructor(options: RaftWorldOptions) {
    this.#options = options;
    const prng = new Prng(options.seed, 'raft-world');
    this.#timeline = new Timeline(prng.fork('ties'));
    this.#net = prng.fork('net');
    this.#disks = prng.fork('disks');
    this.#faults = prng.fork('faults');
    this.#load = prng.fork('load');
    this.#loss = this.#net.pick([0, 0.02, 0.1, 0.3]);
    this.#doubling = this.#net.pick([0, 0.05, 0.3]);
    this.#delayMsMax = this.#net.pick([2, 10, 30, 90]);
    const names = Array.from({ length: options.members }, (_, i) => `n${i + 1}`);
    const listed = names.map((name, i) => ({ id: BigInt(i + 1), name, peerUrls: [`http://${name}`] }));
    const { payload, membership } = initialMembership('world', listed);
    this.#first = membership.configuration;
    const log = initialLog(payload);
    this.#checks = new RaftWorldChecks(log.entries[0] as Entry);
    this.#messages = new MessageChecks(this.#checks, electionTicks * tickMs);
    this.#members = membership.configuration.voters.map((id) => this.#found(id, log));
  }

  run(): RaftWorldResult {
    for (const member of this.#members) {
      this.#start(member);
      this.#ticking(member);
    }
    this.#loading();
    this.#troubling();
    const { faultsMs } = this.#options;
    this.#at(faultsMs, () => this.#heal());
    this.#runUntil(() => this.#healed, faultsMs + 10, 'the end of the faults');
    const timeoutMs = electionTicks * tickMs;
    const settled = (): boolean => this.#members.some(({ raft }) => raft?.role === 'leader' && raft.ownTermCommitted);
    this.#runUntil(settled, this.#nowMs + 10 * timeoutMs, 'a leader within ten election timeouts');
    const goal = this.#checks.committed + 5;
    const equal = (): boolean =>
      this.#members.every(({ applied, digest, id }) => {
        const { committed } = this.#checks;
        return (
          applied >= goal &&
          applied === committed &&
          digest === this.#checks.digestAt(applied) &&
          this.#checks.pending(id) === 0
        );
      });
    this.#runUntil(equal, this.#nowMs + 60 * timeoutMs, 'equal logs and answered rounds');
    for (const { raft } of this.#members) this.#checks.survived(raft as Raft);
    return {
      committed: this.#checks.committed,
      leaders: this.#checks.leaderChanges,
      crashes: this.#crashes,
      installs: this.#installs,
      rounds: this.#checks.rounds,
      refused: this.#refused,
      events: this.#timeline.eventsRun,
    };
  }

  // ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

  get #nowMs(): number {
    return this.#timeline.nowMs;
  }

  #at(delayMs: number, act: () => void): void {
    this.#timeline.after(delayMs, act);
  }

  #runUntil(done: () => boolean, endMs: number, what: string): void {
    while (!done()) {
      if (this.#nowMs >= endMs) throw new Violation('V1', `not reached: ${what}`);
      this.#timeline.runUntil(this.#nowMs + 5);
    }
  }

  // ── a member ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #found(id: MemberId, log: WriteGroup): Member {
    const disk = new TwinDisk();
    disk.write(log);
    return {
      id,
      disk,
      durable: disk,
      raft: undefined,
      boot: 0,
      applied: 0,
      digest: 0,
      configuration: this.#first,
      stalledUntilMs: 0,
      pausedUntilMs: 0,
      staged: undefined,
      turnDue: false,
    };
  }

  #start(member: Member): void {
    const random = this.#faults.fork(`boot ${member.id}`);
    const { disk } = member;
    member.boot++;
    member.applied = disk.image?.meta.index ?? 0;
    member.digest = disk.image?.digest ?? 0;
    member.configuration = disk.image?.meta.configuration ?? this.#first;
    member.staged = undefined;
    member.turnDue = false;
    member.raft = new Raft(
      { id: member.id, boot: member.boot, electionTicks, heartbeatTicks: 1, random: () => random.unit() },
      disk.restored(this.#first),
    );
    this.#checks.booted(member);
    this.#messages.booted(member);
    this.#turn(member);
  }

  #crash(member: Member): void {
    if (member.raft === undefined) return;
    this.#refused += member.raft.describe().refusedMessages;
    member.raft = undefined;
    member.disk.crash();
    this.#crashes++;
    for (const peer of this.#members) {
      if (peer !== member && this.#faults.chance(0.7))
        this.#later(peer, this.#net.below(20), (raft) => raft.linkLost(member.id));
    }
  }

  #ticking(member: Member): void {
    this.#at(this.#healed ? tickMs : this.#net.between(tickMs - 3, tickMs + 3), () => {
      if (this.#nowMs >= member.pausedUntilMs) this.#input(member, (raft) => raft.tick());
      this.#ticking(member);
    });
  }

  /** Something happens to a member if it is in the same boot by then. */
  #later(member: Member, delayMs: number, act: (raft: Raft) => void): void {
    const { boot } = member;
    this.#at(delayMs, () => {
      if (member.boot === boot) this.#input(member, act);
    });
  }

  /** One input; mostly its turn follows at once, now and then others join it. */
  #input(member: Member, act: (raft: Raft) => void): void {
    if (member.raft === undefined) return;
    if (this.#nowMs < member.pausedUntilMs) {
      this.#later(member, member.pausedUntilMs - this.#nowMs, act);
      return;
    }
    act(member.raft);
    this.#checks.after(member, this.#members);
    this.#messages.after(member, this.#nowMs);
    if (this.#net.chance(0.7)) this.#turn(member);
    else if (!member.turnDue) {
      member.turnDue = true;
      this.#later(member, this.#net.below(4), () => this.#turn(member));
    }
  }

  #turn(member: Member): void {
    const { raft, disk, id } = member;
    if (raft === undefined) return;
    member.turnDue = false;
    const ready = raft.takeReady();
    this.#checks.after(member, this.#members);
    if (ready !== undefined) {
      if (ready.rounds !== undefined) this.#checks.answered(id, ready.rounds.upTo, ready.rounds.index, raft.term);
      if (ready.roundsLost) this.#checks.roundsLost(id);
      for (const message of ready.messages) this.#send(message, member);
      if (ready.write !== undefined) this.#write(member, ready.write);
      for (const entry of ready.committed) this.#apply(member, raft, entry);
      for (const to of ready.snapshotsWanted) this.#stream(member, to);
    }
    if (member.staged !== undefined && raft.canInstallNow) this.#install(member, raft, member.staged);
    if (disk.pending !== undefined && !raft.writeOutstanding)
      throw new Violation('R6', 'a write that nobody waits for');
  }

  #write(member: Member, group: WriteGroup): void {
    this.#checks.written(group.entries, member);
    member.disk.begin(group);
    const delayMs = Math.max(this.#disks.pick([0, 1, 5, 30]), member.stalledUntilMs - this.#nowMs);
    this.#later(member, delayMs, (raft) => {
      member.disk.sync();
      raft.persisted();
    });
  }

  #apply(member: Member, raft: Raft, entry: Entry): void {
    if (entry.index !== member.applied + 1) throw new Violation('R5', `applied ${entry.index} after ${member.applied}`);
    member.applied = entry.index;
    member.digest = digestWith(member.digest, entry);
    if (entry.kind === 'configuration') {
      member.configuration = decodeMembership(entry.payload)?.configuration ?? member.configuration;
    }
    this.#checks.appliedAll(entry, member.digest);
    if (raft.role === 'leader' && entry.term === raft.term) this.#checks.acknowledged(entry);
  }

  // ── between members ──────────────────────────────────────────────────────────────────────────────────────────────────

  #send(message: Message, member: Member): void {
    this.#messages.sent(message, member);
    const copies = this.#healed ? 1 : this.#net.chance(this.#loss) ? 0 : this.#net.chance(this.#doubling) ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      const late = this.#net.chance(0.02) ? 8 : 1;
      this.#at(this.#healed ? 1 : late * this.#net.below(this.#delayMsMax) + 1, () => {
        const to = this.#members.find(({ id }) => id === message.to) as Member;
        if (this.#cut.has(`${message.from}>${message.to}`)) return;
        this.#input(to, (raft) => {
          this.#messages.stepping(message, to, this.#nowMs);
          raft.step(message);
        });
      });
    }
  }

  /** Streams the image on disk; what a cut or a crash does to it is one chance. */
  #stream(member: Member, toId: MemberId): void {
    const to = this.#members.find(({ id }) => id === toId) as Member;
    const { image } = member.disk;
    const raft = member.raft as Raft;
    const good = image !== undefined && (this.#healed || this.#net.chance(0.8));
    const head = image && { from: member.id, to: toId, term: raft.term, meta: image.meta };
    const delayMs = this.#healed ? 5 : this.#net.between(5, 150);
    const { boot } = to;
    this.#later(member, delayMs, (sender) => {
      const arrives = good && to.raft !== undefined && to.boot === boot && !this.#cut.has(`${member.id}>${toId}`);
      sender.snapshotSent(toId, image?.meta.index ?? 0, arrives);
    });
    if (!good || head === undefined) return;
    this.#at(Math.max(1, delayMs + this.#net.between(-3, 3)), () => {
      if (to.raft === undefined || to.boot !== boot || this.#cut.has(`${member.id}>${toId}`)) return;
      to.staged = { head, image };
      this.#turn(to);
    });
  }

  #install(member: Member, raft: Raft, staged: { readonly head: SnapshotHead; readonly image: TwinImage }): void {
    member.staged = undefined;
    const wasLost = raft.describe().needsSnapshot;
    const log = raft.beginInstall(staged.head);
    if (log === undefined) return;
    const { image } = staged;
    if (!wasLost && image.meta.index <= member.applied) throw new Violation('R11', 'an install goes back');
    if ((log.hardState?.commit ?? 0) < raft.commit) throw new Violation('R11', 'an install lowers commit');
    if (this.#checks.digestAt(image.meta.index) !== image.digest) throw new Violation('R11', 'another state');
    this.#later(member, this.#disks.between(1, 40), (core) => {
      member.disk.install(image, log);
      core.installed();
      this.#installs++;
      member.applied = image.meta.index;
      member.digest = image.digest;
      member.configuration = image.meta.configuration;
      if (core.commit < member.applied) throw new Violation('R11', 'commit is behind the image');
    });
  }

  // ── load and trouble ─────────────────────────────────────────────────────────────────────────────────────────────────

  #loading(): void {
    this.#at(this.#load.between(1, 20), () => {
      const leading = this.#members.filter(({ raft }) => raft?.role === 'leader');
      const member = this.#load.pick(leading.length > 0 && this.#load.chance(0.7) ? leading : this.#members);
      const round = this.#load.chance(0.4);
      this.#input(member, (raft) => {
        if (round) {
          const ticket = raft.requestRound();
          if (ticket !== undefined) this.#checks.asked(member.id, ticket);
        } else this.#propose(raft);
      });
      if (this.#load.chance(0.2)) this.#saveImage(member);
      this.#loading();
    });
  }

  #propose(raft: Raft): void {
    const payload = Buffer.from(`p${++this.#proposals}`);
    const proposed = raft.propose('commands', payload);
    if (proposed.type !== 'accepted') return;
    const { index, term } = proposed;
    this.#checks.proposed({ index, term, kind: 'commands', payload }, raft.termAt(index - 1) ?? 0);
  }

  /** What the node does now and then: image to disk, once the log below it is there; then the log may go, but for a tail. */
  #saveImage(member: Member): void {
    const { raft, disk, applied, digest, configuration } = member;
    if (raft === undefined || applied <= (disk.image?.meta.index ?? 0) || applied > raft.persistedIndex) return;
    if (raft.describe().installing || raft.describe().needsSnapshot) return;
    disk.image = { meta: { index: applied, term: raft.termAt(applied) as number, configuration }, digest };
    if (disk.pending !== undefined) return;
    const upTo = Math.min(applied, raft.indexBeforeTail(this.#disks.pick([0, 3, 20]), 1_000_000));
    raft.compact(upTo);
    disk.dropUpTo(raft.base.index);
  }

  #troubling(): void {
    this.#at(this.#faults.between(20, 400), () => {
      if (this.#healed) return;
      this.#trouble();
      this.#troubling();
    });
  }

  #trouble(): void {
    const member = this.#faults.pick(this.#members);
    const other = this.#faults.pick(this.#members);
    const isDown = ({ raft }: Member): boolean => raft === undefined;
    switch (this.#faults.below(14)) {
      case 0:
        this.#cut.add(`${member.id}>${other.id}`);
        break;
      case 1:
        for (const peer of this.#members) this.#cut.add(`${member.id}>${peer.id}`).add(`${peer.id}>${member.id}`);
        break;
      case 2:
      case 3:
      case 4:
        this.#cut.clear();
        break;
      case 5:
        this.#crash(member);
        break;
      case 6:
        for (const down of this.#members.filter(isDown)) this.#start(down);
        break;
      case 7:
        this.#input(member, (raft) => raft.transfer(other.id));
        break;
      case 8:
        this.#input(member, (raft) => raft.linkLost(other.id));
        break;
      case 9:
        member.stalledUntilMs = this.#nowMs + this.#faults.between(50, 400);
        break;
      case 10:
        member.pausedUntilMs = this.#nowMs + this.#faults.between(20, 400);
        break;
      case 11:
        this.#loneLeader();
        break;
      case 12:
        if (isDown(member)) this.#loseImage(member);
        else this.#crashBriefly(member);
        break;
      default:
        if (this.#faults.chance(0.2)) for (const each of this.#members) this.#crash(each);
        else
          for (const leader of this.#members.filter(({ raft }) => raft?.role === 'leader')) this.#crashBriefly(leader);
    }
  }

  /** A leader is cut off with a tail that nobody else has: sooner or later it must lose it. */
  #loneLeader(): void {
    const leader = this.#members.find(({ raft }) => raft?.role === 'leader');
    if (leader === undefined) return;
    for (const peer of this.#members) this.#cut.add(`${leader.id}>${peer.id}`);
    const tail = this.#faults.between(1, 30);
    this.#input(leader, (raft) => {
      for (let i = 0; i < tail; i++) this.#propose(raft);
    });
    this.#at(this.#faults.between(100, 300), () => this.#cut.clear());
  }

  #crashBriefly(member: Member): void {
    this.#crash(member);
    this.#at(this.#faults.between(1, 100), () => {
      if (member.raft === undefined) this.#start(member);
    });
  }

  /** Only while all others have theirs, and only where others can give it back. */
  #loseImage(member: Member): void {
    const whole = (peer: Member): boolean =>
      peer === member || peer.disk.image !== undefined || peer.disk.base.index === 0;
    if (this.#members.length > 1 && this.#members.every(whole)) member.disk.image = undefined;
  }

  #heal(): void {
    this.#healed = true;
    this.#cut.clear();
    for (const member of this.#members) {
      member.stalledUntilMs = 0;
      member.pausedUntilMs = 0;
      // S1: everybody loses power at once, and whatever was acknowledged must still be there.
      this.#crash(member);
    }
    for (const member of this.#members) this.#start(member);
  }
}
