/**
 * Carries a `ServiceTable` over @grpc/grpc-js: raw bytes in and out, sockets injected by our accept layer. Knows no service.
 * Owns per stream one count of bytes not yet taken by HTTP/2, which is what `Outgoing.write` answers by.
 */
import * as grpc from '@grpc/grpc-js';
import { asBuffer } from '../base/bytes.ts';
import { grpcIdleMsMax, grpcPingAnswerMsMax, grpcPingMs } from '../base/limits.ts';
import { codes, type RpcError, rpcError, toRpcError } from './errors.ts';
import { GrpcJsPeers } from './grpc-js-peers.ts';
import type { AcceptedConnection, ProtocolServer } from './protocol-server.ts';
import type {
  BidiStream,
  CallContext,
  Incoming,
  Method,
  Outgoing,
  ServerStream,
  ServiceTable,
  Unary,
} from './transport.ts';

export interface GrpcJsOptions {
  readonly receiveBytesMax: number;
  readonly streamsPerConnectionMax: number;
  /** Bytes written to one stream and not yet taken by HTTP/2, above which `write` says stop. */
  readonly streamBufferBytesMax: number;
  /** How often a connection is asked for a sign of life. */
  readonly ping?: { readonly everyMs: number; readonly answerMsMax: number };
  /** How long a connection may be without a call. */
  readonly idleMs?: number;
  /** Hears of what no table row covers: a bug of ours. */
  readonly onBug: (error: unknown) => void;
}

interface CallOptions extends GrpcJsOptions {
  readonly peers: GrpcJsPeers;
}

/** Memory one HTTP/2 session may hold (Node's unit is a megabyte); without it grpc-js sets no bound at all. */
const sessionMemoryMb = 256;

/** Serves the table on every connection it is given. */
export class GrpcJsTransport implements ProtocolServer {
  readonly #server: grpc.Server;
  readonly #injector: ReturnType<grpc.Server['createConnectionInjector']>;
  readonly #peers = new GrpcJsPeers();

  constructor(table: ServiceTable, options: GrpcJsOptions) {
    this.#server = new grpc.Server({
      'grpc.max_receive_message_length': options.receiveBytesMax,
      'grpc.max_send_message_length': -1,
      'grpc.max_concurrent_streams': options.streamsPerConnectionMax,
      'grpc.max_connection_idle_ms': options.idleMs ?? grpcIdleMsMax,
      // Node keeps a session that nghttp2 has given up (an oversized frame), even when its client has left: a ping finds it.
      'grpc.keepalive_time_ms': options.ping?.everyMs ?? grpcPingMs,
      'grpc.keepalive_timeout_ms': options.ping?.answerMsMax ?? grpcPingAnswerMsMax,
      'grpc-node.max_session_memory': sessionMemoryMb,
      'grpc.enable_channelz': 0,
    });
    const calls: CallOptions = { ...options, peers: this.#peers };
    for (const [name, method] of Object.entries(table)) this.#mount(name, method, calls);
    this.#peers.watch(this.#server);
    this.#injector = this.#server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  }

  serve(connection: AcceptedConnection): void {
    // From here on HTTP/2's own pings and idle limit watch it.
    connection.allow(Number.POSITIVE_INFINITY);
    this.#peers.add(connection);
    this.#injector.injectConnection(connection.socket);
  }

  /**
   * Says goodbye on every connection; calls under way may end until `graceMs` are over. What is left then the accept layer cuts, and
   * to its client that is Unavailable: it goes on elsewhere. grpc-js would end it with CANCEL, which etcd's clients take for their own
   * wish, and end their watches: so its turn comes later.
   */
  drain(graceMs: number): void {
    this.#injector.drain(10 * graceMs);
  }

  /** Ends everything now. */
  close(): void {
    this.#injector.destroy();
    this.#server.forceShutdown();
  }

  #mount(name: string, method: Method, options: CallOptions): void {
    switch (method.kind) {
      case 'unary':
        this.#server.register(name, unaryCall(method.call, options), serialize, deserialize, 'unary');
        break;
      case 'serverStream':
        this.#server.register(name, serverStreamCall(method.call, options), serialize, deserialize, 'serverStream');
        break;
      case 'bidi':
        this.#server.register(name, bidiCall(method.call, options), serialize, deserialize, 'bidi');
        break;
    }
  }
}

const serialize = (bytes: Uint8Array): Buffer => asBuffer(bytes);
const deserialize = (bytes: Buffer): Uint8Array => bytes;

function unaryCall(call: Unary, options: CallOptions): grpc.handleUnaryCall<Uint8Array, Uint8Array> {
  const { onBug, peers } = options;
  return (grpcCall, answer) => {
    const ctx = new GrpcJsContext(grpcCall, options.peers);
    // Nobody hears the answer of a call that is over when it arrives, and nothing it asks for may happen behind its back.
    const called = ctx.timeoutMs === 0 ? Promise.reject(rpcError('deadlineExceeded')) : call(grpcCall.request, ctx);
    called
      .then(
        (bytes) => {
          if (peers.mayKeep(ctx.peer, bytes.length)) answer(null, bytes);
          else answer(statusOf(rpcError('tooManyRequests')));
        },
        (error: unknown) => answer(statusOf(toRpcError(error, onBug))),
      )
      .finally(() => ctx.over());
  };
}

