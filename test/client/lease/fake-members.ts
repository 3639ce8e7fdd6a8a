/** Members that a test holds in its hand: they know leases, write down what they are asked, and answer as the test wants. */
import type { Timer } from '../../../src/client/clock.ts';
import { CallFailure, grpcCodes } from '../../../src/client/errors.ts';
import type { Channel, Connect, StreamCall, StreamSink } from '../../../src/client/transport/channel.ts';
import { decode, encode } from '../../../src/client/wire/codec.ts';
import { calls } from '../../../src/client/wire/schema.ts';
import type { FakeTime } from './fake-time.ts';

/** Renewals that came in one message. */
export interface Asked {
  readonly atMs: number;
  readonly member: string;
  readonly dialect: 'batch' | 'etcd';
  readonly ids: readonly bigint[];
}

interface FakeStream {
  readonly member: FakeMember;
  readonly sink: StreamSink;
  over: boolean;
  full: boolean;
  readonly waiting: (() => void)[];
  /** Answers to come. */
  readonly answers: Set<Timer>;
}

export interface FakeMember {
  readonly endpoint: string;
  batch: boolean;
  /** No connection can be made. */
  down: boolean;
  /** Takes everything and says nothing. */
  silent: boolean;
  /** Refuses new streams with this. */
  refusal: CallFailure | undefined;
  /** Between a question and its answer. */
  delayMs: number;
  /** Ids that are asked for in vain. */
  readonly mute: Set<bigint>;
  readonly streams: Set<FakeStream>;
  opened: number;
}

export class FakeMembers {
  readonly members: readonly FakeMember[];
  /** Id → TTL in ms. */
  readonly leases = new Map<bigint, number>();
  /** Id → when it ends if it is not renewed, counted from the last question that was heard; looked at if `expiring`. */
  readonly ends = new Map<bigint, number>();
  expiring = false;
  readonly asked: Asked[] = [];
  /** Who leads, as all of them say. */
  leader: FakeMember | undefined;
  /** Full method names of unary calls. */
  readonly calls: string[] = [];
  /** Writes are taken from the buffer only when the test says so. */
  narrow = false;
  readonly #time: FakeTime;

  constructor(time: FakeTime, count = 1) {
    this.#time = time;
    this.members = Array.from({ length: count }, (_, i) => ({
      endpoint: `member-${i}:1`,
      batch: true,
      down: false,
      silent: false,
      refusal: undefined,
      delayMs: 0,
      mute: new Set(),
      streams: new Set(),
      opened: 0,
    }));
  }

  get endpoints(): readonly string[] {
    return this.members.map(({ endpoint }) => endpoint);
  }

  readonly connect: Connect = (endpoint) =>
    this.#channel(this.members.find((each) => each.endpoint === endpoint) as FakeMember);

  /** Open streams, on all members. */
  get streams(): number {
    return this.members.reduce((sum, { streams }) => sum + streams.size, 0);
  }

  /** Ids in the order in which they were asked for, since that time. */
  idsSince(ms: number): bigint[] {
    return this.asked.flatMap(({ atMs, ids }) => (atMs >= ms ? ids : []));
  }

  /** All streams of a member break. */
  break(member: FakeMember, failure = new CallFailure(grpcCodes.unavailable, 'connection lost', true)): void {
    for (const stream of [...member.streams]) this.#end(stream, failure);
  }

  /** A late answer, on every open stream. */
  answer(id: bigint, ttlMs: number): void {
    for (const { streams } of this.members)
      for (const { sink } of streams) sink.message(encode('KeepAliveResponse', { ids: [id], ttlMs: [BigInt(ttlMs)] }));
  }

  /** What was written is taken from the buffers. */
  drain(): void {
    for (const { streams } of this.members)
      for (const stream of streams) {
        stream.full = false;
        for (const resolve of stream.waiting.splice(0)) resolve();
      }
  }

