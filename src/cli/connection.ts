/**
 * The tool's way to a cluster: one channel per endpoint, whichever answers first is used, and reads move on when a member
 * is unavailable. A write is never sent twice by itself: it may have happened.
 */
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import type { CallName, Fields, KeepAliveResponse, ResponseOf, WatchResponse, Wire } from './wire.ts';

/** A call that did not succeed; `message` is etcd's text, as etcdctl would print it. */
export class CallError extends Error {
  override readonly name = 'CallError';
  /** The gRPC code. */
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** A keep-alive stream of one lease: ask, and be told. */
export interface KeepAliveStream {
  send(id: bigint): void;
  /** The next answer; undefined when the stream has ended. A member that is silent for as long as a call may take has failed. */
  next(): Promise<KeepAliveResponse | undefined>;
  close(): void;
}

const deadlineText = 'context deadline exceeded';

/** Host and port of an endpoint as the user wrote it, or what is wrong with it. */
export function endpointTarget(endpoint: string): { readonly target: string } | { readonly mistake: string } {
  const match = /^(?:(\w+):\/\/)?([^/]+)\/?$/.exec(endpoint);
  if (match === null) return { mistake: `endpoint ${JSON.stringify(endpoint)} is not host:port or http://host:port` };
  const [, scheme, hostPort = ''] = match;
  if (scheme === 'https') return { mistake: `endpoint ${endpoint}: TLS is not supported yet; use http://${hostPort}` };
  if (scheme !== undefined && scheme !== 'http')
    return { mistake: `endpoint ${endpoint}: unknown scheme ${scheme}; use http` };
  if (!/:\d+$/.test(hostPort))
    return { mistake: `endpoint ${endpoint} names no port; add one, as in ${hostPort}:2379` };
  return { target: hostPort };
}

/** Channels to some endpoints. `close` it. */
export class Connection {
  readonly #wire: Wire;
  readonly #clients: readonly Client[];
  readonly #timeoutMs: number;
  #chosen: Client | undefined;
  /** The one that failed last: another is chosen, if there is another. */
  #avoided: Client | undefined;

  /** `targets` are `host:port`; `timeoutMs` is the deadline of each call, reaching a member included. */
  constructor(wire: Wire, targets: readonly string[], timeoutMs: number) {
    this.#wire = wire;
    this.#timeoutMs = timeoutMs;
    const options = {
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      'grpc.enable_http_proxy': 0,
    };
    this.#clients = targets.map((target) => new Client(target, credentials.createInsecure(), options));
  }

