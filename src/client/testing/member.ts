/**
 * One member of a test cluster: the node, its services and its disks, as `server/running-member.ts` puts them together, in a process that
 * lives on virtual time. Starts, is killed, starts again. Owns no rule.
 */
import { Prng } from '../../base/prng.ts';
import type { Input } from '../../node/input.ts';
import { Node } from '../../node/node.ts';
import type { PeerMessage } from '../../node/peer-message.ts';
import { Metrics } from '../../ops/metrics.ts';
import { initialMembership, memberIdOf } from '../../raft/membership.ts';
import { rpcError } from '../../rpc/errors.ts';
import { services } from '../../rpc/services.ts';
import { ServedMember } from '../../server/served-member.ts';
import type { MemberId } from '../../store/entry.ts';
import type { Callable } from './channel.ts';
import type { OpenCall } from './client-call.ts';
import type { ConnectionEnd, ConnectionUser } from './connection.ts';
import { type DirectoryOwner, Disks } from './disks.ts';
import type { Host } from './host.ts';
import { memberPorts } from './ports.ts';
import { type Served, ServerCall } from './server-call.ts';

/** A member as the cluster knows it from the beginning. */
export interface MemberPlan extends DirectoryOwner {
  readonly name: string;
  /** `host:port`. */
  readonly endpoint: string;
}

/** What a member is at. */
export interface TestMemberStatus {
  readonly name: string;
  /** As clients name it. */
  readonly endpoint: string;
  /** False: it was killed and not started again; then all that follows is 0 or empty. */
  readonly up: boolean;
  readonly leads: boolean;
  readonly term: number;
  readonly revision: number;
  readonly appliedIndex: number;
  /** Of its whole state: equal where members have applied as much as each other. */
  readonly digest: string;
}

/** Of a cluster of so many. */
export function plansOf(count: number): readonly MemberPlan[] {
  const entries = Array.from({ length: count }, (_, index) => {
    const name = `member${index}`;
    const peerUrls = [`http://${name}:2380`];
    return { id: memberIdOf(clusterToken, name, peerUrls), name, peerUrls };
  });
  const { clusterId, payload: membership } = initialMembership(clusterToken, entries);
  return entries.map(({ id, name }) => ({ clusterId, memberId: id, membership, name, endpoint: `${name}:2379` }));
}

/** What a member needs of the cluster. */
export interface MemberWorld {
  readonly seed: bigint;
  readonly peers: {
    send(from: TestMember, to: MemberId, message: PeerMessage): void;
    sendSnapshot(from: TestMember, to: MemberId, term: number): void;
  };
  /** Something went wrong that never may. */
  bug(error: unknown): void;
}

const clusterToken = 'test-cluster';
/** As a member has them that is told nothing else. */
const heartbeatMs = 100;
const electionMs = 1_000;
const ticksPerRaftTick = 5;
const tickMs = heartbeatMs / ticksPerRaftTick;
/** Few, so that a member that was away for a while needs a snapshot. */
const logTrailingEntriesMax = 500;
const quotaBytes = 512 * 1024 * 1024;
const requestTimeoutMs = 5_000 + 2 * electionMs;
const publishAgainMs = 100;

/** A node that says when it answers. */
class HeardNode extends Node {
  readonly #answers: () => void;

  constructor(answers: () => void, ...parts: ConstructorParameters<typeof Node>) {
    super(...parts);
    this.#answers = answers;
  }

  override enqueue(input: Input): void {
    super.enqueue('reply' in input ? this.#heard(input) : input);
  }

  #heard(input: Input & { readonly reply: unknown }): Input {
    const reply = input.reply as (answer: unknown) => void;
    const heard = (answer?: unknown): void => {
      this.#answers();
      reply(answer);
    };
    return { ...input, reply: heard } as Input;
  }
}

export class TestMember implements Callable {
  readonly plan: MemberPlan;
  readonly host: Host;
  readonly disks: Disks;
  readonly prng: Prng;
  readonly #world: MemberWorld;
  node: Node | undefined;
  #served: Served | undefined;
  /** In the turn under way something was applied or answered, so that services and clients may go on. */
  #heard = false;
  readonly #connections = new Map<ConnectionEnd, Set<ServerCall>>();

  constructor(plan: MemberPlan, host: Host, world: MemberWorld) {
    this.plan = plan;
    this.host = host;
    this.#world = world;
    this.prng = new Prng(world.seed, `member ${plan.name}`);
    this.disks = new Disks(plan, world.seed, plan.name);
    host.end();
  }

  get id(): MemberId {
    return this.plan.memberId;
  }

  get up(): boolean {
    return this.node !== undefined;
  }

  /** Starts of it so far; what was begun under another one is over. */
  get boot(): number {
    return this.disks.boot;
  }

