/**
 * Clients of the simulated cluster: leases kept alive at TTL/3 and leases that nobody renews, leased keys, reads, revokes,
 * through any member. Every answer goes to the checkers. A client's own clock is virtual time.
 */
import type { Prng } from '../../src/base/prng.ts';
import type { Answer, Input, RenewalAnswer } from '../../src/node/input.ts';
import type { Command } from '../../src/state/command.ts';
import type { Checks } from './checks.ts';
import type { SimMember, World } from './world.ts';

export interface WorkloadOptions {
  readonly clients: number;
  /** Shortest and longest TTL granted. */
  readonly ttlMsMin: number;
  readonly ttlMsMax: number;
  readonly timeoutMs: number;
  /** Chance that a client stops renewing a lease at each step. */
  readonly sickness: number;
}

export const usualWorkload: WorkloadOptions = {
  clients: 6,
  ttlMsMin: 600,
  ttlMsMax: 12_000,
  timeoutMs: 5_000,
  sickness: 0.02,
};

interface HeldLease {
  readonly id: bigint;
  readonly ttlMs: number;
  keptAlive: boolean;
}

export class Workload {
  readonly #world: World;
  readonly #checks: Checks;
  readonly #prng: Prng;
  readonly #options: WorkloadOptions;
  #nextId = 1n;
  running = true;
  asked = 0;
  ended = 0;

  constructor(world: World, checks: Checks, prng: Prng, options: WorkloadOptions = usualWorkload) {
    this.#world = world;
    this.#checks = checks;
    this.#prng = prng;
    this.#options = options;
    for (let client = 0; client < options.clients; client++) this.#loop(client, []);
  }

  #loop(client: number, leases: HeldLease[]): void {
    if (!this.running) return;
    this.#step(client, leases);
    this.#world.timeline.after(this.#prng.between(5, 400), () => this.#loop(client, leases));
  }

  #step(client: number, leases: HeldLease[]): void {
    const dice = this.#prng.below(100);
    const lease = leases.length > 0 ? this.#prng.pick(leases) : undefined;
    if (dice < 20 || lease === undefined) this.#grant(leases);
    else if (dice < 55) this.#put(client, lease);
    else if (dice < 65) this.#read();
    else if (dice < 72) this.#timeToLive(lease);
    else if (dice < 78) this.#revoke(lease, leases);
    else if (dice < 84) this.#delete(client);
    if (lease !== undefined && this.#prng.chance(this.#options.sickness)) lease.keptAlive = false;
    if (leases.length > 40) for (const old of leases.splice(0, 20)) old.keptAlive = false;
  }

  #grant(leases: HeldLease[]): void {
    const id = this.#prng.chance(0.1) ? BigInt(this.#prng.between(-3, -1)) : this.#nextId++;
    const { ttlMsMin, ttlMsMax } = this.#options;
    const ttlMs = this.#prng.chance(0.05) ? 2_500_000_000 : this.#prng.between(ttlMsMin, ttlMsMax);
    const sentMs = this.#world.timeline.nowMs;
    this.#propose({ type: 'grant', id, ttlMs }, (answer) => {
      if (answer.type !== 'outcome' || !answer.outcome.ok) return;
      this.#checks.leases.acked(id, sentMs, this.#world.timeline.nowMs, ttlMs);
      const held = { id, ttlMs, keptAlive: this.#prng.chance(0.7) };
      leases.push(held);
      this.#keepAlive(held);
    });
  }

  #keepAlive(lease: HeldLease): void {
    const period = Math.min(lease.ttlMs / 3, 2_000);
    this.#world.timeline.after(period * (0.5 + this.#prng.unit()), () => {
      if (!lease.keptAlive || !this.running) return;
      const sentMs = this.#world.timeline.nowMs;
      this.#ask('keepAlive', lease.id, (answer) => {
        if (answer.type === 'alive')
          this.#checks.leases.acked(lease.id, sentMs, this.#world.timeline.nowMs, answer.grantedMs);
        else if (answer.type === 'gone') {
          this.#checks.leases.gone(lease.id, sentMs, this.#world.timeline.nowMs);
          lease.keptAlive = false;
        }
      });
      this.#keepAlive(lease);
    });
  }

  #timeToLive(lease: HeldLease): void {
    const sentMs = this.#world.timeline.nowMs;
    this.#ask('timeToLive', lease.id, (answer) => {
      if (answer.type === 'gone') this.#checks.leases.gone(lease.id, sentMs, this.#world.timeline.nowMs);
    });
  }

  #put(client: number, lease: HeldLease): void {
    const key = Buffer.from(`k${this.#prng.below(12)}`);
    const value = Buffer.from(`${client}:${this.#world.timeline.nowMs}`);
    const command: Command = {
      type: 'put',
      key,
      value,
      lease: this.#prng.chance(0.8) ? lease.id : 0n,
      prevKv: false,
      ignoreValue: false,
      ignoreLease: false,
    };
    this.#propose(command, () => undefined);
  }

  #delete(client: number): void {
    const key = Buffer.from(`k${client}`);
    this.#propose({ type: 'deleteRange', key, rangeEnd: Buffer.alloc(0), prevKv: true }, () => undefined);
  }

  #revoke(lease: HeldLease, leases: HeldLease[]): void {
    leases.splice(leases.indexOf(lease), 1);
    this.#propose({ type: 'revoke', id: lease.id }, () => undefined);
  }

  #read(): void {
    const member = this.#anyMember();
    if (member === undefined) return;
    const floor = this.#checks.revisionFloor;
    this.#enter(member, (reply) => ({
      type: 'barrier',
      timeoutMs: this.#options.timeoutMs,
      reply: reply((answer) => {
        if (answer.type === 'reached') this.#checks.readAt(member.node?.machine.revision ?? 0, floor);
      }),
    }));
  }

  #propose(command: Command, then: (answer: Answer) => void): void {
    const member = this.#anyMember();
    if (member === undefined) return;
    this.#enter(member, (reply) => ({
      type: 'propose',
      command,
      timeoutMs: this.#options.timeoutMs,
      reply: reply((answer: Answer) => {
        this.#checks.answered(command, answer);
        then(answer);
      }),
    }));
  }

  #ask(kind: 'keepAlive' | 'timeToLive', id: bigint, then: (answer: RenewalAnswer) => void): void {
    const member = this.#anyMember();
    if (member === undefined) return;
    this.#enter(member, (reply) => ({
      type: 'question',
      kind,
      id,
      timeoutMs: this.#options.timeoutMs,
      reply: reply(then),
    }));
  }

  /** Counts what is asked and what is answered: every call must end (V3) unless its member crashed. */
  #enter(member: SimMember, make: (reply: <A>(then: (answer: A) => void) => (answer: A) => void) => Input): void {
    const boot = member.boots;
    this.asked++;
    let done = false;
    member.forgotten.push(() => {
      if (!done) this.ended++;
      done = true;
    });
    const reply =
      <A>(then: (answer: A) => void) =>
      (answer: A) => {
        if (done || member.boots !== boot) return;
        done = true;
        this.ended++;
        then(answer);
      };
    member.enqueue(make(reply));
  }

  /** Clients reach every member that runs, whatever the links between members do. */
  #anyMember(): SimMember | undefined {
    const up = this.#world.members.filter((member) => member.node !== undefined);
    return up.length === 0 ? undefined : this.#prng.pick(up);
  }
}