  /** One call on the member that answers first. */
  async unary<N extends CallName>(name: N, fields: Fields, kind: 'read' | 'write'): Promise<ResponseOf<N>> {
    const deadline = Date.now() + this.#timeoutMs;
    let client = await this.#ready(deadline);
    const untried = new Set(this.#clients);
    for (;;) {
      untried.delete(client);
      try {
        return await this.#call(client, name, fields, deadline);
      } catch (error) {
        const other = [...untried][0];
        const mayRetry = kind === 'read' && error instanceof CallError && error.code === status.UNAVAILABLE;
        if (!mayRetry || other === undefined) throw error;
        client = other;
        this.#chosen = other;
      }
    }
  }

  /** A stream of keep-alives on the member that answers first. */
  async keepAlive(): Promise<KeepAliveStream> {
    const client = await this.#ready(Date.now() + this.#timeoutMs);
    const call = this.#wire.call('LeaseKeepAlive');
    const stream = client.makeBidiStreamRequest(call.path, (id: bigint) => call.encode({ ID: id }), call.decode);
    const answers = stream[Symbol.asyncIterator]();
    return {
      send: (id) => void stream.write(id),
      next: async () => {
        const silence = setTimeout(() => stream.destroy(new Error(deadlineText)), this.#timeoutMs);
        try {
          const step = await answers.next();
          return step.done === true ? undefined : (step.value as KeepAliveResponse);
        } catch (error) {
          throw callError(error);
        } finally {
          clearTimeout(silence);
        }
      },
      close: () => stream.cancel(),
    };
  }

  /** One call that may take as long as it takes, on the member that answers first; `signal` cancels it. */
  async patient<N extends CallName>(name: N, fields: Fields, signal: AbortSignal): Promise<ResponseOf<N>> {
    const client = await this.#ready(Date.now() + this.#timeoutMs);
    return await this.#call(client, name, fields, Number.POSITIVE_INFINITY, signal);
  }

  /** A stream of answers from the member that answers first; `signal` cancels it, and then it just ends. */
  async *stream<N extends CallName>(name: N, fields: Fields, signal: AbortSignal): AsyncGenerator<ResponseOf<N>> {
    const client = await this.#ready(Date.now() + this.#timeoutMs);
    const call = this.#wire.call(name);
    const stream = client.makeServerStreamRequest(call.path, call.encode, call.decode, fields);
    const cancel = (): void => stream.cancel();
    signal.addEventListener('abort', cancel);
    try {
      if (signal.aborted) return;
      for await (const answer of stream) yield answer as ResponseOf<N>;
    } catch (error) {
      if (!signal.aborted) throw callError(error);
    } finally {
      signal.removeEventListener('abort', cancel);
      stream.cancel();
    }
  }

  /** A watch on the member that answers first; `signal` cancels it, and then it just ends. */
  async *watch(request: Fields, signal: AbortSignal): AsyncGenerator<WatchResponse> {
    const client = await this.#ready(Date.now() + this.#timeoutMs);
    const call = this.#wire.call('Watch');
    const stream = client.makeBidiStreamRequest(call.path, call.encode, call.decode);
    const cancel = (): void => stream.cancel();
    signal.addEventListener('abort', cancel);
    try {
      if (signal.aborted) return;
      stream.write(request);
      for await (const answer of stream) yield answer as WatchResponse;
    } catch (error) {
      if (!signal.aborted) throw callError(error);
    } finally {
      signal.removeEventListener('abort', cancel);
      stream.cancel();
    }
  }

  /** Asks another member from now on: the chosen one has failed. */
  moveOn(): void {
    this.#avoided = this.#chosen;
    this.#chosen = undefined;
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  /** The first member whose channel comes up; it stays chosen. */
  async #ready(deadline: number): Promise<Client> {
    if (this.#chosen !== undefined) return this.#chosen;
    const others = this.#clients.filter((client) => client !== this.#avoided);
    const waits = (others.length > 0 ? others : this.#clients).map(
      (client) =>
        new Promise<Client>((resolve, reject) =>
          client.waitForReady(deadline, (error) => (error === undefined ? resolve(client) : reject(error))),
        ),
    );
    try {
      this.#chosen = await Promise.any(waits);
      return this.#chosen;
    } catch {
      throw new CallError(status.DEADLINE_EXCEEDED, deadlineText);
    }
  }

  #call<N extends CallName>(
    client: Client,
    name: N,
    fields: Fields,
    deadline: number,
    signal?: AbortSignal,
  ): Promise<ResponseOf<N>> {
    const { path, encode, decode } = this.#wire.call(name);
    return new Promise((resolve, reject) => {
      const cancel = (): void => sent.cancel();
      const sent = client.makeUnaryRequest(path, encode, decode, fields, { deadline }, (error, answer) => {
        signal?.removeEventListener('abort', cancel);
        if (error !== null) reject(callError(error));
        else if (answer === undefined) reject(new CallError(status.INTERNAL, 'the member sent no answer'));
        else resolve(answer);
      });
      signal?.addEventListener('abort', cancel);
      if (signal?.aborted === true) cancel();
    });
  }
}

/** The server's text where it sent one; Go's where the deadline is our own. */
function callError(error: unknown): CallError {
  const { code, details } = error as Partial<ServiceError>;
  if (typeof code !== 'number')
    return new CallError(status.UNKNOWN, error instanceof Error ? error.message : String(error));
  const own = code === status.DEADLINE_EXCEEDED && !(details ?? '').startsWith('etcdserver:');
  return new CallError(code, own ? deadlineText : (details ?? ''));
}