  start(): void {
    if (this.up) return;
    const restored = this.disks.open();
    this.host.begin();
    const { boot, host } = this;
    const seed = new Prng(this.#world.seed, `node ${this.plan.name} ${boot}`);
    const world = this.#world;
    const node = new HeardNode(
      () => {
        this.#heard = true;
      },
      {
        member: this.id,
        boot,
        tickMs,
        ticksPerRaftTick,
        electionTicks: electionMs / heartbeatMs,
        seed: seed.uint64(),
        quotaBytes,
        logTrailingEntriesMax,
        observe: () => {
          this.#heard = true;
        },
      },
      restored,
      memberPorts(this, {
        send: (to, message) => world.peers.send(this, to, message),
        sendSnapshot: (to, term) => world.peers.sendSnapshot(this, to, term),
      }),
    );
    this.node = node;
    const member = new ServedMember(node, {
      name: this.plan.name,
      clusterId: this.plan.clusterId,
      maxTxnOps: 128,
      maxRequestBytes: 1_572_864,
      electionTimeoutMs: electionMs,
      requestTimeoutMs,
      // There is no file to be tidied or sent.
      upkeep: {
        defragment: () => Promise.resolve(),
        snapshot: () => Promise.reject(rpcError('imageUnreadable')),
      },
      clock: {
        nowMs: () => host.monotonicMs(),
        after: (ms, step) => host.after(ms, step),
        every: (ms, step) => host.every(ms, step),
        random: () => host.random(),
      },
      firstLeaseNumber: seed.uint64() & 0xffff_ffff_ffffn,
      onUnavailable: () => {},
    });
    const onBug = (error: unknown): void => world.bug(error);
    this.#served = { member, table: services(member, { metrics: new Metrics(), onBug }), onBug };
    host.every(tickMs, () => {
      node.enqueue({ type: 'tick' });
      host.timeline.quiet();
    });
    void this.#publish(member, boot);
  }

  /** Its process is killed: connections break, and of what it was writing to its disks any part may be lost. */
  kill(): void {
    if (!this.up) return;
    this.node = undefined;
    this.#served = undefined;
    for (const [end, calls] of this.#connections) {
      end.close();
      for (const call of calls) call.cancelled();
    }
    this.#connections.clear();
    this.disks.crash();
    this.host.end();
  }

  /** Something comes back to the node of that start, when its process can take it. */
  enqueue(boot: number, input: Input): void {
    this.host.receive(() => {
      if (this.boot === boot) this.node?.enqueue(input);
      this.host.timeline.quiet();
    });
  }

  turn(boot: number): void {
    this.host.receive(() => {
      this.#heard = false;
      if (this.boot === boot) this.node?.turn(this.host.monotonicMs());
      if (!this.#heard) this.host.timeline.quiet();
    });
  }

  status(): TestMemberStatus {
    const { node } = this;
    const { name, endpoint } = this.plan;
    if (node === undefined)
      return { name, endpoint, up: false, leads: false, term: 0, revision: 0, appliedIndex: 0, digest: '' };
    const { raft, machine } = node;
    const { revision, appliedIndex } = machine;
    const { digest } = machine.digestAtIndex();
    return { name, endpoint, up: true, leads: raft.role === 'leader', term: raft.term, revision, appliedIndex, digest };
  }

  // ── clients ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  accept(end: ConnectionEnd): ConnectionUser | undefined {
    if (!this.up) return undefined;
    const calls = new Set<ServerCall>();
    this.#connections.set(end, calls);
    return {
      dropped: () => {
        this.#connections.delete(end);
        for (const call of [...calls]) call.cancelled();
      },
    };
  }

  opened(near: ConnectionEnd): OpenCall {
    return (head, caller) => {
      const end = near.other as ConnectionEnd;
      const calls = this.#connections.get(end) ?? new Set();
      const served = this.#served as Served;
      const call: ServerCall = new ServerCall(end, near.host.name, served, head, caller, () => calls.delete(call));
      calls.add(call);
      return call;
    };
  }

  /** Makes its name and address known, as often as it takes. */
  async #publish(member: ServedMember, boot: number): Promise<void> {
    const { name, endpoint, memberId } = this.plan;
    const clientUrls = [`http://${endpoint}`];
    while (this.boot === boot && this.node !== undefined) {
      const known = this.node.machine.members().find(({ id }) => id === memberId);
      if (known?.name === name && known.clientUrls.join() === clientUrls.join()) return;
      try {
        const patience = { timeoutMs: requestTimeoutMs, signal: new AbortController().signal };
        await member.propose({ type: 'publish', member: memberId, name, clientUrls }, patience);
      } catch {
        await new Promise<void>((resolve) => this.host.after(publishAgainMs, resolve));
      }
    }
  }
}
