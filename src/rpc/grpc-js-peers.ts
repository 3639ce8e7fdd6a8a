/**
 * What grpc-js does not tell of its connections: their open streams, seen as they come, and so what a client has not taken yet.
 * Looks at every stream before grpc-js does, and passes over those that are dead already.
 */
import type { ServerHttp2Stream } from 'node:http2';
import type { Server } from '@grpc/grpc-js';
import type { AcceptedConnection } from './protocol-server.ts';

interface Peer {
  readonly connection: AcceptedConnection;
  readonly streams: Set<ServerHttp2Stream>;
}

export class GrpcJsPeers {
  /** By the name that grpc-js has for a peer. */
  readonly #peers = new Map<string, Peer>();

  /** A connection that is to be served until it closes. */
  add(connection: AcceptedConnection): void {
    const { socket } = connection;
    const peer: Peer = { connection, streams: new Set() };
    const name = nameOf(socket);
    this.#peers.set(name, peer);
    socket.once('close', () => {
      if (this.#peers.get(name) === peer) this.#peers.delete(name);
    });
    connection.keepsBy(() => {
      let bytes = 0;
      for (const stream of peer.streams) bytes += stream.writableLength;
      return bytes;
    });
  }

  /** Whether an answer of so many bytes may wait for the peer (`getPeer()` of a call) to take it. */
  mayKeep(name: string, bytes: number): boolean {
    return this.#peers.get(name)?.connection.mayKeep(bytes) ?? true;
  }

  /** Whether so much waits for the peer already that its next answer need not be made. */
  isFull(name: string): boolean {
    return this.#peers.get(name)?.connection.full ?? false;
  }

  /**
   * Node tells of a new stream a tick after it read it. If its client has reset it by then, and it names no content type of gRPC or
   * no method of ours, grpc-js 1.14 answers it all the same, Node throws, nobody catches, and the process ends: one packet
   * kills a member. There is no public hook this early; a version that has renamed this one refuses to start.
   */
  watch(server: Server): void {
    const onStream: unknown = Reflect.get(server, '_streamHandler');
    if (typeof onStream !== 'function') throw new Error('this version of @grpc/grpc-js takes streams in another way');
    Reflect.set(server, '_streamHandler', (interceptors: unknown, stream: ServerHttp2Stream, headers: unknown) => {
      // grpc-js listens for one error; a stream may have more, and an error nobody hears ends the process too.
      stream.on('error', () => {});
      if (stream.destroyed || stream.closed) return;
      this.#note(stream);
      Reflect.apply(onStream, server, [interceptors, stream, headers]);
    });
  }

  #note(stream: ServerHttp2Stream): void {
    const socket = stream.session?.socket;
    const streams = socket === undefined ? undefined : this.#peers.get(nameOf(socket))?.streams;
    if (streams === undefined) return;
    streams.add(stream);
    stream.once('close', () => streams.delete(stream));
  }
}

function nameOf(socket: {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}): string {
  return `${socket.remoteAddress}:${socket.remotePort}`;
}
