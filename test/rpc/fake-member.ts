/**
 * A member for the tests of the wire: a real `Machine` and a real `Hub`, with the log, the clock and the leader in the test's
 * hand. What is proposed is applied one microtask later.
 */

import type { RenewalAnswer, Unavailable } from '../../src/node/answer.ts';
import { Askings } from '../../src/node/asking.ts';
import { UnavailableError } from '../../src/rpc/errors.ts';
import { hostClock } from '../../src/rpc/host-clock.ts';
import type {
  Member,
  MemberEntry,
  MemberHeader,
  MemberOptions,
  MemberSnapshot,
  MemberStatus,
  StateDigest,
} from '../../src/rpc/member.ts';
import { encodeCommand, packCommands } from '../../src/state/codec.ts';
import type { Command, LeaseId } from '../../src/state/command.ts';
import { Machine } from '../../src/state/machine.ts';
import type { Outcome } from '../../src/state/outcome.ts';
import { Hub } from '../../src/watch/hub.ts';

export const memberId = 0xddd6_7b31_2462_fd7bn;
export const clusterId = 12_101_053_776_118_486_841n;
export const otherMember = 77n;
export const learner = 78n;

export class FakeMember implements Member {
  readonly state = new Machine();
  readonly hub: Hub;
  readonly options: MemberOptions;
  readonly clock = hostClock;
  leader = memberId;
  term = 2;
  quotaBytes = 512 * 1024 * 1024;
  isLearner = false;
  nowMs = 0;
  /** What the next calls come to instead of an outcome. */
  refuseWith: Unavailable | undefined;
  sweptRefuses: Unavailable | undefined;
  moveSucceeds = true;
  readonly moved: bigint[] = [];
  readonly proposed: Command[] = [];
  barriers = 0;
  defragmented = 0;
  snapshotOf: { readonly pieces: readonly Uint8Array[]; readonly failure?: Error } = { pieces: [] };
  snapshotsOpen = 0;
  piecesRead = 0;
  /** Keep-alives of these leases are answered when the test says so. */
  readonly held = new Map<LeaseId, (() => void)[]>();
  readonly #deadlines = new Map<LeaseId, number>();
  #index = 0;
  #seq = 0;
  #leaseIds = 1000n;

  constructor(options: Partial<MemberOptions> = {}, watchersMax?: number) {
    this.hub = new Hub(this.state.history, watchersMax);
    this.options = {
      name: 'n1',
      minTtlSeconds: 2,
      maxTxnOps: 128,
      maxRequestBytes: 1_572_864,
      electionTimeoutMs: 1_000,
      newLeaseId: () => this.#leaseIds++,
      ...options,
    };
  }

  async propose(command: Command): Promise<Outcome> {
    await undefined;
    if (this.refuseWith !== undefined) throw new UnavailableError(this.refuseWith);
    return this.apply(command);
  }

  put(key: string, value: string): Outcome {
    const more = { lease: 0n, prevKv: false, ignoreValue: false, ignoreLease: false };
    return this.apply({ type: 'put', key: Buffer.from(key), value: Buffer.from(value), ...more });
  }

  /** Applies a command as the next entry. */
  apply(command: Command): Outcome {
    this.proposed.push(command);
    const origin = { member: memberId, boot: 1, seq: ++this.#seq };
    const payload = packCommands([encodeCommand({ origin, command })]);
    const [applied] = this.state.apply({ index: ++this.#index, term: this.term, kind: 'commands', payload });
    this.hub.advance();
    if (applied === undefined) throw new Error('the entry held one command');
    if (command.type === 'grant' && applied.outcome.ok) this.#deadlines.set(command.id, this.nowMs + command.ttlMs);
    return applied.outcome;
  }

  async barrier(): Promise<void> {
    this.barriers++;
    await undefined;
    if (this.refuseWith !== undefined) throw new UnavailableError(this.refuseWith);
  }

  /** As if the leader had proposed all the sweeps. */
  async swept(): Promise<void> {
    await undefined;
    if (this.sweptRefuses !== undefined) throw new UnavailableError(this.sweptRefuses);
    this.apply({ type: 'sweep', revision: this.state.revision + 1, sub: 0 });
  }

  askings(): Askings {
    const askings = new Askings(5_000);
    queueMicrotask(() => {
      for (const asking of askings.take())
        this.keepAlive(asking.id).then((answer) => asking.asker.answered(asking, answer));
    });
    return askings;
  }

  async keepAlive(id: LeaseId): Promise<RenewalAnswer> {
    const queue = this.held.get(id);
    if (queue !== undefined) await new Promise<void>((release) => queue.push(release));
    const answer = await this.timeToLive(id);
    if (answer.type !== 'alive') return answer;
    this.#deadlines.set(id, this.nowMs + answer.grantedMs);
    return { ...answer, remainingMs: answer.grantedMs };
  }

  async timeToLive(id: LeaseId): Promise<RenewalAnswer> {
    await undefined;
    if (this.refuseWith !== undefined) return { type: 'unavailable', why: this.refuseWith };
    const { lessor } = this.state;
    const slot = lessor.slotOf(id);
    if (slot < 0) return { type: 'gone' };
    const remainingMs = (this.#deadlines.get(id) ?? 0) - this.nowMs;
    return { type: 'alive', grantedMs: lessor.grantedMsAt(slot), remainingMs };
  }

  status(): MemberStatus {
    return {
      leader: this.leader,
      isLeader: this.leader === memberId,
      isLearner: this.isLearner,
      term: this.term,
      commitIndex: this.#index,
      appliedIndex: this.#index,
      sizeBytes: this.state.sizeBytes,
      quotaBytes: this.quotaBytes,
      alarms: this.state.alarms.list(),
    };
  }

  digest(): StateDigest {
    return { ...this.state.digestAtIndex(), revision: this.header().revision };
  }

  header(): MemberHeader {
    return { clusterId, memberId, revision: this.state.revision, term: this.term };
  }

  members(): readonly MemberEntry[] {
    const entry = (id: bigint, name: string, isLearner: boolean): MemberEntry => ({
      id,
      name,
      peerUrls: [`http://127.0.0.1:2380`],
      clientUrls: [`http://127.0.0.1:2379`],
      isLearner,
    });
    return [entry(otherMember, 'n2', false), entry(learner, 'n3', true), entry(memberId, 'n1', false)];
  }

  async defragment(): Promise<void> {
    this.defragmented++;
  }

  async snapshot(): Promise<MemberSnapshot> {
    const { pieces, failure } = this.snapshotOf;
    const member = this;
    this.snapshotsOpen++;
    return {
      totalBytes: pieces.reduce((sum, piece) => sum + piece.length, 0),
      pieces: (async function* () {
        for (const piece of pieces) {
          member.piecesRead++;
          yield piece;
        }
        if (failure !== undefined) throw failure;
      })(),
      close: async () => void this.snapshotsOpen--,
    };
  }

  async moveLeader(target: bigint): Promise<boolean> {
    this.moved.push(target);
    return this.moveSucceeds;
  }
}
