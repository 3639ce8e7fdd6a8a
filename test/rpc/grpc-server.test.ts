/**
 * Our HTTP/2 on real sockets with services of the test's own, and Node's HTTP/2 as the stranger that calls: whatever windows, tables, header
 * values and cuts it chooses, it gets back what it sent. And the limits that need a socket.
 */
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import {
  clientSocketBytesMax,
  grpcGoodbyeMsMax,
  statusTextBytesMax,
  statusTextCrampedBytesMax,
  unreadBytesPerConnectionMax,
  waitingMessageBytes,
} from '../../src/base/limits.ts';
import { Prng } from '../../src/base/prng.ts';
import { type AcceptOptions, ClientListener } from '../../src/rpc/accept.ts';
import { RpcError } from '../../src/rpc/errors.ts';
import { GrpcServer, type GrpcServerOptions } from '../../src/rpc/grpc-server.ts';
import type { ServiceTable } from '../../src/rpc/transport.ts';
import { http2Opening } from '../cluster/wire.ts';
import { data, headers, literals, requestFields, reset } from '../h2/peer.ts';
import { bytes, framed, text, until } from './wire-client.ts';

/** What reached the services. */
interface Seen {
  ran: number;
  aborted: number;
  metadata: (string | undefined)[];
  /** Bytes of answers that are written and not taken by HTTP/2. */
  blocked: boolean;
}

const seen: Seen = { ran: 0, aborted: 0, metadata: [], blocked: false };
const table: ServiceTable = {
  '/t/echo': {
    kind: 'unary',
    call: (request, ctx) => {
      seen.ran++;
      seen.metadata.push(ctx.metadata.get('x-word'));
      return Promise.resolve(request);
    },
  },
  '/t/echoes': {
    kind: 'bidi',
    call: (incoming, outgoing) => {
      let paused = false;
      incoming.listen({
        message: (message) => {
          if (outgoing.write(message) || paused) return;
          paused = true;
          incoming.pause();
          outgoing.whenWritable().then(() => {
            paused = false;
            incoming.resume();
          });
        },
        end: () => outgoing.end(),
      });
    },
  },
  '/t/waits': {
    kind: 'unary',
    call: (_request, ctx) =>
      new Promise((_resolve, reject) => {
        seen.ran++;
        ctx.signal.addEventListener('abort', () => {
          seen.aborted++;
          reject(new RpcError('Canceled', 'nobody hears it'));
        });
      }),
  },
  '/t/one-by-one': {
    kind: 'bidi',
    call: (incoming, outgoing) => {
      let open = 0;
      incoming.listen({
        message: (message) => {
          expect(++open).toBe(1);
          incoming.pause();
          setImmediate(() => {
            open--;
            outgoing.write(message);
            incoming.resume();
          });
        },
        end: () => outgoing.end(),
      });
    },
  },
  '/t/fails': { kind: 'unary', call: (request) => Promise.reject(new RpcError('Internal', text(request))) },
  '/t/much': {
    kind: 'serverStream',
    call: (request, outgoing) => {
      for (let left = Number(text(request)); left > 0; left--) outgoing.write(Buffer.alloc(64 * 1024, left));
      outgoing.end();
    },
  },
};

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

const bugs: unknown[] = [];
const serve = async (
  options: Partial<GrpcServerOptions> = {},
  accept: Omit<AcceptOptions, 'servers'> = {},
): Promise<{ port: number; listener: ClientListener }> => {
  seen.ran = 0;
  seen.aborted = 0;
  seen.metadata = [];
  const limits = { receiveBytesMax: 4_000_000, streamBufferBytesMax: 256 * 1024, streamsPerConnectionMax: 100 };
  const http2 = new GrpcServer(table, { ...limits, onBug: (error) => void bugs.push(error), ...options });
  const http1 = { serve: () => {}, drain: () => {}, close: () => {} };
  const listener = new ClientListener({ ...accept, servers: { http1, http2 } });
  const { port } = await listener.listen('127.0.0.1', 0);
  open.push({ close: () => listener.close(20) });
  return { port, listener };
};
const session = (port: number, settings = {}): ClientHttp2Session => {
  const it = connect(`http://127.0.0.1:${port}`, { settings });
  it.on('error', () => {});
  open.push({ close: () => it.destroy() });
  return it;
};

