/**
 * The member as its services see it, over the node: callbacks become promises here, and nowhere else. Owns no rule.
 */
import { randomBytes } from 'node:crypto';
import type { BarrierAnswer, RenewalAnswer } from '../node/answer.ts';
import { Askings } from '../node/asking.ts';
import type { Node } from '../node/node.ts';
import { decodeMembership } from '../raft/membership.ts';
import { UnavailableError } from '../rpc/errors.ts';
import { type HostClock, hostClock } from '../rpc/host-clock.ts';
import type {
  Member,
  MemberEntry,
  MemberHeader,
  MemberOptions,
  MemberSnapshot,
  MemberState,
  MemberStatus,
  Patience,
  StateDigest,
} from '../rpc/member.ts';
import type { Command, LeaseId } from '../state/command.ts';
import type { Outcome } from '../state/outcome.ts';
import type { MemberId } from '../store/entry.ts';
import { NO_MEMBER } from '../store/entry.ts';
import type { Hub } from '../watch/hub.ts';
import type { Upkeep } from './upkeep.ts';

export interface ServedMemberOptions extends Omit<MemberOptions, 'newLeaseId' | 'minTtlSeconds'> {
  readonly clusterId: bigint;
  /** How long a request without a deadline of its own may take (etcd: 5 s + 2 election timeouts). */
  readonly requestTimeoutMs: number;
  readonly upkeep: Pick<Upkeep, 'defragment' | 'snapshot'>;
  /** The host's own if not given. */
  readonly clock?: HostClock;
  /** Where this start's lease ids begin, 48 bits; random if not given. */
  readonly firstLeaseNumber?: bigint;
  /** Hears of each request that ended without an outcome. */
  onUnavailable(): void;
}

export class ServedMember implements Member {
  readonly options: MemberOptions;
  readonly hub: Hub;
  readonly clock: HostClock;
  readonly #node: Node;
  readonly #clusterId: bigint;
  readonly #requestTimeoutMs: number;
  readonly #upkeep: ServedMemberOptions['upkeep'];
  readonly #onUnavailable: () => void;

  constructor(node: Node, options: ServedMemberOptions) {
    this.#node = node;
    this.#clusterId = options.clusterId;
    this.#requestTimeoutMs = options.requestTimeoutMs;
    this.#upkeep = options.upkeep;
    this.#onUnavailable = () => options.onUnavailable();
    this.hub = node.hub;
    this.clock = options.clock ?? hostClock;
    const firstNumber = options.firstLeaseNumber ?? BigInt(`0x${randomBytes(6).toString('hex')}`);
    const leaseIds = new LeaseIds(node.options.member, firstNumber);
    this.options = {
      name: options.name,
      maxTxnOps: options.maxTxnOps,
      maxRequestBytes: options.maxRequestBytes,
      electionTimeoutMs: options.electionTimeoutMs,
      minTtlSeconds: Math.ceil((1.5 * options.electionTimeoutMs) / 1_000),
      newLeaseId: () => leaseIds.next(),
    };
  }

  get state(): MemberState {
    return this.#node.machine;
  }

  /** The configuration says who is a member; what they published says how clients reach them. */
  members(): readonly MemberEntry[] {
    const { machine } = this.#node;
    const published = new Map(machine.members().map((record) => [record.id, record]));
    const membership = decodeMembership(machine.configuration);
    return (membership?.members ?? []).map(({ id, peerUrls }) => ({
      id,
      name: published.get(id)?.name ?? '',
      peerUrls,
      clientUrls: published.get(id)?.clientUrls ?? [],
      isLearner: membership?.configuration.learners.includes(id) ?? false,
    }));
  }

