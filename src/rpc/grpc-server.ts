/**
 * Carries a `ServiceTable` as gRPC over our own HTTP/2 (src/h2) on sockets that our accept layer gives. Owns connections: their sockets,
 * when they are written to, their signs of life, idle time and end. What happens on a stream is in grpc-call.ts. Knows no service.
 * Decision 0022.
 */
import {
  clientSocketBytesMax,
  grpcIdleMsMax,
  grpcPingAnswerMsMax,
  grpcPingMs,
  streamHeadsBytesMax,
  streamsMax,
} from '../base/limits.ts';
import { writerBytes } from '../h2/connection.ts';
import { FrameWriter } from '../h2/frame-writer.ts';
import type { RequestHead } from '../h2/request-head.ts';
import type { Stream } from '../h2/stream.ts';
import { StreamRoom } from '../h2/stream-room.ts';
import { Deadlines } from './deadlines.ts';
import { RpcError } from './errors.ts';
import { Call, type CallOptions } from './grpc-call.ts';
import { GrpcConnection, type GrpcHost } from './grpc-connection.ts';
import { compressedError, isGrpc, isReadable } from './grpc-frames.ts';
import type { AcceptedConnection, ProtocolServer } from './protocol-server.ts';
import { type Method, type ServiceTable, splitMethodName } from './transport.ts';

export interface GrpcServerOptions extends CallOptions {
  readonly streamsPerConnectionMax: number;
  /** On all connections, from base/limits.ts unless a test brings a small one. */
  readonly streamsMax?: number;
  /** How often a connection is asked for a sign of life. */
  readonly ping?: { readonly everyMs: number; readonly answerMsMax: number };
  /** How long a connection may be without a call. */
  readonly idleMs?: number;
}

/** How often connections are looked at: for the next ping and its answer, and for idleness. */
const sweepsPerPeriod = 10;
const sweepMsMin = 5;

/** Serves the table on every connection it is given. */
export class GrpcServer implements ProtocolServer, GrpcHost {
  readonly options: GrpcServerOptions;
  readonly deadlines = new Deadlines();
  readonly room: StreamRoom;
  readonly #methods: ReadonlyMap<string, Method>;
  readonly #ping: { readonly everyMs: number; readonly answerMsMax: number };
  readonly #idleMs: number;
  readonly #connections = new Set<GrpcConnection>();
  readonly #writer = new FrameWriter(writerBytes);
  /** Connections with something to send, written to when all promises of this turn have been answered. */
  #sendable: GrpcConnection[] = [];
  readonly #sweeper: NodeJS.Timeout;

  constructor(table: ServiceTable, options: GrpcServerOptions) {
    this.#methods = new Map(Object.entries(table));
    this.options = options;
    this.room = new StreamRoom(options.streamsMax ?? streamsMax, streamHeadsBytesMax);
    this.#ping = options.ping ?? { everyMs: grpcPingMs, answerMsMax: grpcPingAnswerMsMax };
    this.#idleMs = options.idleMs ?? grpcIdleMsMax;
    const everyMs = Math.min(this.#ping.everyMs, this.#ping.answerMsMax, this.#idleMs) / sweepsPerPeriod;
    this.#sweeper = setInterval(() => this.#sweep(performance.now()), Math.max(sweepMsMin, everyMs));
    this.#sweeper.unref();
  }

  serve(accepted: AcceptedConnection): void {
    // From here on our pings and idle limit watch it.
    accepted.allow(Number.POSITIVE_INFINITY);
    const connection = new GrpcConnection(accepted, this);
    this.#connections.add(connection);
    accepted.socket.once('close', () => {
      this.#connections.delete(connection);
      connection.lost();
    });
    connection.listen();
  }

  /**
   * Says goodbye on every connection; calls under way may end. What is left after the grace the accept layer cuts, and to its client
   * that is Unavailable: it goes on elsewhere.
   */
  drain(): void {
    for (const connection of this.#connections) connection.goodbye();
  }

  /** Ends everything now. */
  close(): void {
    clearInterval(this.#sweeper);
    this.deadlines.close();
    for (const connection of this.#connections) connection.cut();
  }

  // ── GrpcHost ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

  sendable(connection: GrpcConnection): void {
    if (this.#sendable.push(connection) === 1) process.nextTick(() => this.#send());
  }

  called(connection: GrpcConnection, stream: Stream, head: RequestHead): void {
    if (head.method !== 'POST') {
      stream.refuse(405);
      return;
    }
    if (!isGrpc(head.contentType)) {
      stream.refuse(415);
      return;
    }
    const call = new Call(stream, head, connection);
    stream.user = call;
    const method = this.#methods.get(head.path);
    if (!isReadable(head.grpcEncoding ?? '')) call.fail(compressedError(head.grpcEncoding ?? ''));
    else if (method === undefined) call.fail(unknownMethod(head.path));
    else call.begin(method);
  }

  #send(): void {
    const connections = this.#sendable;
    this.#sendable = [];
    for (const connection of connections) connection.send(this.#writer, clientSocketBytesMax);
  }

  #sweep(nowMs: number): void {
    for (const connection of this.#connections) {
      if (connection.streamCount === 0 && nowMs - connection.idleSinceMs >= this.#idleMs) {
        connection.idleSinceMs = Number.POSITIVE_INFINITY;
        connection.goodbyeInTime();
      } else if (!connection.alive) {
        if (nowMs - connection.pingedMs >= this.#ping.answerMsMax) connection.cut();
      } else if (nowMs - connection.pingedMs >= this.#ping.everyMs) connection.ping(nowMs);
    }
  }
}

/** grpc-go's words. */
function unknownMethod(path: string): RpcError {
  const [service, name] = splitMethodName(path);
  return new RpcError('Unimplemented', `unknown method ${name} for service ${service}`);
}
