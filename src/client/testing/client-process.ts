/**
 * A client's process in a test, with clocks of its own and a network that can fail it: what a test does to it. Made by `TestCluster`.
 */

import { Client } from '../client.ts';
import type { Clock } from '../clock.ts';
import { LeaseError } from '../errors.ts';
import type { ClientOptions } from '../options.ts';
import type { Channel, Connect } from '../transport/channel.ts';
import { parseEndpoint } from '../transport/endpoint.ts';
import { durationMs } from '../values.ts';
import { MemoryChannel } from './channel.ts';
import type { Host, ResumeOrder } from './host.ts';
import type { TestMember } from './member.ts';
import type { Link, Network } from './network.ts';

/** What goes through a link that is cut for a client: what it asks, what it is answered, or neither. */
export type Way = 'both' | 'requests' | 'answers';

/** As clients have it that are told nothing else. */
const pingMsDefault = 5_000;

/** A client's options, without those that the cluster gives. */
export interface TestClientOptions extends Omit<ClientOptions, 'endpoints' | 'clock' | 'connect' | 'tls'> {
  /** Some of `TestCluster.endpoints`; all of them if not given. */
  readonly endpoints?: readonly string[];
}

/** What a process needs of its cluster. */
export interface ClientWorld {
  readonly network: Network;
  readonly members: readonly TestMember[];
  /** Hears of every call. */
  readonly asked: () => void;
}

/** Made by `TestCluster.process()`. */
export class ClientProcess {
  readonly #host: Host;
  readonly #world: ClientWorld;
  readonly #clients = new Set<Client>();
  readonly #channels = new Set<{ readonly index: number; readonly channel: MemoryChannel }>();

  /** @internal */
  constructor(host: Host, world: ClientWorld) {
    this.#host = host;
    this.#world = world;
  }

  /** The clocks and timers of this process; give them to code of yours that takes a clock. */
  get clock(): Clock {
    return this.#host;
  }

  /** The way to members from this process, for code of yours that makes its client itself: `{ endpoints, clock, connect }`. */
  get connect(): Connect {
    return (endpoint) => this.#connect(endpoint, pingMsDefault);
  }

  /** A client in this process. It is closed with the cluster, if not before. */
  client({ endpoints, ...options }: TestClientOptions = {}): Client {
    const { members } = this.#world;
    const pingMs = durationMs(options.ping ?? pingMsDefault, 'ping');
    const client = new Client({
      ...options,
      endpoints: endpoints ?? members.map(({ plan }) => plan.endpoint),
      clock: this.#host,
      connect: (endpoint) => this.#connect(endpoint, pingMs),
    });
    this.#clients.add(client);
    return client;
  }

  // ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The process stands still, as under SIGSTOP or in a long collection of garbage: no timer runs, nothing that it is sent arrives. */
  pause(): void {
    this.#host.pause();
  }

  /** The machine sleeps: as `pause`, and its monotonic clock stands still. Its wall clock goes on. */
  suspend(): void {
    this.#host.suspend();
  }

  /**
   * It goes on: everything that was due or arrived meanwhile happens now, late. `first`: the timers, as when Node wakes up in its phase
   * of timers, or the messages.
   */
  resume({ first = 'timers' }: { readonly first?: ResumeOrder } = {}): void {
    this.#host.resume(first);
  }

  /** Its wall clock is set forward by so many milliseconds, or back. */
  jumpWall(byMs: number): void {
    this.#host.jumpWall(byMs);
  }

  // ── network ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Nothing gets through to that member any more. As over TCP, what is sent meanwhile arrives after `heal`, unless one of the ends has
   * given the connection up by then; `disconnect` makes sure that it is lost.
   */
  cut(member: number, way: Way = 'both'): void {
    const [there, back] = this.#links(member);
    if (way !== 'answers') there.cut();
    if (way !== 'requests') back.cut();
  }

  /** Cuts it off from every member. */
  isolate(way: Way = 'both'): void {
    for (const index of this.#world.members.keys()) this.cut(index, way);
  }

  /** What goes to that member and comes from it takes so much longer each way, in milliseconds, until `heal`. */
  slow(member: number, byMs: number): void {
    for (const link of this.#links(member)) link.slow(byMs);
  }

  /** That member, or every one, can be reached again. */
  heal(member?: number): void {
    for (const index of member === undefined ? this.#world.members.keys() : [member])
      for (const link of this.#links(index)) link.heal();
  }

  /** Its connections to that member, or to all, break at both ends; what is on its way is lost. */
  disconnect(member?: number): void {
    for (const { index, channel } of this.#channels) if (member === undefined || index === member) channel.disconnect();
  }

  /** It is killed: no timer of it runs any more, and its connections break. What its clients waited for never comes. */
  kill(): void {
    for (const { channel } of this.#channels) channel.abandon();
    this.#clients.clear();
    this.#host.end();
  }

  /** @internal Timers that will run, and calls that are not over: none once its clients are closed. */
  get pending(): number {
    let calls = 0;
    for (const { channel } of this.#channels) calls += channel.calls;
    return this.#host.pending + calls;
  }

  /** @internal Closes what is open. */
  async close(): Promise<void> {
    await Promise.all([...this.#clients].map((client) => client.close()));
    for (const { channel } of this.#channels) channel.close();
    this.#clients.clear();
  }

  #connect(endpoint: string, pingMs: number): Channel {
    const { target } = parseEndpoint(endpoint, false);
    const { members, network, asked } = this.#world;
    const index = members.findIndex(({ plan }) => plan.endpoint === target);
    const member = members[index];
    if (member === undefined) throw new LeaseError('invalid_argument', `no member of the cluster is at ${endpoint}`);
    for (const each of this.#channels) if (each.channel.closed) this.#channels.delete(each);
    const channel = new MemoryChannel(endpoint, this.#host, member, network, { pingMs, asked });
    this.#channels.add({ index, channel });
    return channel;
  }

  #links(index: number): readonly [Link, Link] {
    const member = this.#world.members[index];
    if (member === undefined) throw new LeaseError('invalid_argument', `the cluster has no member ${index}`);
    const { network } = this.#world;
    return [network.link(this.#host, member.host), network.link(member.host, this.#host)];
  }
}

/** How far a clock is from true: `drift` 0.001 is a thousandth fast. */
export interface ProcessOptions {
  readonly drift?: number;
}
