/**
 * HTTP/1.1 as a protocol server: gives connections to Node's HTTP server, keeps their deadlines, and counts what their clients have
 * not taken. A connection owes a request at first and after each answer, and an answer is owed to it after each request; requests may
 * be sent ahead (pipelining), so it may owe and be owed several. Knows no page.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { httpIdleMsMax, httpRequestMsMax } from '../base/limits.ts';
import type { AcceptedConnection, ProtocolServer } from '../rpc/protocol-server.ts';

export interface HttpDeadlines {
  /** Between an answer and the next request. */
  readonly idleMs?: number;
  /** From the head of a request to its answer, where the answer is not a call's. */
  readonly requestMs?: number;
}

/** What those who answer requests may ask and say of the connection that a request came on. */
export interface HttpConnections {
  /** True while the client waits for us, with a whole request sent. */
  waits(request: IncomingMessage, waits: boolean): void;
  /** Whether an answer of so many bytes may wait for the client to take it. */
  mayKeep(request: IncomingMessage, bytes: number): boolean;
  /** Whether so much waits for the client already that its next answer need not be made. */
  isFull(request: IncomingMessage): boolean;
}

interface Peer {
  readonly connection: AcceptedConnection;
  /** Answers that are not sent to their end. */
  readonly open: Set<ServerResponse>;
  /** Requests whose client waits for us. */
  readonly waiting: Set<IncomingMessage>;
}

export class Http1Server implements ProtocolServer, HttpConnections {
  readonly #server: Server;
  readonly #idleMs: number;
  readonly #requestMs: number;
  readonly #peers = new Map<Socket, Peer>();
  #draining = false;

  /** `make`: the server of the pages; it never listens itself. */
  constructor(
    make: (connections: HttpConnections) => Server,
    { idleMs = httpIdleMsMax, requestMs = httpRequestMsMax }: HttpDeadlines = {},
  ) {
    this.#idleMs = idleMs;
    this.#requestMs = requestMs;
    this.#server = make(this);
    // Before the pages see it, who may answer at once.
    this.#server.prependListener('request', (request, response) => {
      const peer = this.#peers.get(request.socket);
      if (peer === undefined) return;
      peer.open.add(response);
      this.#allow(peer);
      response.once('close', () => {
        peer.open.delete(response);
        this.#allow(peer);
        if (this.#draining && peer.open.size === 0) request.socket.end();
      });
    });
  }

  serve(connection: AcceptedConnection): void {
    const { socket } = connection;
    const peer: Peer = { connection, open: new Set(), waiting: new Set() };
    this.#peers.set(socket, peer);
    socket.once('close', () => this.#peers.delete(socket));
    connection.keepsBy(() => {
      let bytes = 0;
      for (const response of peer.open) bytes += response.writableLength;
      return bytes;
    });
    this.#server.emit('connection', socket);
  }

  waits(request: IncomingMessage, waits: boolean): void {
    const peer = this.#peers.get(request.socket);
    if (peer === undefined) return;
    if (waits) peer.waiting.add(request);
    else peer.waiting.delete(request);
    this.#allow(peer);
  }

  mayKeep(request: IncomingMessage, bytes: number): boolean {
    return this.#peers.get(request.socket)?.connection.mayKeep(bytes) ?? true;
  }

  isFull(request: IncomingMessage): boolean {
    return this.#peers.get(request.socket)?.connection.full ?? false;
  }

  /** Node's own way to close what is idle knows only connections of servers that listen. */
  drain(): void {
    this.#draining = true;
    for (const [socket, { open }] of this.#peers) if (open.size === 0) socket.destroy();
  }

  /** The server never listened: it has nothing of its own. */
  close(): void {}

  /** A call may take as long as its service says; until it is made, and once it is answered, the client has a deadline. */
  #allow({ connection, open, waiting }: Peer): void {
    if (waiting.size > 0) connection.allow(Number.POSITIVE_INFINITY);
    else connection.allow(open.size > 0 ? this.#requestMs : this.#idleMs);
  }
}