function serverStreamCall(
  call: ServerStream,
  options: CallOptions,
): grpc.handleServerStreamingCall<Uint8Array, Uint8Array> {
  return (grpcCall) => {
    const ctx = new GrpcJsContext(grpcCall, options.peers);
    const outgoing = new GrpcJsOutgoing(grpcCall, ctx, options);
    guarded(outgoing, options, () => call(grpcCall.request, outgoing, ctx));
  };
}

function bidiCall(call: BidiStream, options: CallOptions): grpc.handleBidiStreamingCall<Uint8Array, Uint8Array> {
  return (grpcCall) => {
    const ctx = new GrpcJsContext(grpcCall, options.peers);
    const outgoing = new GrpcJsOutgoing(grpcCall, ctx, options);
    const incoming: Incoming = {
      listen: (sink) => {
        grpcCall.on('data', (bytes: Uint8Array) => guarded(outgoing, options, () => sink.message(bytes)));
        grpcCall.on('end', () =>
          afterAReset(() => {
            if (!outgoing.over) guarded(outgoing, options, () => sink.end());
          }),
        );
      },
      pause: () => {
        grpcCall.pause();
      },
      resume: () => {
        grpcCall.resume();
      },
    };
    guarded(outgoing, options, () => call(incoming, outgoing, ctx));
  };
}

/** A stream that was reset reads as ended a moment before grpc-js says that it was cancelled; this is later than both. */
function afterAReset(step: () => void): void {
  setImmediate(() => setImmediate(step));
}

/** What a service throws in here ends its call, not the process. */
function guarded(outgoing: Outgoing, { onBug }: GrpcJsOptions, step: () => void): void {
  try {
    step();
  } catch (error) {
    outgoing.fail(toRpcError(error, onBug));
  }
}

function statusOf(error: RpcError): Partial<grpc.StatusObject> {
  return { code: codes[error.code], details: error.message };
}

/** Makes what a service may ask about its call only when it asks. */
class GrpcJsContext implements CallContext {
  readonly #call: AnyCall;
  readonly #arrivedMs = Date.now();
  readonly metadata = { get: (name: string): string | undefined => this.#call.metadata.get(name)[0]?.toString() };
  readonly #peers: GrpcJsPeers;
  #abort: AbortController | undefined;
  #over = false;

  constructor(call: AnyCall, peers: GrpcJsPeers) {
    this.#call = call;
    this.#peers = peers;
    call.on('cancelled', () => this.over());
  }

  get peer(): string {
    return this.#call.getPeer();
  }

  get unread(): boolean {
    return this.#peers.isFull(this.peer);
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#over) this.#abort.abort();
    return this.#abort.signal;
  }

  get timeoutMs(): number | undefined {
    const deadline = Number(this.#call.getDeadline());
    return Number.isFinite(deadline) ? Math.max(0, deadline - this.#arrivedMs) : undefined;
  }

  over(): void {
    if (this.#over) return;
    this.#over = true;
    this.#abort?.abort();
  }
}

/** What all four kinds of call of grpc-js have in common. */
interface AnyCall {
  readonly metadata: grpc.Metadata;
  getPeer(): string;
  getDeadline(): grpc.Deadline;
  on(event: 'cancelled', listener: () => void): unknown;
}

type WritableCall = grpc.ServerWritableStream<Uint8Array, Uint8Array> | grpc.ServerDuplexStream<Uint8Array, Uint8Array>;

class GrpcJsOutgoing implements Outgoing {
  readonly #call: WritableCall;
  readonly #ctx: GrpcJsContext;
  readonly #bytesMax: number;
  readonly #mayKeep: (bytes: number) => boolean;
  #pendingBytes = 0;
  #over = false;
  #waiters: (() => void)[] = [];

  constructor(call: WritableCall, ctx: GrpcJsContext, { streamBufferBytesMax: bytesMax, peers }: CallOptions) {
    const { peer } = ctx;
    this.#mayKeep = (bytes) => peers.mayKeep(peer, bytes);
    this.#call = call;
    this.#ctx = ctx;
    this.#bytesMax = bytesMax;
    call.on('cancelled', () => this.#finish());
    // A broken stream is also cancelled; unheard, its error would end the process.
    call.on('error', () => this.#finish());
  }

  /** Ended, failed or cancelled. */
  get over(): boolean {
    return this.#over;
  }

  write(message: Uint8Array): boolean {
    if (this.#over) return true;
    if (!this.#mayKeep(message.length)) {
      this.fail(rpcError('tooManyRequests'));
      return true;
    }
    this.#pendingBytes += message.length;
    this.#call.write(message, () => {
      this.#pendingBytes -= message.length;
      if (this.#pendingBytes < this.#bytesMax / 2) this.#wakeWaiters();
    });
    return this.#pendingBytes < this.#bytesMax;
  }

  whenWritable(): Promise<void> {
    if (this.#over || this.#pendingBytes < this.#bytesMax / 2) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  end(): void {
    if (this.#over) return;
    this.#finish();
    this.#call.end();
  }

  fail(error: RpcError): void {
    if (this.#over) return;
    this.#finish();
    // grpc-js turns an 'error' with a code into the call's status; messages written before it go out first.
    this.#call.emit('error', statusOf(error));
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#ctx.over();
    this.#wakeWaiters();
  }

  #wakeWaiters(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }
}
