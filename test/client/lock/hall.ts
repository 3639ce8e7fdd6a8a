/** Where locks and elections are tested: a target, clients on it, another client's eyes on the keys, and a way to meddle with calls. */
import { expect } from 'vitest';
import { Client } from '../../../src/client/client.ts';
import { CallFailure, grpcCodes } from '../../../src/client/errors.ts';
import type { ClientOptions } from '../../../src/client/options.ts';
import type { Channel, Connect, UnaryOptions } from '../../../src/client/transport/channel.ts';
import { grpcConnect } from '../../../src/client/transport/grpc-channel.ts';
import { type Line, lineTo } from '../../cluster/wire.ts';
import { type Fields, type Plain, plainCall } from '../../rpc/plain-call.ts';
import { type ClientTarget, startTarget } from '../target.ts';

export interface SeenKey {
  readonly key: string;
  readonly value: string;
  readonly createRevision: number;
}

export class Hall {
  readonly target: ClientTarget;
  readonly #line: Line;
  readonly #clients: Client[] = [];
  readonly #own: Client;

  private constructor(target: ClientTarget) {
    this.target = target;
    this.#line = lineTo(target.endpoints[0] as string);
    this.#own = new Client({ endpoints: target.endpoints });
  }

  static async start(members = 1): Promise<Hall> {
    return new Hall(await startTarget({ members }));
  }

  /** One more process, as far as the cluster can tell. */
  client(options: Partial<ClientOptions> = {}): Client {
    const client = new Client({ endpoints: this.target.endpoints, ...options });
    this.#clients.push(client);
    return client;
  }

  async closeClients(): Promise<void> {
    await Promise.all(this.#clients.splice(0).map((client) => client.close()));
  }

  async stop(): Promise<void> {
    await this.closeClients();
    await this.#own.close();
    this.#line.close();
    await this.target.stop();
  }

  /** A call of another client, with plain fields. Throws the status if it is not OK. */
  async call(method: string, fields: Fields, timeoutMs = 10_000): Promise<Plain> {
    const answer = await plainCall(this.#line.client, method, fields, timeoutMs);
    if ('code' in answer) throw new Error(`${method}: ${String(answer['code'])} ${String(answer['text'])}`);
    return answer;
  }

  /** The queue's keys, oldest first. */
  async keys(name: string): Promise<readonly SeenKey[]> {
    const range = { key: `${name}/`, rangeEnd: `${name}0`, sortOrder: 1, sortTarget: 2 };
    const { kvs = [] } = (await this.call('KV/Range', range)) as { kvs?: readonly Plain[] };
    return kvs.map(({ key, value, createRevision }) => ({
      key: String(key),
      value: String(value),
      createRevision: Number(createRevision),
    }));
  }

  /** Resolves when that many keys are in the queue. */
  async queued(name: string, count: number): Promise<void> {
    await expect.poll(async () => (await this.keys(name)).length, { timeout: 20_000, interval: 10 }).toBe(count);
  }

  /** Leases that are there now. */
  async leases(): Promise<ReadonlySet<bigint>> {
    return new Set(await this.#own.leases());
  }

  /** Those that have come since. */
  async leasesSince(before: ReadonlySet<bigint>): Promise<readonly bigint[]> {
    return [...(await this.leases())].filter((id) => !before.has(id));
  }

  /** Resolves when none is left of those that have come since. */
  async noLeaseSince(before: ReadonlySet<bigint>): Promise<void> {
    await expect.poll(() => this.leasesSince(before), { timeout: 5_000, interval: 10 }).toEqual([]);
  }
}

/** What becomes of a unary call: as usual if undefined. */
export type Meddling = (
  path: string,
  pass: (options?: UnaryOptions) => Promise<Uint8Array>,
  options: UnaryOptions,
) => Promise<Uint8Array> | undefined;

/** The usual way to a member, with somebody who meddles. */
export function meddled(meddle: Meddling): Connect {
  const usual = grpcConnect({ pingMs: 5_000 });
  return (endpoint) => {
    const channel: Channel = usual(endpoint);
    return {
      endpoint,
      ready: (timeoutMs, signal) => channel.ready(timeoutMs, signal),
      unary: (path, request, options) => {
        const pass = (other = options): Promise<Uint8Array> => channel.unary(path, request, other);
        return meddle(path, pass, options) ?? pass();
      },
      stream: (path, metadata, sink) => channel.stream(path, metadata, sink),
      close: () => channel.close(),
    };
  };
}

export const txnPath = '/etcdserverpb.KV/Txn';

/** A call that left, and of which nobody knows what became. */
export function lost(): CallFailure {
  return new CallFailure(grpcCodes.unavailable, 'the answer is lost', true);
}

/** Resolves never, rejects when the call is cancelled. */
export function silence({ signal }: UnaryOptions): Promise<never> {
  return new Promise((_, reject) => {
    const cancel = (): void => reject(new CallFailure(grpcCodes.cancelled, 'cancelled', true));
    signal?.addEventListener('abort', cancel, { once: true });
  });
}

/** A promise and what settles it. */
export function latch(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}