interface Answer {
  readonly body: Buffer;
  readonly status: string | undefined;
  readonly text: string | undefined;
}

/** One call: its body in these pieces, each in a turn of its own. */
const call = (
  client: ClientHttp2Session,
  path: string,
  pieces: readonly Uint8Array[],
  more: Record<string, string> = {},
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const stream = client.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...more,
    });
    const body: Buffer[] = [];
    let end: IncomingHttpHeaders = {};
    const note = (fields: IncomingHttpHeaders): void => {
      if (fields['grpc-status'] !== undefined) end = fields;
    };
    stream.on('response', note).on('trailers', note).on('error', reject);
    stream.on('data', (chunk: Buffer) => body.push(chunk));
    stream.on('close', () =>
      resolve({ body: Buffer.concat(body), status: end['grpc-status'] as string, text: end['grpc-message'] as string }),
    );
    const send = (at: number): void => {
      const piece = pieces[at];
      if (piece === undefined) stream.end();
      else {
        stream.write(piece);
        setImmediate(() => send(at + 1));
      }
    };
    send(0);
  });

test('Node’s HTTP/2 calls with any windows, tables, header values, messages and cuts: all comes back', async () => {
  const seed = 20_261_125;
  const random = new Prng(seed, 'echo');
  const { port } = await serve();
  for (let round = 0; round < 12; round++) {
    const client = session(port, {
      initialWindowSize: random.pick([100, 5_000, 65_535, 1_000_000]),
      headerTableSize: random.pick([0, 64, 4_096, 65_536]),
      maxFrameSize: random.pick([16_384, 1_000_000]),
    });
    const calls = Array.from({ length: 1 + random.below(12) }, async () => {
      const size = random.pick([0, 1, 40, 3_000, 20_000]);
      const many = random.chance(0.5);
      const messages = Array.from({ length: many ? random.below(8) : 1 }, () =>
        Buffer.alloc(random.below(size + 1), random.below(256)),
      );
      const whole = framed(messages);
      const pieces: Buffer[] = [];
      for (let at = 0; at < whole.length; ) {
        const end = at + 1 + random.below(random.chance(0.3) ? 10 : whole.length);
        pieces.push(whole.subarray(at, end));
        at = end;
      }
      const letters = 'abc XYZ-0123456789%~/:;"{}é';
      const word = `w${Array.from({ length: random.below(200) }, () => letters.charAt(random.below(letters.length))).join('')}w`;
      const answer = await call(client, many ? '/t/echoes' : '/t/echo', pieces, { 'x-word': word });
      expect([answer.status, answer.text], `seed ${seed}, round ${round}`).toEqual(['0', '']);
      expect(answer.body.equals(whole), `seed ${seed}, round ${round}`).toBe(true);
      return many ? [] : [word];
    });
    const words = (await Promise.all(calls)).flat();
    expect(seen.metadata.splice(0).sort()).toEqual(words.sort());
    client.destroy();
  }
  expect(bugs).toEqual([]);
});

test('a bidi call that pauses behind each message gets them one by one, however they are packed', async () => {
  const { port } = await serve();
  const messages = Array.from({ length: 500 }, (_, at) => bytes(`message ${at}`));
  const whole = framed(messages);
  const { body, status } = await call(session(port), '/t/one-by-one', [whole.subarray(0, 333), whole.subarray(333)]);
  expect([body.equals(whole), status]).toEqual([true, '0']);
});

