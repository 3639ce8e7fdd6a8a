/**
 * Three members, each with a primary over its own table, and a Raft small enough to be obviously right: elections at any moment,
 * partial replication, lost answers, deposed leaders that go on believing, slow applies, clocks that freeze or run fast by ρ.
 * As in evidence/lease-model, "applied" means *chosen*: on a quorum, the earliest moment anybody could apply it. The promises are
 * checked on that truth: L1, L2, no false dead (M47), L6, and in a healed end L4 and that every question was answered.
 */
import { Prng } from '../../src/base/prng.ts';
import { LessorClock } from '../../src/primary/clock.ts';
import { Primary } from '../../src/primary/primary.ts';
import type { Command, LeaseId } from '../../src/state/command.ts';
import { ToyTable } from './toy-table.ts';

interface ToyEntry {
  readonly term: number;
  /** Undefined: the empty entry that opens a term. */
  readonly command: Command | undefined;
  /** Of a grant: when its client sent it. */
  readonly sentMs: number;
}
interface Asker {
  readonly id: LeaseId;
  readonly kind: 'keepAlive' | 'timeToLive';
  readonly sentMs: number;
  /** The life that was chosen as living when it was sent. */
  readonly livingAtSend: number | undefined;
  /** Lives that had ended when it was sent end before this count. */
  readonly endedAtSend: number;
}
interface Round {
  readonly term: number;
  readonly upTo: number;
  readonly index: number;
}

const nobody = { granted: () => {}, ended: () => {}, checkpointed: () => {}, cleared: () => {} };

class Member {
  term = 0;
  leads = false;
  log: ToyEntry[] = [];
  commit = 0;
  applied = 0;
  readonly table = new ToyTable();
  readonly clock = new LessorClock();
  readonly primary: Primary<Asker>;
  monoMs: number;
  rate = 1;
  ticket = 0;
  match = new Map<Member, number>();
  /** Answers to rounds on their way here. */
  rounds: Round[] = [];
  /** Decided and not yet proposed. */
  outbox: Command[] = [];

  constructor(monoMs: number) {
    this.monoMs = monoMs;
    // No election timeout: it is a courtesy that no promise may rest on.
    this.primary = new Primary({ electionTimeoutMs: 0 }, this.table);
    this.clock.advance(monoMs);
  }
  get onDuty(): boolean {
    return this.leads && this.primary.term === this.term;
  }
}

/** A promise that was broken; its message says which. */
export class Broken extends Error {}

export class World {
  readonly #prng: Prng;
  readonly #members: Member[];
  readonly #unrest: number;
  #nowMs = 0;
  /** The chosen entries and what they come to. */
  #chosen: ToyEntry[] = [];
  readonly #truth = new ToyTable();
  /** By life: no expire may be chosen before. */
  readonly #floorMs = new Map<number, number>();
  readonly #ended: number[] = [];
  /** By life: the index of its grant. */
  readonly #grantedAt = new Map<number, number>();
  /** By stamp: the last recorded remaining. */
  readonly #recorded = new Map<number, number>();
  #asked = 0;
  #answered = 0;
  /** What happened, for the teeth of the test itself. */
  readonly seen = { alive: 0, gone: 0, expired: 0, clears: 0, checkpoints: 0, dropped: 0, elections: 0 };

  constructor(seed: number) {
    this.#prng = new Prng(seed, 'primary-world');
    this.#unrest = this.#prng.pick([0.004, 0.01, 0.04]);
    this.#members = [0, 1, 2].map(() => new Member(this.#prng.below(1e9)));
  }

  run(steps: number): void {
    this.#elect();
    for (let i = 0; i < steps; i++) this.#step();
    this.#heal();
  }

  #step(): void {
    const prng = this.#prng;
    const dice = prng.unit();
    const leaders = this.#members.filter((member) => member.leads);
    const leader = leaders.length === 0 ? undefined : prng.pick(leaders);
    if (dice < this.#unrest) this.#elect();
    else if (dice < 0.16) this.#passTime();
    else if (dice < 0.18) for (const member of this.#members) member.rate = prng.pick([0, 0.7, 1, 1.002, 1.002]);
    else if (leader === undefined) this.#elect();
    else if (dice < 0.21) this.#propose(leader, this.#grant());
    else if (dice < 0.22) this.#revoke(leader);
    else if (dice < 0.36) this.#ask(leader);
    else if (dice < 0.46) this.#append(leader, this.#other(leader), prng.chance(0.8));
    else if (dice < 0.55) this.#round(leader, this.#other(leader));
    else if (dice < 0.63) this.#deliverRound(leader);
    else if (dice < 0.7) this.#apply(prng.pick(this.#members), prng.between(1, 4));
    else if (dice < 0.77) this.#answer(leader);
    else if (dice < 0.84) this.#decide(leader);
    else if (dice < 0.88) this.#flush(leader);
    else this.#turn(leader);
  }

  /** What goes well most of the time: replicated, applied, answered, decided. */
  #turn(leader: Member): void {
    const follower = this.#other(leader);
    this.#flush(leader);
    this.#append(leader, follower, true, leader.log.length);
    this.#round(leader, follower);
    this.#deliverRound(leader);
    this.#apply(leader, 1_000);
    this.#answer(leader);
    if (leader.leads) this.#decide(leader);
  }

