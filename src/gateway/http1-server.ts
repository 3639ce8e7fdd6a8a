/**
 * HTTP/1.1 as a protocol server: gives connections to Node's HTTP server and keeps their deadlines. A connection owes a request at
 * first and after each answer, and an answer is owed to it after each request. Knows no page.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { httpIdleMsMax, httpRequestMsMax } from '../base/limits.ts';
import type { AcceptedConnection, ProtocolServer } from '../rpc/protocol-server.ts';

export interface HttpDeadlines {
  /** Between an answer and the next request. */
  readonly idleMs?: number;
  /** From the head of a request to its answer, where the answer is not a call's. */
  readonly requestMs?: number;
}

export class Http1Server implements ProtocolServer {
  readonly #server: Server;
  readonly #connections = new WeakMap<Socket, AcceptedConnection>();

  constructor(server: Server, { idleMs = httpIdleMsMax, requestMs = httpRequestMsMax }: HttpDeadlines = {}) {
    this.#server = server;
    server.on('request', (request, response) => {
      const connection = this.#connections.get(request.socket);
      if (connection === undefined) return;
      connection.allow(requestMs);
      response.once('close', () => connection.allow(idleMs));
    });
    // A call may take as long as its service says; until it is made, and once it is answered, the client has a deadline.
    server.on('waits', (request: IncomingMessage, waits: boolean) => {
      this.#connections.get(request.socket)?.allow(waits ? Number.POSITIVE_INFINITY : requestMs);
    });
  }

  serve(connection: AcceptedConnection): void {
    this.#connections.set(connection.socket, connection);
    this.#server.emit('connection', connection.socket);
  }

  drain(): void {
    this.#server.closeIdleConnections();
  }

  /** The server never listened: it has nothing of its own. */
  close(): void {}
}
