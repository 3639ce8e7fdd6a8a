/**
 * `leasehold/client/testing`: tests without a server. A whole cluster in the test's own process: the members are the real ones, their
 * disks and their network are memory, and time passes only when the test says so, so that a lease of an hour expires in a moment and
 * always at the same one. The same seed and the same test are the same run, on every machine, however slow.
 *
 * ```ts
 * import { TestCluster } from 'leasehold/client/testing';
 *
 * await using cluster = await TestCluster.start({ members: 3 });
 * const client = cluster.client();
 * await cluster.until(async () => {
 *   const { id } = await client.grant('10s');
 *   await cluster.killLeader();
 *   await cluster.advance('15s');
 *   (await client.timeToLive(id)).ttl; // -1n: it is gone
 * });
 * ```
 */
import { Prng } from '../../base/prng.ts';
import type { Client } from '../client.ts';
import type { Clock } from '../clock.ts';
import { LeaseError } from '../errors.ts';
import { type Duration, durationMs } from '../values.ts';
import { ClientProcess, type ProcessOptions, type TestClientOptions } from './client-process.ts';
import { Driver } from './driver.ts';
import { Host } from './host.ts';
import { plansOf, TestMember, type TestMemberStatus } from './member.ts';
import { Network } from './network.ts';
import { Peers } from './peers.ts';
import { Timeline } from './timeline.ts';

export type { Clock, Timer } from '../clock.ts';
export { CallFailure } from '../errors.ts';
export type { Channel, Connect, Metadata, StreamCall, StreamSink, UnaryOptions } from '../transport/channel.ts';
export type { ClientProcess, ProcessOptions, TestClientOptions, Way } from './client-process.ts';
export type { ResumeOrder } from './host.ts';
export type { TestMemberStatus } from './member.ts';

/** What a test cluster is made of. */
export interface TestClusterOptions {
  /** One to nine; three if not given. */
  readonly members?: number;
  /** What happens by chance follows from it; 1 if not given. */
  readonly seed?: number | bigint;
  /** How far members' clocks are from true, in their order; 0.001 is a thousandth fast, and what is not given is true. */
  readonly drifts?: readonly number[];
  /** @internal Is shown all members after each step, before programs go on; what it throws ends every wait for time to pass. */
  readonly look?: (members: readonly TestMember[]) => void;
}

const membersMax = 9;
/** What `until` waits for if it is not told. */
const withinMsDefault = 300_000;
const startMsMax = 60_000;
/** Between two looks at what is waited for. */
const lookMs = 10;

/** A cluster in the test's process. Made by `start`; stop it, or make it by `await using`. */
export class TestCluster implements AsyncDisposable {
  readonly #timeline = new Timeline();
  readonly #driver: Driver;
  readonly #seed: bigint;
  readonly #network: Network;
  readonly #peers: Peers;
  readonly #members: readonly TestMember[];
  readonly #processes: ClientProcess[] = [];
  readonly #own: ClientProcess;
  #stopped = false;

