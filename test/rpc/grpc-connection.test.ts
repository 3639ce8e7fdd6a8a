/** What a connection writes to its socket, on a socket of the test's own. */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { clientSocketBytesMax } from '../../src/base/limits.ts';
import { writerBytes } from '../../src/h2/connection.ts';
import { FrameWriter } from '../../src/h2/frame-writer.ts';
import type { Stream } from '../../src/h2/stream.ts';
import { StreamRoom } from '../../src/h2/stream-room.ts';
import { GrpcConnection, type GrpcHost } from '../../src/rpc/grpc-connection.ts';
import type { AcceptedConnection } from '../../src/rpc/protocol-server.ts';
import { emptySettings, headers, preface, settings, windowUpdate } from '../h2/peer.ts';

const large = 2 ** 30;

/** The kernel takes nothing of what is written to it. */
class StuckSocket extends EventEmitter {
  readonly remoteAddress = '127.0.0.1';
  readonly writableEnded = false;
  destroyed = false;
  writableLength = 0;
  afterEnd = 0;

  resume(): void {}

  destroy(): void {
    this.destroyed = true;
  }

  write(bytes: Uint8Array): boolean {
    if (this.destroyed) this.afterEnd++;
    else this.writableLength += bytes.length;
    return false;
  }
}

test('a connection that is cut for what it keeps, while it writes, writes no more', () => {
  const socket = new StuckSocket();
  const streams: Stream[] = [];
  const accepted = {
    socket: socket as unknown as Socket,
    keepsBy() {},
    allow() {},
    whenLate() {},
    full: false,
    mayKeep: () => {
      socket.destroy();
      return true;
    },
  } satisfies AcceptedConnection;
  const host = {
    options: { streamsPerConnectionMax: 10 },
    room: new StreamRoom(10, large),
    sendable() {},
    called: (_: unknown, stream: Stream) => streams.push(stream),
  } as unknown as GrpcHost;
  const connection = new GrpcConnection(accepted, host);
  connection.listen();
  const windows = [settings([4, large]), windowUpdate(0, large)];
  socket.emit('data', Buffer.concat([preface, emptySettings, ...windows, headers(1)]));
  streams[0]?.message(Buffer.alloc(8 * writerBytes));
  connection.send(new FrameWriter(writerBytes), clientSocketBytesMax);
  expect([socket.destroyed, socket.afterEnd]).toEqual([true, 0]);
});