  propose(command: Command, patience: Patience): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      this.#node.enqueue({
        type: 'propose',
        command,
        timeoutMs: this.#timeoutMs(patience),
        reply: (answer) => {
          if (answer.type === 'outcome') resolve(answer.outcome);
          else {
            this.#onUnavailable();
            reject(new UnavailableError(answer.why));
          }
        },
      });
    });
  }

  async barrier(patience: Patience): Promise<void> {
    const answer = await new Promise<BarrierAnswer>((reply) => {
      this.#node.enqueue({ type: 'barrier', timeoutMs: this.#timeoutMs(patience), reply });
    });
    if (answer.type === 'unavailable') throw new UnavailableError(answer.why);
  }

  /** A long sweep is waited for as long as the caller does, and it goes on. */
  async swept(revision: number, patience: Patience): Promise<void> {
    const endMs = this.clock.nowMs() + (patience.timeoutMs ?? Number.POSITIVE_INFINITY);
    for (;;) {
      const before = this.#node.machine.compaction.position;
      const timeoutMs = Math.min(this.#requestTimeoutMs, endMs - this.clock.nowMs());
      const answer = await new Promise<BarrierAnswer>((reply) => {
        this.#node.enqueue({ type: 'swept', revision, timeoutMs, reply });
      });
      if (answer.type === 'reached') return;
      const stands = this.#node.machine.compaction.position === before || this.clock.nowMs() >= endMs;
      if (answer.why !== 'timedOut' || stands || patience.signal.aborted) throw new UnavailableError(answer.why);
    }
  }

  askings(patience: Patience): Askings {
    const askings = new Askings(this.#timeoutMs(patience));
    this.#node.enqueue(askings);
    return askings;
  }

  timeToLive(id: LeaseId, patience: Patience): Promise<RenewalAnswer> {
    return new Promise((reply) => {
      this.#node.enqueue({ type: 'question', kind: 'timeToLive', id, timeoutMs: this.#timeoutMs(patience), reply });
    });
  }

  status(): MemberStatus {
    const { raft, machine } = this.#node;
    return {
      leader: raft.leader,
      isLeader: raft.role === 'leader',
      isLearner: raft.configuration.learners.includes(raft.id),
      term: raft.term,
      commitIndex: raft.commit,
      appliedIndex: machine.appliedIndex,
      sizeBytes: machine.sizeBytes,
      quotaBytes: shownQuota(this.#node.options.quotaBytes),
      alarms: machine.alarms.list(),
    };
  }

  header(): MemberHeader {
    const { raft, machine } = this.#node;
    return { clusterId: this.#clusterId, memberId: raft.id, revision: machine.revision, term: raft.term };
  }

  digest(): StateDigest {
    const { machine } = this.#node;
    return { ...machine.digestAtIndex(), revision: machine.revision };
  }

  /** Starts a hand-over and watches until `target` leads, or the attempt is over. */
  async moveLeader(target: MemberId, patience: Patience): Promise<boolean> {
    const begun = await new Promise<boolean>((reply) => {
      this.#node.enqueue({ type: 'transfer', target, reply });
    });
    if (!begun) return false;
    const { raft } = this.#node;
    const endMs = this.clock.nowMs() + Math.min(this.#timeoutMs(patience), 2 * this.options.electionTimeoutMs);
    while (this.clock.nowMs() < endMs && !patience.signal.aborted) {
      if (raft.leader !== NO_MEMBER && raft.leader !== raft.id) return target === NO_MEMBER || raft.leader === target;
      await new Promise<void>((resolve) => this.clock.after(5, resolve));
    }
    return false;
  }

  defragment(patience: Patience): Promise<void> {
    return this.#upkeep.defragment(this.#timeoutMs(patience));
  }

  snapshot(patience: Patience): Promise<MemberSnapshot> {
    return this.#upkeep.snapshot(this.#timeoutMs(patience));
  }

  #timeoutMs(patience: Patience): number {
    return Math.min(patience.timeoutMs ?? this.#requestTimeoutMs, this.#requestTimeoutMs);
  }
}

/** A quota as etcd shows it: negative where there is none. */
export function shownQuota(quotaBytes: number): number {
  return Number.isFinite(quotaBytes) ? quotaBytes : -1;
}

/**
 * Positive int64s that no two members choose alike (etcd's idutil): 15 bits of the member's id, then 48 bits that start at
 * random and count up.
 */
class LeaseIds {
  readonly #prefix: bigint;
  #next: bigint;

  constructor(member: MemberId, firstNumber: bigint) {
    this.#prefix = (member & 0x7fffn) << 48n;
    this.#next = firstNumber;
  }

  next(): LeaseId {
    this.#next = (this.#next + 1n) & 0xffff_ffff_ffffn;
    return this.#prefix | this.#next || 1n;
  }
}