  private constructor(count: number, seed: bigint, { drifts = [], look }: TestClusterOptions) {
    this.#seed = seed;
    this.#driver = new Driver(this.#timeline, () => look?.(this.#members));
    this.#network = new Network(this.#timeline, seed);
    this.#peers = new Peers(this.#timeline, this.#network, seed);
    const peers = this.#peers;
    this.#members = plansOf(count).map((plan, index) => {
      const random = new Prng(seed, `host ${plan.name}`);
      const host = new Host(plan.name, this.#timeline, random, 1 + (drifts[index] ?? 0), random.between(0, 1_000_000));
      const bug = (error: unknown): void => this.#driver.fail(error);
      const member = new TestMember(plan, host, { seed, peers, bug });
      peers.add(member);
      return member;
    });
    this.#own = this.#process('test', 1, 0);
  }

  /** Starts the members and returns when they have a leader and know each other's addresses. */
  static async start(options: TestClusterOptions = {}): Promise<TestCluster> {
    const { members = 3, seed = 1 } = options;
    if (!Number.isInteger(members) || members < 1 || members > membersMax)
      throw new LeaseError('invalid_argument', `members is ${members}; a test cluster has 1 to ${membersMax}`);
    const cluster = new TestCluster(members, BigInt(seed), options);
    for (const index of cluster.#members.keys()) cluster.restart(index);
    await cluster.#look(startMsMax, () => cluster.#isReady());
    return cluster;
  }

  // ── clients ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Where clients find the members. */
  get endpoints(): readonly string[] {
    return this.#members.map(({ plan }) => plan.endpoint);
  }

  /** A client in a process that nothing happens to; see `process` for others. */
  client(options?: TestClientOptions): Client {
    return this.#own.client(options);
  }

  /** A client's process of its own, to be paused, cut off and killed. `drift`: how fast its clocks run, 0.001 for a thousandth too fast. */
  process({ drift = 0 }: ProcessOptions = {}): ClientProcess {
    const name = `client${this.#processes.length}`;
    // Monotonic clocks of two machines have nothing to do with each other.
    return this.#process(name, 1 + drift, new Prng(this.#seed, `start ${name}`).between(0, 1_000_000_000));
  }

  // ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Virtual time: give it to code of yours that takes a clock. */
  get clock(): Clock {
    return this.#own.clock;
  }

  /** Lets so much time pass; returns when everything that happens in it has happened, and what follows from it. */
  async advance(duration: Duration): Promise<void> {
    this.#mustRun();
    await this.#driver.advance(durationMs(duration, 'duration'));
  }

  /**
   * Lets time pass until the promise, or what the function does, is settled, and returns what it came to. Rejects with a `LeaseError`
   * (`timeout`) if that takes more than `within` of virtual time, five minutes if not given. What waits for real time, for a file or a
   * socket, is not waited for: the virtual time may be over before it has happened.
   */
  async until<T>(work: Promise<T> | (() => Promise<T>), { within }: { readonly within?: Duration } = {}): Promise<T> {
    this.#mustRun();
    const withinMs = within === undefined ? withinMsDefault : durationMs(within, 'within');
    return await this.#driver.until(typeof work === 'function' ? work() : work, withinMs);
  }

  /** 16 hexadecimal digits that two runs have in common if everything in them happened at the same times in the same order. */
  get fingerprint(): string {
    return this.#timeline.fingerprint;
  }

  // ── members ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Which member leads, counted from 0; undefined while none does. */
  get leader(): number | undefined {
    let leader: number | undefined;
    let leaderTerm = -1;
    for (const [index, { node }] of this.#members.entries()) {
      if (node?.raft.role !== 'leader' || node.raft.term <= leaderTerm) continue;
      leader = index;
      leaderTerm = node.raft.term;
    }
    return leader;
  }

  /** Lets time pass until a member leads that can reach a majority, and returns which. */
  async untilLeader({ within = '60s' }: { readonly within?: Duration } = {}): Promise<number> {
    await this.#look(durationMs(within, 'within'), () => this.#onDuty !== undefined);
    return this.#onDuty as number;
  }

  /** A member as it is now, counted from 0. */
  status(index: number): TestMemberStatus {
    return this.#member(index).status();
  }

  /** Kills a member's process, as `kill -9` does: its connections break, its disks stay. Nothing happens to one that is down. */
  kill(index: number): void {
    const member = this.#member(index);
    if (!member.up) return;
    member.kill();
    this.#peers.ended(member);
  }

  /** Kills the member that leads, waiting for one if need be, and returns which it was. */
  async killLeader(): Promise<number> {
    const leader = this.leader ?? (await this.untilLeader());
    this.kill(leader);
    return leader;
  }

  /** Starts a member again from its disks, killing it first if it runs. */
  restart(index: number): void {
    const member = this.#member(index);
    this.kill(index);
    member.start();
    this.#peers.started(member);
  }

  /** A member's process stands still until `resume`, its clock does not. */
  pause(index: number): void {
    this.#member(index).host.pause();
    this.#peers.disturbed();
  }

  /** A paused member goes on. */
  resume(index: number): void {
    this.#member(index).host.resume('timers');
    this.#peers.calmed();
  }

  // ── network between members ──────────────────────────────────────────────────────────────────────────────────────────

  /** Two members do not reach each other any more; clients still reach both. */
  cut(one: number, other: number): void {
    const { host: a } = this.#member(one);
    const { host: b } = this.#member(other);
    this.#network.link(a, b).cut();
    this.#network.link(b, a).cut();
    this.#peers.disturbed();
  }

  /** Cuts a member off from all others; clients still reach it. */
  isolate(index: number): void {
    for (const other of this.#members.keys()) if (other !== index) this.cut(index, other);
  }

  /** All of the network is whole again, that of clients too. */
  heal(): void {
    this.#network.heal();
    this.#peers.calmed();
  }

  // ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Closes all clients and ends the members. Nothing is left of either; time does not pass any more. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    const closed = Promise.all(this.#processes.map((process) => process.close()));
    await this.#driver.until(closed, startMsMax).catch(() => undefined);
    for (const index of this.#members.keys()) this.kill(index);
    this.#timeline.clear();
    this.#driver.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  // ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #process(name: string, rate: number, startMs: number): ClientProcess {
    const host = new Host(name, this.#timeline, new Prng(this.#seed, `host ${name}`), rate, startMs);
    const process = new ClientProcess(host, {
      network: this.#network,
      members: this.#members,
      asked: () => this.#driver.asked(),
    });
    this.#processes.push(process);
    return process;
  }

  #member(index: number): TestMember {
    const member = this.#members[index];
    if (member !== undefined) return member;
    throw new LeaseError('invalid_argument', `member ${index} of ${this.#members.length}: they are counted from 0`);
  }

  /** Every member that runs knows a leader and where all of them are. */
  #isReady(): boolean {
    return this.#members.every(({ node }) => {
      if (node === undefined || node.raft.leader === 0n) return false;
      return node.machine.members().filter(({ name }) => name !== '').length === this.#members.length;
    });
  }

  get #onDuty(): number | undefined {
    const { leader = -1 } = this;
    return this.#members[leader]?.node?.dutyTerm === undefined ? undefined : leader;
  }

  async #look(withinMs: number, holds: () => boolean): Promise<void> {
    this.#mustRun();
    const endMs = this.#timeline.nowMs + withinMs;
    while (!holds()) {
      if (this.#timeline.nowMs >= endMs) throw new LeaseError('timeout', `not within ${withinMs} ms of virtual time`);
      await this.#driver.advance(lookMs);
    }
  }

  #mustRun(): void {
    if (this.#stopped) throw new LeaseError('closed', 'the test cluster is stopped');
  }
}
