/**
 * Carries a `ServiceTable` over Node's HTTP/2 with gRPC's framing of our own: raw bytes in and out, sockets injected by our accept
 * layer. Owns connections: their settings, signs of life, idle time and end. What happens on a stream is in http2-call.ts. Knows no
 * service. Decision 0020.
 */
import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { assert } from '../base/assert.ts';
import { grpcIdleMsMax, grpcPingAnswerMsMax, grpcPingMs } from '../base/limits.ts';
import { RpcError } from './errors.ts';
import { compressedError, firstOf, isGrpc, isReadable } from './grpc-frames.ts';
import { Call, type CallOptions, type Peer } from './http2-call.ts';
import type { AcceptedConnection, ProtocolServer } from './protocol-server.ts';
import { type ServiceTable, splitMethodName } from './transport.ts';

export interface Http2Options extends CallOptions {
  readonly streamsPerConnectionMax: number;
  /** How often a connection is asked for a sign of life. */
  readonly ping?: { readonly everyMs: number; readonly answerMsMax: number };
  /** How long a connection may be without a call. */
  readonly idleMs?: number;
}

/** Memory one HTTP/2 session may hold; Node's unit is a megabyte. */
const sessionMemoryMb = 256;
/** What a client may send on one stream, and on all of a connection, before the first of it is read. */
const streamWindowBytes = 256 * 1024;
const connectionWindowBytes = 4 * 1024 * 1024;
/** How often connections are looked at: for the next ping, and for idleness. */
const sweepsPerPeriod = 10;

class Connection implements Peer {
  readonly name: string;
  readonly accepted: AcceptedConnection;
  readonly streams = new Set<ServerHttp2Stream>();
  readonly session: ServerHttp2Session;
  pingedMs: number;
  /** When its last call ended. */
  idleSinceMs: number;

  constructor(accepted: AcceptedConnection, session: ServerHttp2Session, nowMs: number) {
    this.accepted = accepted;
    this.session = session;
    this.pingedMs = nowMs;
    this.idleSinceMs = nowMs;
    const { remoteAddress, remotePort } = accepted.socket;
    this.name = `${remoteAddress}:${remotePort}`;
    accepted.keepsBy(() => {
      let bytes = 0;
      for (const stream of this.streams) bytes += stream.writableLength;
      return bytes;
    });
  }

  mayKeep(bytes: number): boolean {
    return this.accepted.mayKeep(bytes);
  }

  get full(): boolean {
    return this.accepted.full;
  }
}

/** Serves the table on every connection it is given. */
export class Http2Transport implements ProtocolServer {
  readonly #server: Http2Server;
  readonly #table: ServiceTable;
  readonly #options: Http2Options;
  readonly #ping: { readonly everyMs: number; readonly answerMsMax: number };
  readonly #idleMs: number;
  /** The connection whose session is being made. Node makes it, and tells of it, while it is given the socket. */
  #opening: AcceptedConnection | undefined;
  readonly #connections = new Map<ServerHttp2Session, Connection>();
  readonly #sweeper: NodeJS.Timeout;