  #other(member: Member): Member {
    return this.#prng.pick(this.#members.filter((other) => other !== member));
  }
  #id(): LeaseId {
    return BigInt(this.#prng.between(1, 3));
  }
  #grant(): Command {
    return { type: 'grant', id: this.#id(), ttlMs: this.#prng.pick([50, 3_000, 6_000, 9_000, 40_000, 40_000]) };
  }

  // ── Raft ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #hear(member: Member, term: number): void {
    if (term <= member.term) return;
    member.term = term;
    this.#demote(member);
  }
  /** The one with the older term learns the newer one. */
  #meet(one: Member, other: Member): void {
    this.#hear(one, other.term);
    this.#hear(other, one.term);
  }
  #demote(member: Member): void {
    member.leads = false;
    member.outbox = [];
    member.rounds = [];
    this.#answered += member.primary.demote().length;
  }
  #elect(candidate = this.#prng.pick(this.#members)): void {
    const voter = this.#other(candidate);
    const last = (member: Member): number => member.log.at(-1)?.term ?? 0;
    const upToDate =
      last(candidate) > last(voter) || (last(candidate) === last(voter) && candidate.log.length >= voter.log.length);
    if (!upToDate) return;
    const term = Math.max(candidate.term, voter.term) + 1;
    this.#hear(candidate, term);
    this.#hear(voter, term);
    candidate.leads = true;
    candidate.match = new Map();
    this.seen.elections++;
    candidate.log.push({ term, command: undefined, sentMs: this.#nowMs });
  }
  #propose(leader: Member, command: Command): void {
    leader.log.push({ term: leader.term, command, sentMs: this.#nowMs });
  }
  #append(leader: Member, follower: Member, heard: boolean, length = this.#prng.between(0, leader.log.length)): void {
    this.#meet(leader, follower);
    if (!leader.leads) return;
    // Entries are made once, by one leader: the same last entry means the same log before it.
    if (length > 0 && follower.log[length - 1] !== leader.log[length - 1]) follower.log = leader.log.slice(0, length);
    follower.commit = Math.max(follower.commit, Math.min(leader.commit, length));
    if (leader.log[length - 1]?.term === leader.term) this.#choose(leader.log.slice(0, length));
    if (!heard) return;
    const match = Math.max(leader.match.get(follower) ?? 0, length);
    leader.match.set(follower, match);
    if (leader.log[match - 1]?.term === leader.term) leader.commit = Math.max(leader.commit, match);
  }

  /** These entries are on a quorum: nothing can undo them. */
  #choose(log: ToyEntry[]): void {
    const both = Math.min(log.length, this.#chosen.length);
    if (log[both - 1] !== this.#chosen[both - 1]) throw new Broken('the toy Raft chose two entries for one index');
    for (const entry of log.slice(this.#chosen.length)) {
      this.#chosen.push(entry);
      const { command } = entry;
      if (command === undefined) continue;
      if (command.type === 'checkpoint') this.#checkRecords(command);
      const ended = this.#truth.apply(command, entry.term, nobody);
      for (const life of ended) {
        const floorMs = this.#floorMs.get(life) ?? 0;
        if (command.type === 'expire' && this.#nowMs < floorMs) {
          throw new Broken(`L1: life ${life} expired ${floorMs - this.#nowMs} ms early`);
        }
        this.#ended.push(life);
      }
      if (command.type === 'expire') {
        this.seen.expired += ended.length;
        this.seen.dropped += command.leases.length - ended.length;
      }
      if (command.type === 'clear') this.seen.clears++;
      if (command.type === 'grant') {
        const life = this.#truth.lifeAt(this.#truth.slotOf(command.id));
        if (this.#grantedAt.has(life)) continue;
        this.#grantedAt.set(life, this.#chosen.length);
        this.#floorMs.set(life, Math.max(this.#floorMs.get(life) ?? 0, entry.sentMs + command.ttlMs));
      }
    }
  }
  #checkRecords(command: Extract<Command, { type: 'checkpoint' }>): void {
    for (const { id, stamp, remainingMs } of command.leases) {
      const slot = this.#truth.slotOf(id);
      if (slot < 0 || this.#truth.stampAt(slot) !== stamp) continue;
      this.seen.checkpoints++;
      if (remainingMs < 1 || remainingMs > this.#truth.grantedMsAt(slot)) throw new Broken('L6: 1 <= R <= granted');
      if (remainingMs > (this.#recorded.get(stamp) ?? Number.POSITIVE_INFINITY)) throw new Broken('L6: R rose');
      this.#recorded.set(stamp, remainingMs);
    }
  }

  // ── the node's part ────────────────────────────────────────────────────────────────────────────────────────────────

  #apply(member: Member, count: number): void {
    for (let i = 0; i < count && member.applied < member.commit; i++) {
      const entry = member.log[member.applied++] as ToyEntry;
      this.#applyEntry(member, entry);
    }
    member.primary.applied(member.applied, member.clock.nowMs);
  }
  #applyEntry(member: Member, { term, command }: ToyEntry): void {
    const { primary, clock } = member;
    if (command === undefined) {
      if (!member.leads || term !== member.term) return;
      primary.promote(term, clock.nowMs);
      while (!primary.promotionSlice(clock.nowMs));
      return;
    }
    const observer = {
      granted: (slot: number) => primary.granted(slot, clock.nowMs),
      ended: (slot: number) => primary.ended(slot),
      checkpointed: (slot: number) => primary.checkpointed(slot),
      cleared: (slot: number) => primary.cleared(slot, clock.nowMs),
    };
    member.table.apply(command, term, primary.term === undefined ? nobody : observer);
    if (command.type === 'revoke') primary.revokeSettled(command.id);
    if (command.type === 'expire' || command.type === 'checkpoint' || command.type === 'clear')
      primary.settled(command);
  }
  #revoke(leader: Member): void {
    const id = this.#id();
    this.#propose(leader, { type: 'revoke', id });
    leader.primary.revokeProposed(id, leader.term);
  }
  #ask(leader: Member): void {
    const id = this.#id();
    const slot = this.#truth.slotOf(id);
    const kind = this.#prng.chance(0.9) ? 'keepAlive' : 'timeToLive';
    // Not merely chosen: somebody may have been told of the grant only once a member knew that it was committed.
    const life = slot < 0 ? 0 : this.#truth.lifeAt(slot);
    const known = Math.max(...this.#members.map(({ commit }) => commit));
    const livingAtSend = slot >= 0 && (this.#grantedAt.get(life) ?? 0) <= known ? life : undefined;
    const key: Asker = { id, kind, sentMs: this.#nowMs, livingAtSend, endedAtSend: this.#ended.length };
    this.#asked++;
    leader.primary.ask({ key, kind, id, ticket: ++leader.ticket, receiptMs: leader.clock.nowMs });
  }
  #round(leader: Member, follower: Member): void {
    const round = { term: leader.term, upTo: leader.ticket, index: leader.commit };
    this.#meet(leader, follower);
    if (!leader.leads) return;
    leader.rounds.push(round);
  }
  #deliverRound(leader: Member): void {
    const round = leader.rounds.splice(this.#prng.below(leader.rounds.length), 1)[0];
    if (round !== undefined && round.term === leader.term) leader.primary.roundAnswered(round.upTo, round.index);
  }
  #answer(leader: Member): void {
    if (!leader.onDuty) return;
    for (const { key, answer } of leader.primary.takeAnswers(leader.clock.nowMs)) {
      this.#answered++;
      const living = this.#truth.slotOf(key.id);
      if (answer.type === 'gone') {
        this.seen.gone++;
        if (living >= 0 && this.#truth.lifeAt(living) === key.livingAtSend) {
          throw new Broken('L2-mirror: "gone" for a lease that lived all the while');
        }
        continue;
      }
      if (key.kind === 'timeToLive') continue;
      this.seen.alive++;
      const life = leader.table.lifeAt(leader.table.slotOf(key.id));
      if (this.#ended.indexOf(life) >= 0 && this.#ended.indexOf(life) < key.endedAtSend) {
        throw new Broken('L2: a renewal of a lease that had ended before it was sent');
      }
      this.#floorMs.set(life, Math.max(this.#floorMs.get(life) ?? 0, key.sentMs + answer.remainingMs));
      if (this.#ended.includes(life) && this.#nowMs < key.sentMs + answer.remainingMs) this.#checkLate(life);
    }
  }
  /** An answer came after the end was chosen: legal for a revoke, too late for an expire. */
  #checkLate(life: number): void {
    const byExpire = this.#expiredLives.has(life);
    if (byExpire) throw new Broken(`L1: life ${life} was acknowledged after its expire was chosen`);
  }
  get #expiredLives(): Set<number> {
    const truth = new ToyTable();
    const lives = new Set<number>();
    for (const { command, term } of this.#chosen) {
      if (command === undefined) continue;
      for (const life of truth.apply(command, term, nobody)) if (command.type === 'expire') lives.add(life);
    }
    return lives;
  }
  #decide(leader: Member): void {
    if (!leader.onDuty) return;
    const commands = leader.primary.decide(leader.clock.nowMs);
    // Busy: from some command on nothing was proposed.
    const taken = this.#prng.chance(0.15) ? this.#prng.below(commands.length + 1) : commands.length;
    for (const command of commands.slice(taken)) leader.primary.undecided(command);
    leader.outbox.push(...commands.slice(0, taken));
    if (this.#prng.chance(0.6)) this.#flush(leader);
  }
  #flush(leader: Member): void {
    for (const command of leader.outbox.splice(0)) this.#propose(leader, command);
  }

  // ── time ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #passTime(): void {
    const prng = this.#prng;
    let ms = prng.pick([1, 20, 300, 2_000, 7_000]) * (0.5 + prng.unit());
    // Often exactly to where something falls due: there the promises are tight.
    const tight = prng.pick(this.#members);
    const waits = [...this.#floorMs.values()].map((floorMs) => floorMs - this.#nowMs).filter((wait) => wait > 0);
    if (prng.chance(0.4) && waits.length > 0 && tight.rate > 0)
      ms = Math.min(20_000, prng.pick(waits) - prng.unit() * 3);
    if (ms > 0) this.#advance(ms);
  }
  #advance(ms: number): void {
    this.#nowMs += ms;
    for (const member of this.#members) {
      const stall = this.#prng.chance(0.05);
      const endMs = member.monoMs + ms * member.rate;
      // Many turns in which nothing else happened, or one long stall.
      while (!stall && member.monoMs + 250 < endMs) {
        member.monoMs += 250;
        member.clock.advance(member.monoMs);
      }
      member.monoMs = endMs;
      member.clock.advance(endMs);
    }
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** One leader, good links, true clocks: every question is answered and every lease ends. */
  #heal(): void {
    for (const member of this.#members) member.rate = 1;
    let leader = this.#members[0] as Member;
    for (const member of this.#members) this.#hear(member, Math.max(...this.#members.map(({ term }) => term)) + 1);
    for (let i = 0; i < 100 && !leader.leads; i++) {
      leader = this.#prng.pick(this.#members);
      this.#elect(leader);
    }
    const ids = this.#truth.ids;
    for (const id of ids) {
      const asker = { id, kind: 'keepAlive' as const, sentMs: this.#nowMs, livingAtSend: undefined, endedAtSend: 0 };
      this.#asked++;
      leader.primary.ask({ key: asker, kind: 'keepAlive', id, ticket: ++leader.ticket, receiptMs: leader.clock.nowMs });
    }
    for (let turn = 0; turn < 190; turn++) {
      for (const member of this.#members) {
        if (member === leader) continue;
        this.#append(leader, member, true, leader.log.length);
        this.#round(leader, member);
        this.#deliverRound(leader);
      }
      for (const member of this.#members) this.#apply(member, 1_000);
      this.#answer(leader);
      if (leader.onDuty) leader.outbox.push(...leader.primary.decide(leader.clock.nowMs));
      this.#flush(leader);
      if (turn === 10 && this.#asked !== this.#answered) {
        throw new Broken(`${this.#asked} questions were asked, ${this.#answered} answered`);
      }
      this.#advance(turn < 10 ? 1 : 240);
    }
    if (this.#truth.count > 0) throw new Broken(`L4: ${this.#truth.count} leases outlived their TTL by seconds`);
    const { backlog, expiresInFlight, clearsInFlight, leasesAside } = leader.primary.stats();
    if (backlog + expiresInFlight + clearsInFlight + leasesAside > 0)
      throw new Broken('L7: something is still pending');
  }
}