  #channel(member: FakeMember): Channel {
    return {
      endpoint: member.endpoint,
      ready: async () => {
        if (member.down) throw new CallFailure(grpcCodes.unavailable, 'no connection', false);
      },
      unary: async (path, bytes) => this.#unary(member, path, bytes),
      stream: (path, _metadata, sink) => this.#stream(member, path, sink),
      close: () => this.break(member),
    };
  }

  #unary(member: FakeMember, path: string, bytes: Uint8Array): Uint8Array {
    this.calls.push(path);
    if (member.down) throw new CallFailure(grpcCodes.unavailable, 'no connection', false);
    if (path === calls.leaseGrant[0]) {
      const { TTL, ID } = decode('LeaseGrantRequest', bytes);
      this.leases.set(ID, Number(TTL) * 1_000);
      this.ends.set(ID, this.#time.monotonicMs() + Number(TTL) * 1_000);
      return encode('LeaseGrantResponse', { ID, TTL });
    }
    if (path === calls.leaseRevoke[0]) {
      const { ID } = decode('LeaseRevokeRequest', bytes);
      if (!this.leases.delete(ID)) throw noLease();
      return encode('LeaseRevokeResponse', {});
    }
    if (path === calls.status[0]) {
      const idOf = (which: FakeMember | undefined): bigint =>
        BigInt(which === undefined ? 0 : this.members.indexOf(which) + 1);
      return encode('StatusResponse', { header: { memberId: idOf(member) }, leader: idOf(this.leader), raftTerm: 1n });
    }
    if (path === calls.put[0]) {
      if (!this.leases.has(decode('PutRequest', bytes).lease)) throw noLease();
      return encode('PutResponse', { header: { revision: 7n } });
    }
    return encode('TxnResponse', { succeeded: true, header: { revision: 8n } });
  }

  #stream(member: FakeMember, path: string, sink: StreamSink): StreamCall {
    member.opened++;
    const stream: FakeStream = { member, sink, over: false, full: false, waiting: [], answers: new Set() };
    member.streams.add(stream);
    const batch = path === calls.keepAlive[0];
    const refusal =
      batch && !member.batch ? new CallFailure(grpcCodes.unimplemented, 'unknown service', true) : member.refusal;
    if (refusal !== undefined) queueMicrotask(() => this.#end(stream, refusal));
    return {
      write: (bytes) => {
        if (!stream.over && refusal === undefined) this.#question(stream, batch, bytes);
        stream.full ||= this.narrow;
        return !stream.full;
      },
      whenWritable: () => new Promise((resolve) => (stream.full ? stream.waiting.push(resolve) : resolve())),
      end: () => undefined,
      cancel: () => this.#end(stream, new CallFailure(grpcCodes.cancelled, 'cancelled', true)),
      pause: () => undefined,
      resume: () => undefined,
    };
  }

  #question(stream: FakeStream, batch: boolean, bytes: Uint8Array): void {
    const ids = batch ? decode('KeepAliveRequest', bytes).ids : [decode('LeaseKeepAliveRequest', bytes).ID];
    const { member } = stream;
    this.asked.push({
      atMs: this.#time.monotonicMs(),
      member: member.endpoint,
      dialect: batch ? 'batch' : 'etcd',
      ids,
    });
    if (member.silent) return;
    const heard = ids.filter((id) => !member.mute.has(id));
    const ttls = heard.map((id) => this.#renewed(id));
    const answer = this.#time.after(member.delayMs, () => {
      stream.answers.delete(answer);
      if (batch) stream.sink.message(encode('KeepAliveResponse', { ids: heard, ttlMs: ttls.map(BigInt) }));
      else for (const [i, ID] of heard.entries()) stream.sink.message(answerOf(ID, ttls[i] as number));
    });
    stream.answers.add(answer);
  }

  #renewed(id: bigint): number {
    const nowMs = this.#time.monotonicMs();
    const ttlMs = this.leases.get(id) ?? 0;
    if (this.expiring && (this.ends.get(id) ?? 0) <= nowMs) return 0;
    this.ends.set(id, nowMs + ttlMs);
    return ttlMs;
  }

  #end(stream: FakeStream, failure: CallFailure): void {
    if (stream.over) return;
    stream.over = true;
    stream.member.streams.delete(stream);
    for (const answer of stream.answers) answer.cancel();
    for (const resolve of stream.waiting.splice(0)) resolve();
    stream.sink.end(failure);
  }
}

const answerOf = (ID: bigint, ttlMs: number): Uint8Array =>
  encode('LeaseKeepAliveResponse', { ID, TTL: BigInt(ttlMs / 1_000) });
const noLease = (): CallFailure => new CallFailure(grpcCodes.notFound, 'etcdserver: requested lease not found', true);
