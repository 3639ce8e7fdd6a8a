/**
 * The client port: one listener for several protocols, told apart by the first bytes ("PRI" opens HTTP/2). Owns every accepted
 * socket until its protocol is known, and afterwards its place in the caps and its deadline: caps in all and per address, a time
 * limit until it has made a first request, an error listener from the first moment. Then the socket itself is handed on, all bytes
 * put back (protocol-server.ts). Knows neither services nor routes.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import {
  clientSocketBytesMax,
  connectionsMax,
  connectionsPerAddressMax,
  firstRequestMsMax,
  unreadBytesMax,
  unreadBytesPerConnectionMax,
} from '../base/limits.ts';
import type { AcceptedConnection, ProtocolServer } from './protocol-server.ts';
import { type Keeper, Unread } from './unread.ts';

export interface AcceptOptions {
  readonly servers: Readonly<Record<Protocol, ProtocolServer>>;
  /** Defaults from base/limits.ts; tests bring small ones. */
  readonly connectionsMax?: number;
  readonly connectionsPerAddressMax?: number;
  readonly firstRequestMs?: number;
  readonly unreadBytesPerConnectionMax?: number;
  readonly unreadBytesMax?: number;
}

export type Protocol = 'http1' | 'http2';

class Connection implements AcceptedConnection, Keeper {
  readonly socket: Socket;
  readonly address: string;
  /** Undefined: it has not shown yet what it speaks. */
  protocol: Protocol | undefined;
  #deadlineMs = 0;
  #late: (() => void) | undefined;
  readonly #unread: Unread;
  #count: () => number = () => 0;

  constructor(socket: Socket, address: string, unread: Unread) {
    this.#unread = unread;
    this.socket = socket;
    this.address = address;
  }

  allow(ms: number): void {
    this.#deadlineMs = performance.now() + ms;
  }

  whenLate(step: (() => void) | undefined): void {
    this.#late = step;
  }

  keepsBy(count: () => number): void {
    this.#count = count;
    this.#unread.add(this);
  }

  mayKeep(bytes: number): boolean {
    return this.#unread.admit(this, bytes);
  }

  get full(): boolean {
    return this.#unread.full(this);
  }

  kept(): number {
    return this.#count();
  }

  cut(): void {
    this.socket.destroy();
  }

  /** Looked at now and then, with the clock of `performance.now()`. */
  sweep(nowMs: number): void {
    if (nowMs < this.#deadlineMs) return;
    const late = this.#late;
    this.#late = undefined;
    if (late === undefined) this.socket.destroy();
    else late();
  }
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
  readonly #unread: Unread;
  readonly #sweeper: NodeJS.Timeout;
  /** Connections turned away because a cap was reached. */
  refused = 0;

  constructor(options: AcceptOptions) {
    this.#options = options;
    this.#firstRequestMs = options.firstRequestMs ?? firstRequestMsMax;
    this.#unread = new Unread({
      perConnectionBytesMax: options.unreadBytesPerConnectionMax ?? unreadBytesPerConnectionMax,
      bytesMax: options.unreadBytesMax ?? unreadBytesMax,
    });
    // As long as less waits, nobody waits for 'drain'.
    const socketOptions = {
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: tcpKeepAliveMs,
      highWaterMark: clientSocketBytesMax,
    };
    this.#server = createServer(socketOptions, (socket) => this.#accept(socket));
    this.#sweeper = setInterval(() => this.#sweep(), Math.min(1_000, this.#firstRequestMs / 4));
    this.#sweeper.unref();
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
    for (const { socket, protocol } of this.#connections.values()) if (protocol === undefined) socket.destroy();
    const servers = Object.values(this.#options.servers);
    for (const server of servers) server.drain(graceMs);
    const cut = setTimeout(() => {
      for (const { socket } of this.#connections.values()) socket.destroy();
    }, graceMs);
    await closed;
    clearTimeout(cut);
    clearInterval(this.#sweeper);
    for (const server of servers) server.close();
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
    const connection = new Connection(socket, address, this.#unread);
    connection.allow(this.#firstRequestMs);
    this.#connections.set(socket, connection);
    socket.once('close', () => this.#closed(connection));
    this.#peek(connection);
  }

  #closed(connection: Connection): void {
    const { socket, address } = connection;
    this.#unread.remove(connection);
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
      if (spoken === 'neither') {
        socket.destroy();
        return;
      }
      connection.protocol = spoken;
      socket.unshift(first);
      this.#options.servers[spoken].serve(connection);
    };
    socket.on('readable', look);
  }

  #sweep(): void {
    const nowMs = performance.now();
    for (const connection of this.#connections.values()) connection.sweep(nowMs);
  }
}

/**
 * What the first bytes of a connection speak; undefined: too few to tell. An HTTP/2 client must open with the whole preface and
 * a SETTINGS frame: that is waited for here, under the deadline of a first request.
 */
export function protocolOf(opening: Buffer): Protocol | 'neither' | undefined {
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
