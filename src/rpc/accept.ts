/**
 * The client port: one listener for gRPC and HTTP/1.1, told apart by the first bytes ("PRI" opens HTTP/2). Owns every accepted
 * socket: caps in all and per address, a deadline until it has made a first request, an error listener on each from the first
 * moment. What an HTTP/2 client says first is read in http2-opening.ts; then the socket itself is handed on, all bytes put
 * back. Knows neither services nor routes.
 */
import type { Server as HttpServer, IncomingMessage } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import {
  connectionsMax,
  connectionsPerAddressMax,
  firstRequestMsMax,
  httpIdleMsMax,
  httpRequestMsMax,
  openingBytesMax,
} from '../base/limits.ts';
import { greeting, Http2Opening } from './http2-opening.ts';

/** The parts of `GrpcJsTransport` (or its successor) that a connection needs. */
export interface Http2Side {
  injectConnection(socket: Socket): void;
  drain(graceMs: number): void;
  close(): void;
}

export interface AcceptOptions {
  readonly http2: Http2Side;
  readonly http1: HttpServer;
  /** Defaults from base/limits.ts; tests bring small ones. */
  readonly connectionsMax?: number;
  readonly connectionsPerAddressMax?: number;
  readonly firstRequestMs?: number;
  readonly httpIdleMs?: number;
  readonly httpRequestMs?: number;
}

/** What a connection has turned out to speak. */
type Phase = 'unknown' | 'http2' | 'http1';

interface Connection {
  readonly socket: Socket;
  readonly address: string;
  phase: Phase;
  /** An HTTP/2 client that has not asked for anything. */
  opening?: Http2Opening;
  /** Closed at the first sweep after this, on the clock of `performance.now()`. */
  deadlineMs: number;
}

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** As many bytes of it decide: no HTTP/1.1 method begins so. */
const prefaceTellBytes = 3;
const frameHeadBytes = 9;
const settingsFrameType = 4;
/** The longest frame HTTP/2 allows before settings are exchanged. */
const firstFrameBytesMax = 16_384;
const tcpKeepAliveMs = 30_000;

export class ClientListener {
  readonly #options: AcceptOptions;
  readonly #server: Server;
  readonly #connections = new Map<Socket, Connection>();
  readonly #byAddress = new Map<string, number>();
  readonly #firstRequestMs: number;
  readonly #sweeper: NodeJS.Timeout;
  /** Connections turned away because a cap was reached. */
  refused = 0;