test('what comes while a call is paused is not kept in pieces: it comes in single bytes, and is a copy', async () => {
  const { port } = await serve();
  const messages = Array.from({ length: 300 }, (_, at) => bytes(`message ${at}`));
  const whole = framed(messages);
  const socket = connectSocket(port, '127.0.0.1');
  open.push({ close: () => socket.destroy() });
  const received: Buffer[] = [];
  socket.on('data', (chunk) => received.push(chunk));
  const block = literals(
    requestFields.map(([name, value]) => [name, name === ':path' ? '/t/one-by-one' : value] as const),
  );
  const pieces = [...whole].map((byte) => data(1, Buffer.of(byte)));
  socket.write(Buffer.concat([http2Opening, headers(1, false, block), ...pieces, data(1, Buffer.alloc(0), true)]));
  const all = (): Buffer => Buffer.concat(received);
  await until(() => all().includes('grpc-status'), 'it is answered');
  const text = all().toString('latin1');
  expect(messages.every((message) => text.includes(Buffer.from(message).toString('latin1')))).toBe(true);
  expect(bugs).toEqual([]);
});

test('requests of which the rest does not come: of one connection no more than of answers that are not taken', async () => {
  const { port } = await serve({}, { unreadBytesPerConnectionMax: 1024 * 1024 });
  const client = session(port);
  const half = framed([Buffer.alloc(200_000)]).subarray(0, 100_000);
  const refused: string[] = [];
  const streams: ClientHttp2Stream[] = [];
  for (let at = 0; at < 30; at++) {
    const path = at % 2 === 0 ? '/t/echo' : '/t/echoes';
    const stream = client.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc' });
    stream.on('error', () => {});
    stream.on('response', (head) => refused.push(String(head['grpc-status'])));
    stream.write(half);
    stream.resume();
    streams.push(stream);
    // One after the other: this one is answered behind it.
    await call(client, '/t/echo', [framed([bytes('x')])]);
  }
  await until(() => refused.length === 20, 'what does not fit is refused');
  expect(new Set(refused)).toEqual(new Set(['8']));
  // The others go on.
  const [first, ...others] = streams;
  if (first === undefined) throw new Error('a stream');
  for (const stream of others) stream.close(8);
  const whole = once(first, 'trailers');
  first.end(framed([Buffer.alloc(200_000)]).subarray(100_000));
  const [trailers] = (await whole) as [IncomingHttpHeaders];
  expect(trailers['grpc-status']).toBe('0');
  const { status } = await call(client, '/t/echo', [framed([Buffer.alloc(900_000)])]);
  expect(status).toBe('0');
});

test('deadlines: never early, and soon after', async () => {
  const { port } = await serve();
  const client = session(port);
  await call(client, '/t/echo', [framed([bytes('warm')])]);
  const late = await Promise.all(
    [0, 1, 7, 40, 120, 300].map(async (timeoutMs) => {
      const fromMs = performance.now();
      const answer = await call(client, '/t/waits', [framed([bytes('x')])], { 'grpc-timeout': `${timeoutMs}m` });
      const tookMs = performance.now() - fromMs;
      expect([answer.status, answer.text]).toEqual(['4', 'context deadline exceeded']);
      // The client's clock began before the server's.
      expect(tookMs).toBeGreaterThanOrEqual(timeoutMs);
      return tookMs - timeoutMs;
    }),
  );
  expect(Math.min(...late)).toBeLessThan(100);
  // That of 0 was over when it came, and was not run.
  await until(() => seen.aborted === seen.ran - 1, 'all are told');
  expect(seen.aborted).toBeLessThanOrEqual(5);
});

test('a call that is given up in the same breath is not run', async () => {
  const { port } = await serve();
  const socket = connectSocket(port, '127.0.0.1');
  open.push({ close: () => socket.destroy() });
  const block = literals(requestFields.map(([name, value]) => [name, name === ':path' ? '/t/echo' : value] as const));
  const body = framed([bytes('x')]);
  const calls = [1, 3, 5].flatMap((id) => [
    headers(id, false, block),
    data(id, body, true),
    ...(id === 3 ? [] : [reset(id)]),
  ]);
  socket.write(Buffer.concat([http2Opening, ...calls]));
  await until(() => seen.ran > 0, 'one is run');
  await call(session(port), '/t/echo', [body]);
  expect(seen.ran).toBe(2);
});

