/**
 * A protocol server in front of another: reads what an HTTP/2 client says up to its first request, with an authority that HTTP/2
 * would refuse made legal (http2-opening.ts, decision 0010), and then hands the connection on, all bytes put back. Owns connections
 * for that long, within the time for a first request.
 */
import type { Socket } from 'node:net';
import { openingBytesMax } from '../base/limits.ts';
import { greeting, Http2Opening } from './http2-opening.ts';
import type { AcceptedConnection, ProtocolServer } from './protocol-server.ts';

export class MendedHttp2 implements ProtocolServer {
  readonly #inner: ProtocolServer;
  /** Connections that have asked for nothing yet. */
  readonly #opening = new Set<Socket>();

  constructor(inner: ProtocolServer) {
    this.#inner = inner;
  }

  /** Reads on until the client has made a request, or wants something that only HTTP/2 can answer. */
  serve(connection: AcceptedConnection): void {
    const { socket } = connection;
    const opening = new Http2Opening(openingBytesMax);
    this.#opening.add(socket);
    const left = (): void => void this.#opening.delete(socket);
    socket.once('close', left);
    const handOn = (): void => {
      socket.off('readable', hear);
      socket.off('close', left);
      left();
      connection.whenLate(undefined);
      socket.unshift(opening.take());
      this.#inner.serve(connection);
    };
    const hear = (): void => {
      const bytes: Buffer | null = socket.read();
      if (bytes === null) return;
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
          handOn();
      }
    };
    connection.whenLate(() => {
      // A client that has connected ahead of its first request owes us nothing.
      if (opening.idle) handOn();
      else socket.destroy();
    });
    socket.on('readable', hear);
    hear();
  }

  drain(graceMs: number): void {
    for (const socket of this.#opening) socket.destroy();
    this.#inner.drain(graceMs);
  }

  close(): void {
    this.#inner.close();
  }
}
