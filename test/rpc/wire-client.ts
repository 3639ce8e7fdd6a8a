/** A server on a free port with a fake member behind it, and a raw gRPC client that speaks our own codec to it. */
import * as grpc from '@grpc/grpc-js';
import { asBuffer } from '../../src/base/bytes.ts';
import { type ClientPortOptions, clientPort } from '../../src/gateway/client-port.ts';
import { Metrics } from '../../src/ops/metrics.ts';
import type { ClientListener } from '../../src/rpc/accept.ts';
import type { Sparse, WireType } from '../../src/rpc/codec.ts';
import { batchWire, type KeepAliveRequest, type KeepAliveResponse } from '../../src/rpc/keep-alive-batches.ts';
import {
  type LeaseIdMessage,
  type LeaseKeepAliveResponse,
  type WatchRequest,
  type WatchResponse,
  wire,
} from '../../src/rpc/messages.ts';
import { FakeMember } from './fake-member.ts';

/** How a call ended: gRPC code and text, code 0 for OK. */
export interface Status {
  readonly code: number;
  readonly text: string;
}

export const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');
export const text = (raw: Uint8Array): string => Buffer.from(raw).toString('latin1');

/** Messages as gRPC frames them. */
export function framed(messages: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    messages.flatMap((message) => {
      const prefix = Buffer.alloc(5);
      prefix.writeUInt32BE(message.length, 1);
      return [prefix, message];
    }),
  );
}

export type FixtureOptions = Partial<Omit<ClientPortOptions, 'member' | 'metrics' | 'onBug'>> & { member?: FakeMember };

export class Fixture {
  readonly member: FakeMember;
  readonly metrics: Metrics;
  readonly listener: ClientListener;
  readonly port: number;
  /** Whatever reached `onBug`. */
  readonly bugs: unknown[];
  readonly #clients: grpc.Client[] = [];

  private constructor(member: FakeMember, metrics: Metrics, listener: ClientListener, port: number, bugs: unknown[]) {
    this.member = member;
    this.metrics = metrics;
    this.listener = listener;
    this.port = port;
    this.bugs = bugs;
  }

  static async start({ member = new FakeMember(), ...options }: FixtureOptions = {}): Promise<Fixture> {
    const metrics = new Metrics();
    const bugs: unknown[] = [];
    const listener = clientPort({ ...options, member, metrics, onBug: (error) => bugs.push(error) });
    const { port } = await listener.listen('127.0.0.1', 0);
    return new Fixture(member, metrics, listener, port, bugs);
  }

  client(options: grpc.ChannelOptions = {}): WireClient {
    const channel = new grpc.Client(`127.0.0.1:${this.port}`, grpc.credentials.createInsecure(), {
      ...options,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': -1,
    });
    this.#clients.push(channel);
    return new WireClient(channel);
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.listener.close(50);
  }
}

const identity = (raw: Uint8Array): Buffer => asBuffer(raw);

function metadataOf(headers: Record<string, string>): grpc.Metadata {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return metadata;
}

export class WireClient {
  readonly #channel: grpc.Client;

  constructor(channel: grpc.Client) {
    this.#channel = channel;
  }

  /** Bytes in, bytes or a status out. */
  raw(
    path: string,
    request: Uint8Array,
    headers: Record<string, string> = {},
    timeoutMs = 10_000,
  ): Promise<Uint8Array | Status> {
    return new Promise((resolve) => {
      this.#channel.makeUnaryRequest(
        path,
        identity,
        identity,
        request,
        metadataOf(headers),
        { deadline: Date.now() + timeoutMs },
        (error, answer) => resolve(error ? { code: error.code, text: error.details } : (answer ?? new Uint8Array(0))),
      );
    });
  }

  /** A typed call: the answer, or throws the status. */
  async call<Request, Answer>(
    path: string,
    request: WireType<Request>,
    answer: WireType<Answer>,
    message: Sparse<Request>,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const result = await this.raw(path, request.encode(message), headers);
    if ('code' in result) throw result;
    return answer.decode(result);
  }

  bidi(path: string, headers: Record<string, string> = {}): RawStream {
    return new RawStream(this.#channel.makeBidiStreamRequest(path, identity, identity, metadataOf(headers), {}));
  }

  serverStream(path: string, request: Uint8Array, headers: Record<string, string> = {}): RawStream {
    return new RawStream(
      this.#channel.makeServerStreamRequest(path, identity, identity, request, metadataOf(headers), {}),
    );
  }

  watch(headers: Record<string, string> = {}): TypedStream<WatchRequest, WatchResponse> {
    return new TypedStream(this.bidi('/etcdserverpb.Watch/Watch', headers), wire.WatchRequest, wire.WatchResponse);
  }

  keepAlive(headers: Record<string, string> = {}): TypedStream<LeaseIdMessage, LeaseKeepAliveResponse> {
    const raw = this.bidi('/etcdserverpb.Lease/LeaseKeepAlive', headers);
    return new TypedStream(raw, wire.LeaseKeepAliveRequest, wire.LeaseKeepAliveResponse);
  }

  keepAliveBatches(headers: Record<string, string> = {}): TypedStream<KeepAliveRequest, KeepAliveResponse> {
    const raw = this.bidi('/leasehold.v1.Lease/KeepAlive', headers);
    return new TypedStream(raw, batchWire.KeepAliveRequest, batchWire.KeepAliveResponse);
  }
}

type AnyStream = grpc.ClientDuplexStream<Uint8Array, Uint8Array> | grpc.ClientReadableStream<Uint8Array>;

/** A stream whose messages are awaited one by one. */
export class RawStream {
  readonly stream: AnyStream;
  readonly messages: Uint8Array[] = [];
  readonly status: Promise<Status>;
  #wake: (() => void)[] = [];
  #ended = false;

  constructor(stream: AnyStream) {
    this.stream = stream;
    stream.on('data', (message: Uint8Array) => {
      this.messages.push(message);
      this.#wakeAll();
    });
    stream.on('error', () => {});
    this.status = new Promise((resolve) => {
      stream.on('status', (status: grpc.StatusObject) => {
        this.#ended = true;
        this.#wakeAll();
        resolve({ code: status.code, text: status.details });
      });
    });
  }

  write(message: Uint8Array): void {
    if ('write' in this.stream) this.stream.write(message);
  }

  end(): void {
    if ('end' in this.stream) this.stream.end();
  }

  cancel(): void {
    this.stream.cancel();
  }

  /** The next message; throws when the stream ends instead. */
  async next(): Promise<Uint8Array> {
    for (;;) {
      const message = this.messages.shift();
      if (message !== undefined) return message;
      if (this.#ended) throw await this.status;
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  #wakeAll(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const wake of waiting) wake();
  }
}

export class TypedStream<Request, Answer> {
  readonly raw: RawStream;
  readonly #request: WireType<Request>;
  readonly #answer: WireType<Answer>;

  constructor(raw: RawStream, request: WireType<Request>, answer: WireType<Answer>) {
    this.raw = raw;
    this.#request = request;
    this.#answer = answer;
  }

  send(message: Sparse<Request>): void {
    this.raw.write(this.#request.encode(message));
  }

  async next(): Promise<Answer> {
    return this.#answer.decode(await this.raw.next());
  }
}

/** Waits until `condition` holds, at most ten seconds if not said; for things that arrive over a socket. */
export async function until(condition: () => boolean, what: string, msMax = 10_000): Promise<void> {
  const endMs = performance.now() + msMax;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`in vain waited until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