test('no call, no answer: other methods and content types get an HTTP status', async () => {
  const { port } = await serve();
  const client = session(port);
  const statusOf = (head: Record<string, string>): Promise<unknown> =>
    new Promise((resolve) => {
      const stream = client.request({ ':path': '/t/echo', ...head });
      stream.on('response', (fields) => resolve(fields[':status']));
      stream.end('x');
      stream.resume();
    });
  expect(await statusOf({ ':method': 'PUT', 'content-type': 'application/grpc' })).toBe(405);
  expect(await statusOf({ ':method': 'POST', 'content-type': 'text/plain' })).toBe(415);
  expect(await statusOf({ ':method': 'POST' })).toBe(415);
});

test('a status text of any length: what is too long is cut', async () => {
  const { port } = await serve();
  const client = session(port);
  for (const length of [126, 127, 128, 300, statusTextBytesMax, statusTextBytesMax + 1, 50_000]) {
    const { text: said = '' } = await call(client, '/t/fails', [framed([bytes('x'.repeat(length))])]);
    expect(said).toBe('x'.repeat(Math.min(length, statusTextBytesMax)));
  }
  const percents = await call(client, '/t/fails', [framed([bytes('%'.repeat(statusTextBytesMax))])]);
  expect(percents.text).toMatch(/^(%25)+$/);
  expect(percents.text?.length).toBeGreaterThan(statusTextBytesMax - 3);
});

test('a status text for a client that takes few of its answers: it is short', async () => {
  const { port } = await serve({}, { unreadBytesPerConnectionMax: 10_000 });
  const client = session(port);
  const half = client.request({ ':method': 'POST', ':path': '/t/echo', 'content-type': 'application/grpc' });
  half.on('error', () => {});
  half.write(framed([Buffer.alloc(10_000)]).subarray(0, 8_000));
  await call(client, '/t/echo', [framed([bytes('x')])]);
  const said = async (): Promise<string> => {
    const { text: it = '' } = await call(client, '/t/fails', [framed([bytes('x'.repeat(3_000))])]);
    return it;
  };
  expect(await said()).toBe('x'.repeat(statusTextCrampedBytesMax));
  half.close(8);
  expect(await said()).toBe('x'.repeat(3_000));
});

/** The payloads of all DATA frames, one behind the other. */
function dataOf(frames: Buffer): Buffer {
  const payloads: Buffer[] = [];
  for (let at = 0; at + 9 <= frames.length; ) {
    const end = at + 9 + frames.readUIntBE(at, 3);
    if (frames[at + 3] === 0) payloads.push(frames.subarray(at + 9, end));
    at = end;
  }
  return Buffer.concat(payloads);
}

test('a client whose windows are open and whose socket is not read: little is given to the socket, and others are served', async () => {
  const { port, listener } = await serve();
  const socket = connectSocket({ port, host: '127.0.0.1' });
  open.push({ close: () => socket.destroy() });
  socket.pause();
  const block = literals(requestFields.map(([name, value]) => [name, name === ':path' ? '/t/much' : value] as const));
  const pieces = 900;
  const windows = Buffer.from([
    0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff, 0, 0, 4, 8, 0, 0, 0, 0, 0, 0x7f, 0, 0, 0,
  ]);
  socket.write(
    Buffer.concat([http2Opening, windows, headers(1, false, block), data(1, framed([bytes(String(pieces))]), true)]),
  );
  const other = session(port);
  await call(other, '/t/echo', [framed([bytes('x')])]);
  const arrived = (): number => socket.bytesRead;
  expect(arrived()).toBeLessThan(pieces * 64 * 1024);
  expect(listener.count).toBe(2);
  // What is written for others meanwhile is not written over what waits for it.
  for (let round = 0; round < 4; round++) await call(other, '/t/much', [framed([bytes('3')])]);
  const received: Buffer[] = [];
  let length = 0;
  socket.on('data', (chunk) => {
    received.push(chunk);
    length += chunk.length;
  });
  socket.resume();
  await until(() => length >= pieces * 64 * 1024, 'it gets all when it reads');
  const body = dataOf(Buffer.concat(received));
  const messageBytes = 5 + 64 * 1024;
  for (let at = 0; at + messageBytes <= body.length; at += messageBytes) {
    const left = pieces - at / messageBytes;
    const message = body.subarray(at + 5, at + messageBytes);
    expect(Buffer.compare(message, Buffer.alloc(64 * 1024, left)), `the message with ${left} left`).toBe(0);
  }
  expect(clientSocketBytesMax).toBeLessThan(unreadBytesPerConnectionMax);
});

