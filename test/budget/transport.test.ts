/** What answers cost on their way out: socket writes and bytes, of answers that are there in the same turn, counted on the server's socket. */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ask, Listening } from '../../scripts/bench/load/ask.ts';
import { Connection } from '../../scripts/bench/load/connection.ts';
import { GrpcServer } from '../../src/rpc/grpc-server.ts';
import type { Outgoing, ServiceTable } from '../../src/rpc/transport.ts';

const answer = Buffer.alloc(40, 'a');
const framed = Buffer.concat([Buffer.from([0, 0, 0, 0, 40]), answer]);
/** A frame's head, and gRPC's before a message. */
const headBytes = 9;
const messageHeadBytes = 5;

/** What a call's answer takes: headers and trailers that the client knows from the call before, and the message. */
const unaryBytesMax = headBytes + 4 + (headBytes + messageHeadBytes + answer.length) + headBytes + 4;
const streamedBytesMax = headBytes + messageHeadBytes + answer.length;

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

interface Counted {
  writes: number;
  bytes: number;
}

async function serve(table: ServiceTable): Promise<{ readonly connection: Connection; readonly counted: Counted }> {
  const counted: Counted = { writes: 0, bytes: 0 };
  const grpc = new GrpcServer(table, {
    receiveBytesMax: 1_000_000,
    streamsPerConnectionMax: 1_000,
    streamBufferBytesMax: 1_000_000,
    onBug: (error) => {
      throw error;
    },
  });
  const server: Server = createServer((socket) => {
    socket.on('error', () => undefined);
    count(socket, counted);
    grpc.serve({
      socket,
      allow: () => undefined,
      whenLate: () => undefined,
      keepsBy: () => undefined,
      mayKeep: () => true,
      full: false,
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const connection = new Connection(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  closers.push(() => {
    connection.close();
    grpc.close();
    server.close();
  });
  await connection.ready;
  return { connection, counted };
}

/** Everything that is written to it goes through here. */
function count(socket: Socket, counted: Counted): void {
  const write = socket.write.bind(socket) as (chunk: Uint8Array) => boolean;
  socket.write = ((chunk: Uint8Array) => {
    counted.writes++;
    counted.bytes += chunk.length;
    return write(chunk);
  }) as Socket['write'];
}

/** Answers that leave when they are told to, all in one step. */
class Held {
  readonly #answers: (() => void)[] = [];
  #awaited: { readonly count: number; readonly reached: () => void } | undefined;

  hold(answering: () => void): void {
    this.#answers.push(answering);
    if (this.#awaited?.count === this.#answers.length) this.#awaited.reached();
  }

  /** Resolves when so many are held, and what came with them is dealt with. */
  async here(count: number): Promise<void> {
    await new Promise<void>((reached) => {
      this.#awaited = { count, reached };
      if (this.#answers.length === count) reached();
    });
    for (let turns = 0; turns < 5; turns++) await new Promise<void>((resolve) => setImmediate(resolve));
  }

  release(): void {
    for (const answering of this.#answers.splice(0)) answering();
  }
}

describe('answers of one turn', () => {
  it('leave in one write, a hundred calls of one connection', async () => {
    const held = new Held();
    const call = (): Promise<Uint8Array> => new Promise((resolve) => held.hold(() => resolve(answer)));
    const { connection, counted } = await serve({ '/a.B/C': { kind: 'unary', call } });
    for (const calls of [1, 100, 1]) {
      const answers = Array.from({ length: calls }, () => ask(connection, '/a.B/C', framed));
      await held.here(calls);
      Object.assign(counted, { writes: 0, bytes: 0 });
      held.release();
      for (const { code, message } of await Promise.all(answers)) expect([code, message]).toEqual([0, answer]);
      expect(counted.writes, `${calls} calls`).toBe(1);
      // The first answer of a connection spells its headers out.
      if (calls === 100) expect(counted.bytes / calls).toBeLessThanOrEqual(unaryBytesMax);
    }
  });

  it('leave in one write, on one stream and on a hundred', async () => {
    const held = new Held();
    const outgoings: Outgoing[] = [];
    const call = (incoming: { listen(sink: { message(): void; end(): void }): void }, outgoing: Outgoing): void => {
      outgoings.push(outgoing);
      incoming.listen({
        message: () => held.hold(() => void outgoing.write(answer)),
        end: () => outgoing.end(),
      });
    };
    const { connection, counted } = await serve({ '/a.B/S': { kind: 'bidi', call } });
    let heard = 0;
    const all: { readonly count: number; readonly done: () => void }[] = [];
    const streams = Array.from({ length: 100 }, () => {
      const stream = new Listening(
        connection,
        () => {
          heard++;
          if (all.at(-1)?.count === heard) all.at(-1)?.done();
        },
        () => undefined,
      );
      connection.open('/a.B/S', stream);
      return stream;
    });
    for (const from of [streams, streams, Array.from({ length: 100 }, () => streams[0] as Listening)]) {
      heard = 0;
      for (const stream of from) connection.send(stream, framed);
      connection.flush();
      await held.here(100);
      Object.assign(counted, { writes: 0, bytes: 0 });
      const done = new Promise<void>((resolve) => all.push({ count: 100, done: resolve }));
      const isFirst = all.length === 1;
      held.release();
      await done;
      expect(counted.writes).toBe(1);
      if (!isFirst) expect(counted.bytes / 100).toBeLessThanOrEqual(streamedBytesMax);
    }
    expect(outgoings).toHaveLength(100);
  });
});