  constructor(table: ServiceTable, options: Http2Options) {
    this.#table = table;
    this.#options = options;
    this.#ping = options.ping ?? { everyMs: grpcPingMs, answerMsMax: grpcPingAnswerMsMax };
    this.#idleMs = options.idleMs ?? grpcIdleMsMax;
    this.#server = createServer({
      maxSessionMemory: sessionMemoryMb,
      settings: {
        maxConcurrentStreams: options.streamsPerConnectionMax,
        initialWindowSize: streamWindowBytes,
        enablePush: false,
      },
    });
    this.#server.on('session', (session) => this.#opened(session));
    this.#server.on('stream', (stream, headers) => this.#onStream(stream, headers));
    // Of sessions and their sockets; each ends by itself.
    this.#server.on('sessionError', () => {});
    const everyMs = Math.min(this.#ping.everyMs, this.#idleMs) / sweepsPerPeriod;
    this.#sweeper = setInterval(() => this.#sweep(performance.now()), Math.max(5, everyMs));
    this.#sweeper.unref();
  }

  serve(connection: AcceptedConnection): void {
    // From here on HTTP/2's own pings and idle limit watch it.
    connection.allow(Number.POSITIVE_INFINITY);
    this.#opening = connection;
    this.#server.emit('connection', connection.socket);
    this.#opening = undefined;
  }

  /**
   * Says goodbye on every connection; calls under way may end. What is left after the grace the accept layer cuts, and to its client
   * that is Unavailable: it goes on elsewhere.
   */
  drain(): void {
    for (const connection of this.#connections.values()) {
      if (!connection.session.destroyed) connection.session.close();
    }
  }

  /** Ends everything now. */
  close(): void {
    clearInterval(this.#sweeper);
    for (const { session } of this.#connections.values()) session.destroy();
    this.#server.close();
  }

  #opened(session: ServerHttp2Session): void {
    session.on('error', () => session.destroy());
    const accepted = this.#opening;
    assert(accepted !== undefined, 'a session is told of while its socket is given');
    this.#connections.set(session, new Connection(accepted, session, performance.now()));
    session.once('close', () => {
      this.#connections.delete(session);
      accepted.socket.destroy();
    });
    session.setLocalWindowSize(connectionWindowBytes);
  }

  #onStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    // A stream may have several errors; one that nobody hears would end the process.
    stream.on('error', () => {});
    const { session } = stream;
    const connection = session === undefined ? undefined : this.#connections.get(session as ServerHttp2Session);
    // Its client may have reset it before Node told of it.
    if (connection === undefined || stream.destroyed || stream.closed) return;
    connection.streams.add(stream);
    stream.once('close', () => {
      connection.streams.delete(stream);
      if (connection.streams.size === 0) connection.idleSinceMs = performance.now();
    });
    if (headers[':method'] !== 'POST') refuse(stream, 405);
    else serveCall(stream, headers, this.#table, connection, this.#options);
  }

  #sweep(nowMs: number): void {
    for (const connection of this.#connections.values()) {
      const { session, streams } = connection;
      if (session.destroyed) continue;
      if (streams.size === 0 && nowMs - connection.idleSinceMs >= this.#idleMs) session.close();
      else if (nowMs - connection.pingedMs >= this.#ping.everyMs) this.#ask(connection, nowMs);
    }
  }

  /** Node keeps a session that nghttp2 has given up (an oversized frame), even when its client has left: a ping finds it. */
  #ask(connection: Connection, nowMs: number): void {
    const { session } = connection;
    connection.pingedMs = nowMs;
    const timer = setTimeout(() => session.destroy(), this.#ping.answerMsMax);
    const heard = (error: Error | null): void => {
      clearTimeout(timer);
      if (error !== null) session.destroy();
    };
    // False: so many pings wait already that this one is not sent.
    if (!session.ping(heard)) session.destroy();
  }
}

/** Ends a stream that is no gRPC call, with an HTTP status. */
function refuse(stream: ServerHttp2Stream, status: number): void {
  stream.respond({ ':status': status }, { endStream: true });
  stream.resume();
}

/** Serves one stream of which the headers have come. */
function serveCall(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  table: ServiceTable,
  peer: Peer,
  options: CallOptions,
): void {
  if (!isGrpc(headers['content-type'])) {
    refuse(stream, 415);
    return;
  }
  const path = headers[':path'] ?? '';
  const call = new Call(stream, headers, peer, options);
  const method = Object.hasOwn(table, path) ? table[path] : undefined;
  const encoding = firstOf(headers['grpc-encoding']) ?? '';
  if (!isReadable(encoding)) call.fail(compressedError(encoding));
  else if (method === undefined) call.fail(unknownMethod(path));
  else call.begin(method);
}

/** grpc-go's words. */
function unknownMethod(path: string): RpcError {
  const [service, name] = splitMethodName(path);
  return new RpcError('Unimplemented', `unknown method ${name} for service ${service}`);
}