  constructor(options: AcceptOptions) {
    this.#options = options;
    this.#firstRequestMs = options.firstRequestMs ?? firstRequestMsMax;
    this.#server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: tcpKeepAliveMs }, (socket) =>
      this.#accept(socket),
    );
    this.#sweeper = setInterval(() => this.#sweep(), Math.min(1_000, this.#firstRequestMs / 4));
    this.#sweeper.unref();
    this.#watchRequests();
  }

  /** Connections open now. */
  get count(): number {
    return this.#connections.size;
  }

  /** Where it listens; port 0 asks for a free one. Rejects with the system's error, e.g. EADDRINUSE. */
  async listen(host: string, port: number): Promise<AddressInfo> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', reject);
        // Such as too many open files: this connection is lost, the next may succeed.
        this.#server.on('error', () => {});
        resolve();
      });
    });
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('a TCP listener has an address');
    return address;
  }

  /** Takes no more connections, lets calls under way end for `graceMs`, then cuts what is left. */
  async close(graceMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.#options.http2.drain(graceMs);
    for (const { socket, phase } of this.#connections.values()) if (phase === 'unknown') socket.destroy();
    this.#options.http1.closeIdleConnections();
    const cut = setTimeout(() => {
      for (const { socket } of this.#connections.values()) socket.destroy();
    }, graceMs);
    await closed;
    clearTimeout(cut);
    clearInterval(this.#sweeper);
    this.#options.http2.close();
  }

  #accept(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    const address = socket.remoteAddress ?? '';
    const fromAddress = this.#byAddress.get(address) ?? 0;
    const totalMax = this.#options.connectionsMax ?? connectionsMax;
    const perAddressMax = this.#options.connectionsPerAddressMax ?? connectionsPerAddressMax;
    if (this.#connections.size >= totalMax || fromAddress >= perAddressMax) {
      this.refused++;
      socket.destroy();
      return;
    }
    this.#byAddress.set(address, fromAddress + 1);
    const connection: Connection = {
      socket,
      address,
      phase: 'unknown',
      deadlineMs: performance.now() + this.#firstRequestMs,
    };
    this.#connections.set(socket, connection);
    socket.once('close', () => this.#closed(connection));
    this.#peek(connection);
  }

  #closed({ socket, address }: Connection): void {
    this.#connections.delete(socket);
    const left = (this.#byAddress.get(address) ?? 1) - 1;
    if (left === 0) this.#byAddress.delete(address);
    else this.#byAddress.set(address, left);
  }

  /** Looks at the first bytes, puts them back, and hands the socket on. */
  #peek(connection: Connection): void {
    const { socket } = connection;
    let first: Buffer = Buffer.alloc(0);
    const look = (): void => {
      const bytes: Buffer | null = socket.read();
      if (bytes === null) return;
      // Kept aside until it is enough: put back now, it would be read again at once, and again.
      first = first.length === 0 ? bytes : Buffer.concat([first, bytes]);
      const spoken = protocolOf(first);
      if (spoken === undefined) return;
      socket.off('readable', look);
      if (spoken === 'neither') socket.destroy();
      else if (spoken === 'http2') this.#open(connection, first);
      else {
        connection.phase = 'http1';
        socket.unshift(first);
        this.#options.http1.emit('connection', socket);
      }
    };
    socket.on('readable', look);
  }

  /** Reads on until the client has made a request, or wants something that only HTTP/2 can answer. */
  #open(connection: Connection, first: Buffer): void {
    const { socket } = connection;
    const opening = new Http2Opening(openingBytesMax);
    connection.opening = opening;
    const hear = (bytes: Buffer): void => {
      switch (opening.push(bytes)) {
        case 'more':
          break;
        case 'greet':
          socket.write(greeting);
          break;
        case 'refused':
          socket.destroy();
          break;
        case 'done':
          this.#toHttp2(connection, opening);
      }
    };
    const listen = (): void => {
      const bytes: Buffer | null = socket.read();
      if (bytes !== null) hear(bytes);
    };
    socket.on('readable', listen);
    hear(first);
  }

  #toHttp2(connection: Connection, opening: Http2Opening): void {
    const { socket } = connection;
    connection.phase = 'http2';
    delete connection.opening;
    socket.removeAllListeners('readable');
    socket.unshift(opening.take());
    // From here on HTTP/2's own pings and idle limit watch it.
    connection.deadlineMs = Number.POSITIVE_INFINITY;
    this.#options.http2.injectConnection(socket);
  }

  /** An HTTP/1.1 connection owes a request at first and after each answer, and an answer is owed to it after each request. */
  #watchRequests(): void {
    const { http1, httpIdleMs = httpIdleMsMax, httpRequestMs = httpRequestMsMax } = this.#options;
    http1.on('request', (request, response) => {
      const connection = this.#connections.get(request.socket);
      if (connection === undefined) return;
      connection.deadlineMs = performance.now() + httpRequestMs;
      response.once('close', () => {
        connection.deadlineMs = performance.now() + httpIdleMs;
      });
    });
    // A call may take as long as its service says; until it is made, and once it is answered, the client has a deadline.
    http1.on('waits', (request: IncomingMessage, waits: boolean) => {
      const connection = this.#connections.get(request.socket);
      if (connection !== undefined) {
        connection.deadlineMs = waits ? Number.POSITIVE_INFINITY : performance.now() + httpRequestMs;
      }
    });
  }

  #sweep(): void {
    const nowMs = performance.now();
    for (const connection of this.#connections.values()) {
      if (nowMs < connection.deadlineMs) continue;
      // A client that has connected ahead of its first request owes us nothing.
      if (connection.opening?.idle) this.#toHttp2(connection, connection.opening);
      else connection.socket.destroy();
    }
  }
}

/**
 * What the first bytes of a connection speak; undefined: too few to tell. An HTTP/2 client must open with the whole preface and
 * a SETTINGS frame: that is waited for here, under our deadline, as Node's HTTP/2 keeps a session that never got that far.
 */
export function protocolOf(opening: Buffer): 'http1' | 'http2' | 'neither' | undefined {
  const common = Math.min(opening.length, preface.length);
  const asPreface = opening.subarray(0, common).equals(preface.subarray(0, common));
  if (!asPreface) {
    const tell = Math.min(opening.length, prefaceTellBytes);
    return opening.subarray(0, tell).equals(preface.subarray(0, prefaceTellBytes)) ? 'neither' : 'http1';
  }
  if (opening.length < preface.length + frameHeadBytes) return undefined;
  const length = opening.readUIntBE(preface.length, 3);
  const type = opening[preface.length + 3];
  const flags = opening[preface.length + 4];
  const stream = opening.readUInt32BE(preface.length + 5);
  const isSettings = type === settingsFrameType && flags === 0 && stream === 0 && length % 6 === 0;
  return isSettings && length <= firstFrameBytesMax ? 'http2' : 'neither';
}