test('a client that lets small answers pile up is refused for what they cost, not for their bytes', async () => {
  const unreadBytes = 100_000;
  const { port } = await serve({}, { unreadBytesPerConnectionMax: unreadBytes });
  const client = session(port, { initialWindowSize: 0 });
  const asked = 5_000;
  const ends = call(client, '/t/echoes', [framed(Array.from({ length: asked }, () => bytes('x')))]);
  await call(session(port), '/t/echo', [framed([bytes('x')])]);
  await until(() => client.pendingSettingsAck === false, 'settings are heard');
  client.settings({ initialWindowSize: 1_000_000 });
  const { status, body } = await ends;
  expect([status, body.length]).toEqual(['8', 6 * Math.floor(unreadBytes / (1 + waitingMessageBytes))]);
});

test('streams beyond what one address may have open are refused so that a client may try again', async () => {
  const { port } = await serve({ streamsMax: 4 });
  const [one, other] = [session(port), session(port)];
  const waiting = [one, other].map((client) =>
    call(client, '/t/waits', [framed([bytes('x')])], { 'grpc-timeout': '1S' }),
  );
  await until(() => seen.ran === 2, 'both are open');
  await expect(call(one, '/t/echo', [framed([bytes('x')])])).rejects.toThrow('NGHTTP2_REFUSED_STREAM');
  for (const answer of waiting) expect((await answer).status).toBe('4');
  expect((await call(one, '/t/echo', [framed([bytes('x')])])).status).toBe('0');
});

test('an idle client that does not hear a goodbye is cut soon; one that hears it leaves by itself; one that calls goes on', async () => {
  const { port, listener } = await serve({ idleMs: 50 });
  const deaf = connectSocket(port, '127.0.0.1').resume();
  deaf.write(http2Opening);
  const fromMs = performance.now();
  const polite = session(port);
  const busy = session(port);
  const waiting = call(busy, '/t/waits', [framed([bytes('x')])], { 'grpc-timeout': `${grpcGoodbyeMsMax + 1_000}m` });
  await until(() => polite.closed, 'it has heard it');
  await until(() => deaf.closed, 'it is cut');
  expect(performance.now() - fromMs).toBeGreaterThan(grpcGoodbyeMsMax);
  expect((await waiting).status).toBe('4');
  await until(() => listener.count === 0, 'all have left');
});

test('a client that does not answer a ping is cut', async () => {
  const { port } = await serve({ ping: { everyMs: 50, answerMsMax: 50 } });
  const deaf = connectSocket(port, '127.0.0.1').resume();
  deaf.write(http2Opening);
  const client = session(port);
  await until(() => deaf.closed, 'it is cut');
  expect((await call(client, '/t/echo', [framed([bytes('x')])])).status).toBe('0');
});

test('on closing, calls under way end, calls on their way are served, and then the connection closes', async () => {
  const { port, listener } = await serve();
  const client = session(port);
  const answers = Array.from({ length: 20 }, (_, at) =>
    call(client, '/t/echo', at % 2 === 0 ? [framed([bytes('x')])] : [Buffer.from([0]), Buffer.from([0, 0, 0, 1, 7])]),
  );
  await until(() => seen.ran > 0, 'the first has come');
  const closing = listener.close(2_000);
  for (const answer of answers) expect((await answer).status).toBe('0');
  const fromMs = performance.now();
  await closing;
  expect(performance.now() - fromMs).toBeLessThan(1_000);
});
