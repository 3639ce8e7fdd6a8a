/**
 * Real `Peers` on loopback for tests, with everything they report kept and awaitable. Timings are short; a test waits for an event or
 * for a condition, never for a time to pass.
 */
import { onTestFinished } from 'vitest';
import type { PeerMessage } from '../../src/node/peer-message.ts';
import type { PeerAddress } from '../../src/peer/address.ts';
import type { KnownBoots } from '../../src/peer/dial.ts';
import type { BootVerdict } from '../../src/peer/handshake.ts';
import { type PeerRefused, Peers } from '../../src/peer/peers.ts';
import type { SnapshotReceiver } from '../../src/peer/snapshot-stream.ts';
import { defaultTimings, type PeerTimings } from '../../src/peer/timings.ts';
import type { SnapshotHead } from '../../src/raft/message.ts';
import type { MemberId } from '../../src/store/entry.ts';
import type { ImageRecord } from '../../src/store/image.ts';
import { TcpProxy } from '../support/proxy.ts';

export const testCluster = 0xc1057e4n;

export const fastTimings: PeerTimings = {
  ...defaultTimings,
  handshakeMs: 2_000,
  pingMs: 50,
  silenceMs: 400,
  backoffMsMin: 5,
  backoffMsMax: 40,
};

/** Known boots in memory, with the manners of `disk/known-boots.ts`: known at once, on disk later; `noted` keeps the order. */
export class MemoryBoots implements KnownBoots {
  readonly boots = new Map<MemberId, number>();
  readonly tokens = new Map<MemberId, bigint>();
  readonly noted: [MemberId, number][] = [];
  /** What the disk waits for, to test what may not happen before it. */
  gate: Promise<void> = Promise.resolve();
  #writing: Promise<void> = Promise.resolve();

  seen(member: MemberId): number {
    return this.boots.get(member) ?? 0;
  }

  check(member: MemberId, boot: number, token: bigint): BootVerdict {
    const seen = this.seen(member);
    if (boot !== seen) return boot > seen ? 'new' : 'older';
    const known = this.tokens.get(member) ?? 0n;
    return known === 0n || token === 0n || known === token ? 'same' : 'older';
  }

  note(member: MemberId, boot: number, token: bigint): Promise<void> {
    if (this.check(member, boot, token) === 'new') {
      this.boots.set(member, boot);
      this.tokens.set(member, token);
      const gate = this.gate;
      this.#writing = this.#writing.then(() => gate).then(() => void this.noted.push([member, boot]));
    }
    return this.#writing;
  }
}

/** Keeps what a snapshot stream delivered. */
export class MemoryReceiver implements SnapshotReceiver {
  readonly log: string[] = [];
  head: SnapshotHead | undefined;
  records: ImageRecord[] = [];
  /** Waited for in each chunk. */
  gate: () => Promise<void> = () => Promise.resolve();
  refuseEnd: string | undefined;
  refuseBegin: string | undefined;

  begin(head: SnapshotHead): void {
    if (this.refuseBegin !== undefined) throw new Error(this.refuseBegin);
    this.log.push('begin');
    this.head = head;
    this.records = [];
  }
  async chunk(records: readonly ImageRecord[]): Promise<void> {
    await this.gate();
    this.records.push(...records);
  }
  async end(): Promise<void> {
    if (this.refuseEnd !== undefined) throw new Error(this.refuseEnd);
    this.log.push('end');
  }
  abort(): void {
    this.log.push('abort');
    this.records = [];
  }
}

export interface MemberOptions {
  readonly clusterId?: bigint;
  readonly timings?: Partial<PeerTimings>;
  readonly boots?: MemoryBoots;
  readonly fresh?: boolean;
}

/** One member, listening. Closed when the test ends. */
export class TestMember {
  readonly id: MemberId;
  readonly peers: Peers;
  readonly boots: MemoryBoots;
  readonly receiver = new MemoryReceiver();
  readonly messages: PeerMessage[] = [];
  readonly lost: MemberId[] = [];
  readonly refused: PeerRefused[] = [];
  fresh: boolean;
  port = 0;
  /** Called with each message, in the step in which it arrives. */
  onMessage: (message: PeerMessage) => void = () => {};

  constructor(id: MemberId, peers: readonly PeerAddress[], options: MemberOptions = {}) {
    this.id = id;
    this.boots = options.boots ?? new MemoryBoots();
    this.fresh = options.fresh ?? false;
    this.peers = new Peers({
      clusterId: options.clusterId ?? testCluster,
      member: id,
      peers,
      knownBoots: this.boots,
      fresh: () => this.fresh,
      snapshots: this.receiver,
      events: {
        onMessage: (message) => {
          this.messages.push(message);
          this.onMessage(message);
        },
        onLinkLost: (member) => void this.lost.push(member),
        onRefused: (refused) => void this.refused.push(refused),
      },
      timings: { ...fastTimings, ...options.timings },
    });
  }

  static async listening(id: MemberId, peers: readonly PeerAddress[], options?: MemberOptions): Promise<TestMember> {
    const member = new TestMember(id, peers, options);
    await member.listen();
    return member;
  }

  async listen(port = 0): Promise<void> {
    this.port = await this.peers.listen('127.0.0.1', port);
    onTestFinished(() => this.peers.close());
  }

  get address(): PeerAddress {
    return { member: this.id, url: `http://127.0.0.1:${this.port}` };
  }

  outgoing(to: MemberId) {
    const counters = this.peers.counters().find((counter) => counter.member === to);
    if (counters === undefined) throw new Error(`no link to ${to}`);
    return counters.outgoing;
  }

  /** Sends one easily recognised message. */
  say(to: MemberId, context: number): void {
    this.peers.send(to, { type: 'roundRequest', from: this.id, to, term: 1, boot: 1, context });
  }

  /** The contexts that arrived, in order. */
  heard(): number[] {
    return this.messages.flatMap((message) => (message.type === 'roundRequest' ? [message.context] : []));
  }
}

/** An address where nobody listens. */
export const nowhere = 'http://127.0.0.1:1';

/** Resolves when `holds` does, looked at every few milliseconds; rejects, saying `what`, after ten seconds. */
export function until(what: string, holds: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const deadlineMs = performance.now() + 10_000;
    const look = (): void => {
      if (holds()) resolve();
      else if (performance.now() > deadlineMs) reject(new Error(`never came: ${what}`));
      else setTimeout(look, 2);
    };
    look();
  });
}

/** Two started members that talk through a proxy each; `ab` carries what 1 dials, `ba` what 2 dials. */
export async function pair(options: { readonly a?: MemberOptions; readonly b?: MemberOptions } = {}) {
  const a = await TestMember.listening(1n, [{ member: 2n, url: nowhere }], options.a);
  const b = await TestMember.listening(2n, [{ member: 1n, url: nowhere }], options.b);
  const ab = await proxyTo(b);
  const ba = await proxyTo(a);
  a.peers.setPeers([{ member: 2n, url: `http://127.0.0.1:${ab.port}` }]);
  b.peers.setPeers([{ member: 1n, url: `http://127.0.0.1:${ba.port}` }]);
  a.peers.start(1);
  b.peers.start(1);
  await until('both links up', () => a.outgoing(2n).up && b.outgoing(1n).up);
  return { a, b, ab, ba };
}

/** A proxy in front of a member's port, closed when the test ends. */
export async function proxyTo(member: { readonly port: number }): Promise<TcpProxy> {
  const proxy = new TcpProxy({ host: '127.0.0.1', port: member.port });
  await proxy.listen();
  onTestFinished(() => proxy.close());
  return proxy;
}
