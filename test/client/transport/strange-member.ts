/** Members that behave as no member should: HTTP/2 servers and plain sockets on loopback, told what to do with each call. */
import {
  createServer as createHttp2Server,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

/** A stream has begun: its headers are here, its body may not be. */
export type OnCall = (stream: ServerHttp2Stream, path: string, headers: IncomingHttpHeaders) => void;

export class StrangeMember {
  readonly endpoint: string;
  /** Paths of all calls that arrived, in order. */
  readonly calls: string[] = [];
  readonly sessions = new Set<Http2Session>();
  readonly #sockets: Set<Socket>;
  readonly #server: { close(): void };

  private constructor(port: number, server: { close(): void }, sockets: Set<Socket>, host: string) {
    this.endpoint = `${host}:${port}`;
    this.#server = server;
    this.#sockets = sockets;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Speaks HTTP/2, and does with each call what it is told. */
  static async serving(onCall: OnCall, host = '127.0.0.1'): Promise<StrangeMember> {
    const sockets = new Set<Socket>();
    const server = createHttp2Server();
    server.on('connection', (socket: Socket) => remember(sockets, socket));
    const member = await StrangeMember.#listening(server, sockets, host);
    server.on('session', (session) => {
      member.sessions.add(session);
      session.on('close', () => member.sessions.delete(session));
      session.on('error', () => {});
    });
    server.on('sessionError', () => {});
    server.on('stream', (stream, headers) => {
      const path = String(headers[':path']);
      member.calls.push(path);
      stream.on('error', () => {});
      onCall(stream, path, headers);
    });
    return member;
  }

  /** Takes connections and does with each what it is told; nothing, if not told. */
  static async socket(onConnection: (socket: Socket) => void = () => {}): Promise<StrangeMember> {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      remember(sockets, socket);
      onConnection(socket);
    });
    return await StrangeMember.#listening(server, sockets, '127.0.0.1');
  }

  /** Breaks all connections off, as when the process is killed. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  stop(): void {
    this.cut();
    this.#server.close();
  }

  static async #listening(server: Pick<Server, 'listen' | 'address' | 'close'>, sockets: Set<Socket>, host: string) {
    await new Promise<void>((resolve) => server.listen(0, host, () => resolve()));
    const { port } = server.address() as AddressInfo;
    return new StrangeMember(port, server, sockets, host.includes(':') ? `[${host}]` : host);
  }
}

function remember(sockets: Set<Socket>, socket: Socket): void {
  sockets.add(socket);
  socket.on('error', () => {});
  socket.on('close', () => sockets.delete(socket));
}

/** Answers a call with a message, or with a status. */
export function answer(stream: ServerHttp2Stream, message: Uint8Array, code = 0, text = ''): void {
  if (stream.destroyed) return;
  const trailers = { 'grpc-status': String(code), 'grpc-message': encodeURI(text) };
  const head = { ':status': 200, 'content-type': 'application/grpc' };
  if (code !== 0) {
    stream.respond({ ...head, ...trailers }, { endStream: true });
    return;
  }
  stream.respond(head, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  stream.end(framed(message));
}

/** A message as gRPC frames it. */
export function framed(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** Calls `step` when the whole request of a call is here. */
export function whenAsked(stream: ServerHttp2Stream, step: () => void): void {
  stream.resume();
  stream.on('end', step);
}
