/** The accept layer: two protocols on one port, caps that are reached, and whatever else strangers send. */
import { get } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { ClientListener } from '../../src/rpc/accept.ts';
import { wire } from '../../src/rpc/messages.ts';
import type { AcceptedConnection, ProtocolServer } from '../../src/rpc/protocol-server.ts';
import { FakeMember } from './fake-member.ts';
import { Fixture, type FixtureOptions, until } from './wire-client.ts';

const http2Preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const emptySettings = '\0\0\0\x04\0\0\0\0\0';

let fixture: Fixture;
const start = async (options: FixtureOptions = {}): Promise<void> => {
  fixture = await Fixture.start(options);
};
afterEach(async () => {
  await fixture.stop();
  await until(() => fixture.listener.count === 0, 'all sockets are closed');
  expect(fixture.bugs).toEqual([]);
});

/** A raw connection: what came back, and when it was closed. */
class Stranger {
  readonly socket: Socket;
  received = '';
  closed = false;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('data', (chunk) => {
      this.received += chunk.toString('latin1');
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.closed = true;
    });
  }

  static async connected(port: number): Promise<Stranger> {
    const stranger = new Stranger(port);
    await new Promise<void>((resolve) => stranger.socket.once('connect', resolve));
    return stranger;
  }

  send(text: string): void {
    this.socket.write(Buffer.from(text, 'latin1'));
  }
}

const stillServes = async (): Promise<void> => {
  const answer = await fixture
    .client()
    .call('/etcdserverpb.Maintenance/Status', wire.StatusRequest, wire.StatusResponse, {});
  expect(answer.version).not.toBe('');
};

const fetchVersion = (): Promise<string> =>
  new Promise((resolve, reject) => {
    get({ port: fixture.port, path: '/version' }, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve(body));
    }).on('error', reject);
  });

describe('one port', () => {
  test('speaks gRPC and HTTP/1.1', async () => {
    await start();
    await stillServes();
    expect(await fetchVersion()).toContain('"etcdserver"');
  });

  test('tells them apart when the first bytes dribble in', async () => {
    await start();
    const http = await Stranger.connected(fixture.port);
    const grpc = await Stranger.connected(fixture.port);
    for (const [stranger, opening] of [
      [http, 'GET /version HTTP/1.1\r\nHost: x\r\n\r\n'],
      [grpc, http2Preface + emptySettings],
    ] as const) {
      for (const letter of opening) {
        stranger.send(letter);
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    await until(() => http.received.includes('leasehold'), 'HTTP/1.1 is answered');
    await until(() => grpc.received.length >= 9, 'HTTP/2 sends its settings');
    http.socket.destroy();
    grpc.socket.destroy();
  });

  test('a method named like the preface is HTTP/1.1 or nothing, not a hang', async () => {
    await start({ accept: { firstRequestMs: 100 } });
    const stranger = await Stranger.connected(fixture.port);
    stranger.send('PRIVET / HTTP/1.1\r\n\r\n');
    await until(() => stranger.closed, 'it is closed');
    await stillServes();
  });
});

describe('a socket in, a protocol server out', () => {
  /** Says back what it hears, and what was asked of it. */
  class Echo implements ProtocolServer {
    readonly calls: string[] = [];
    readonly connections: AcceptedConnection[] = [];

    serve(connection: AcceptedConnection): void {
      this.calls.push('serve');
      this.connections.push(connection);
      connection.socket.pipe(connection.socket);
    }
    drain(graceMs: number): void {
      this.calls.push(`drain ${graceMs}`);
    }
    close(): void {
      this.calls.push('close');
    }
  }

  test('a server gets every byte, says how long its client may take, and is told of the end', async () => {
    await start();
    const http1 = new Echo();
    const http2 = new Echo();
    const listener = new ClientListener({ servers: { http1, http2 }, firstRequestMs: 200 });
    const { port } = await listener.listen('127.0.0.1', 0);
    const patient = await Stranger.connected(port);
    patient.send('GET ');
    await until(() => patient.received === 'GET ', 'all of it is echoed');
    http1.connections[0]?.allow(Number.POSITIVE_INFINITY);
    const late = await Stranger.connected(port);
    late.send(http2Preface + emptySettings);
    await until(() => late.received === http2Preface + emptySettings, 'all of it is echoed');
    const told: string[] = [];
    http2.connections[0]?.whenLate(() => {
      told.push('late');
      http2.connections[0]?.allow(50);
    });
    await until(() => late.closed, 'it is late once, then cut');
    expect(told).toEqual(['late']);
    expect(patient.closed).toBe(false);
    await listener.close(20);
    await until(() => patient.closed, 'it is cut after the grace');
    for (const { calls } of [http1, http2]) expect(calls).toEqual(['serve', 'drain 20', 'close']);
  });
});

describe('HTTP/2 openings', () => {
  const settingsAck = '\0\0\0\x04\x01\0\0\0\0';
  const ping = '\0\0\x08\x06\0\0\0\0\0pingpong';

  test('a client that takes a whole URL for its authority is served', async () => {
    await start();
    for (const authority of ['http://127.0.0.1:2379', 'http://[::1]:2379']) {
      const client = fixture.client({ 'grpc.default_authority': authority });
      const answer = await client.call('/etcdserverpb.Maintenance/Status', wire.StatusRequest, wire.StatusResponse, {});
      expect(answer.version).not.toBe('');
    }
  });

  test('a client that sends requests ahead of settings and ACK is served, 60 kB of them too', async () => {
    await start();
    const session = connectHttp2(`http://127.0.0.1:${fixture.port}`);
    const bodies = Array.from({ length: 3 }, (_, i) => {
      const path = i === 1 ? '/etcdserverpb.KV/Put' : '/etcdserverpb.Maintenance/Status';
      const headers = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' };
      const stream = session.request(headers);
      const body = i === 1 ? wire.PutRequest.encode({ key: Buffer.from('k'), value: Buffer.alloc(60_000) }) : [];
      const prefix = Buffer.alloc(5);
      prefix.writeUInt32BE(body.length, 1);
      stream.end(Buffer.concat([prefix, Buffer.from(body)]));
      return new Promise((resolve) => stream.on('trailers', (trailers) => resolve(trailers['grpc-status'])).resume());
    });
    expect(await Promise.all(bodies)).toEqual(['0', '0', '0']);
    session.destroy();
  });

  test('a client that connects ahead of its first request is kept, and served when it comes', async () => {
    await start({ accept: { firstRequestMs: 100 } });
    const early = await Stranger.connected(fixture.port);
    early.send(http2Preface + emptySettings);
    await until(() => early.received.endsWith(settingsAck), 'it is greeted');
    // One that came later and says nothing has had its time: so has this one.
    const silent = await Stranger.connected(fixture.port);
    await until(() => silent.closed, 'a silent one is cut');
    early.send(settingsAck + ping);
    await until(() => early.received.endsWith('pingpong'), 'HTTP/2 answers');
    expect(early.closed).toBe(false);
    early.socket.destroy();
  });
});

describe('caps', () => {
  test('connections in all', async () => {
    await start({ accept: { connectionsMax: 3 } });
    const three = await Promise.all([1, 2, 3].map(() => Stranger.connected(fixture.port)));
    await until(() => fixture.listener.count === 3, 'three are in');
    const fourth = await Stranger.connected(fixture.port);
    await until(() => fourth.closed, 'the fourth is turned away');
    expect(fixture.listener.refused).toBe(1);
    three[0]?.socket.destroy();
    await until(() => fixture.listener.count === 2, 'one has left');
    await stillServes();
    for (const stranger of three) stranger.socket.destroy();
  });

  test('connections per address', async () => {
    await start({ accept: { connectionsPerAddressMax: 2 } });
    const two = await Promise.all([1, 2].map(() => Stranger.connected(fixture.port)));
    await until(() => fixture.listener.count === 2, 'two are in');
    const third = await Stranger.connected(fixture.port);
    await until(() => third.closed, 'the third is turned away');
    for (const stranger of two) stranger.socket.destroy();
    await until(() => fixture.listener.count === 0, 'all have left');
    await stillServes();
  });

  test('streams per connection: the next one waits for a free place', async () => {
    await start({ streamsPerConnection: 4 });
    const client = fixture.client();
    const streams = [1, 2, 3, 4].map(() => client.keepAlive());
    for (const stream of streams) {
      stream.send({ ID: 1 });
      await stream.next();
    }
    const fifth = client.keepAlive();
    fifth.send({ ID: 1 });
    await stillServes();
    expect(fifth.raw.messages).toHaveLength(0);
    streams[0]?.raw.end();
    await fifth.next();
    for (const stream of [...streams, fifth]) stream.raw.cancel();
  });

  test('watchers in all, however many streams they come on', async () => {
    await start({ member: new FakeMember({}, 3) });
    const streams = [fixture.client().watch(), fixture.client().watch()];
    const create = { createRequest: { key: Buffer.from('k') } };
    for (const at of [0, 1, 0]) {
      streams[at]?.send(create);
      expect((await streams[at]?.next())?.canceled).toBe(false);
    }
    streams[1]?.send(create);
    expect(await streams[1]?.next()).toMatchObject({ canceled: true, cancelReason: 'etcdserver: too many watchers' });
    streams[0]?.raw.cancel();
    await until(() => fixture.member.hub.count === 1, 'a stream takes its watchers with it');
    streams[1]?.send(create);
    expect((await streams[1]?.next())?.canceled).toBe(false);
    streams[1]?.raw.cancel();
  });

  test('keep-alives of one stream: read no further than the cap, and on when answered', async () => {
    await start({ keepAlivesPerStream: 200 });
    const { member } = fixture;
    member.apply({ type: 'grant', id: 7n, ttlMs: 60_000 });
    member.held.set(7n, []);
    const stream = fixture.client().keepAlive();
    const sent = 1_000;
    for (let at = 0; at < sent; at++) stream.send({ ID: 7 });
    const held = member.held.get(7n) ?? [];
    await until(() => held.length >= 200, 'the cap is reached');
    await stillServes();
    await stillServes();
    // A few that grpc-js had taken from the socket before it was paused.
    expect(held.length).toBeLessThan(300);
    member.held.delete(7n);
    for (const release of held) release();
    for (let at = 0; at < sent; at++) await stream.next();
    stream.raw.cancel();
  });

  /** A client whose window is closed: what its calls for a value of 256 KiB come to. */
  const reading = (session: ReturnType<typeof connectHttp2>, calls: number): { refused: number; answered: number } => {
    const ends = { refused: 0, answered: 0 };
    const body = wire.RangeRequest.encode({ key: Buffer.from('big') });
    const framed = Buffer.concat([Buffer.from([0, 0, 0, 0, body.length]), body]);
    for (let call = 0; call < calls; call++) {
      const headers = { ':method': 'POST', ':path': '/etcdserverpb.KV/Range', 'content-type': 'application/grpc' };
      const stream = session.request({ ...headers, te: 'trailers' });
      stream.on('error', () => {});
      stream.on('response', (head) => {
        if (head['grpc-status'] === '8') ends.refused++;
      });
      stream.on('trailers', ({ 'grpc-status': status }) => {
        if (status === '0') ends.answered++;
      });
      stream.resume().end(framed);
    }
    return ends;
  };
  const startWithBig = async (accept: FixtureOptions['accept'] = {}): Promise<void> => {
    await start({ accept });
    const rest = { lease: 0n, prevKv: false, ignoreValue: false, ignoreLease: false };
    fixture.member.apply({ type: 'put', key: Buffer.from('big'), value: Buffer.alloc(256 * 1024), ...rest });
  };

  test('answers that one connection does not take', async () => {
    await startWithBig({ unreadBytesPerConnectionMax: 1024 * 1024 });
    const session = connectHttp2(`http://127.0.0.1:${fixture.port}`, { settings: { initialWindowSize: 0 } });
    const ends = reading(session, 10);
    await until(() => ends.refused === 7, 'what does not fit is refused');
    await stillServes();
    session.settings({ initialWindowSize: 1024 * 1024 });
    session.setLocalWindowSize(16 * 1024 * 1024);
    await until(() => ends.answered === 3, 'what fitted is answered');
    const again = reading(session, 3);
    await until(() => again.answered === 3, 'it is served again');
    session.destroy();
  });

  test('answers that all connections together do not take: who keeps most is cut', async () => {
    await startWithBig({ unreadBytesMax: 2 * 1024 * 1024 });
    const [modest, hog] = [1, 2].map(() => {
      const session = connectHttp2(`http://127.0.0.1:${fixture.port}`, { settings: { initialWindowSize: 0 } });
      session.on('error', () => {});
      return session;
    });
    if (modest === undefined || hog === undefined) throw new Error('two sessions');
    const few = reading(modest, 2);
    reading(hog, 12);
    await until(() => hog.destroyed, 'it is cut');
    await stillServes();
    expect(modest.destroyed).toBe(false);
    modest.settings({ initialWindowSize: 1024 * 1024 });
    await until(() => few.answered === 2, 'the other gets its answers');
    modest.destroy();
  });

  test('a message announced as 4 GiB is refused from its prefix', async () => {
    await start();
    const before = process.memoryUsage().arrayBuffers;
    const answer = await fixture.client().raw('/etcdserverpb.KV/Put', new Uint8Array(2_200_000));
    expect(answer).toMatchObject({ code: 8 });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024);
    await stillServes();
  });
});

describe('strangers', () => {
  const openings: [string, string][] = [
    ['nothing at all', ''],
    ['half a preface', 'PRI * HT'],
    ['one letter of one', 'P'],
    ['a preface, then silence', http2Preface],
    ['a preface and half a frame', `${http2Preface}\0\0`],
    ['half an HTTP head', 'GET /health HTTP/1.1\r\nHos'],
    ['TLS', '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03'],
    ['NULs', '\0'.repeat(200)],
    ['a preface and garbage', `${http2Preface}${'\xff'.repeat(64)}`],
    ['settings of 16 MiB', `${http2Preface}\xff\xff\xff\x04\0\0\0\0\0`],
    ['an endless head', `GET / HTTP/1.1\r\nX: ${'a'.repeat(40_000)}`],
  ];

  test.each(openings)('%s: closed in time', async (_what, opening) => {
    await start({ accept: { firstRequestMs: 200 } });
    const stranger = await Stranger.connected(fixture.port);
    if (opening !== '') stranger.send(opening);
    const from = performance.now();
    await until(() => stranger.closed, 'it is closed');
    expect(performance.now() - from).toBeLessThan(2_000);
    await stillServes();
  });

  test('bytes that come one by one for ever: closed all the same', async () => {
    await start({ accept: { firstRequestMs: 200 } });
    const stranger = await Stranger.connected(fixture.port);
    stranger.send('GET / HTTP/1.1\r\nX: ');
    const dribble = setInterval(() => stranger.send('a'), 10);
    await until(() => stranger.closed, 'it is closed');
    clearInterval(dribble);
    await stillServes();
  });

  test('a kept-alive HTTP/1.1 connection is closed when it idles', async () => {
    await start({ accept: { firstRequestMs: 400 }, http: { idleMs: 200 } });
    const stranger = await Stranger.connected(fixture.port);
    stranger.send('GET /version HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => stranger.received.includes('leasehold'), 'it is answered');
    expect(stranger.closed).toBe(false);
    await until(() => stranger.closed, 'it is closed');
  });

  test('an HTTP/1.1 request that gets no answer is given up', async () => {
    const member = new FakeMember();
    member.barrier = () => new Promise(() => {});
    await start({ member, accept: { firstRequestMs: 400 }, http: { requestMs: 200 } });
    const stranger = await Stranger.connected(fixture.port);
    stranger.send('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => stranger.closed, 'it is closed');
    expect(stranger.received).toBe('');
  });

  test('a body of one byte now and then: the request is answered from its head, and the connection ends in time', async () => {
    await start({ accept: { firstRequestMs: 400 }, http: { idleMs: 200 } });
    const slow = await Stranger.connected(fixture.port);
    slow.send('POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n');
    const drip = setInterval(() => slow.send('a'), 10);
    await until(() => slow.received.startsWith('HTTP/1.1 405'), 'it is answered');
    await until(() => slow.closed, 'it is closed');
    clearInterval(drip);
    expect(await fetchVersion()).toContain('"etcdserver"');
  });

  test('a gRPC connection without a call is closed, one with a call is not', async () => {
    await start({ grpcIdleMs: 200 });
    const idle = await Stranger.connected(fixture.port);
    idle.send(`${http2Preface}${emptySettings}\0\0\x08\x06\0\0\0\0\0pingpong`);
    const stream = fixture.client().keepAlive();
    stream.send({ ID: 1 });
    await stream.next();
    await until(() => idle.closed, 'it is closed');
    const endMs = performance.now() + 400;
    while (performance.now() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      stream.send({ ID: 1 });
      await stream.next();
    }
    stream.raw.cancel();
  });

  test('a working gRPC connection outlives the first-request deadline', async () => {
    await start({ accept: { firstRequestMs: 100 } });
    const stream = fixture.client().keepAlive();
    const endMs = performance.now() + 400;
    while (performance.now() < endMs) {
      stream.send({ ID: 1 });
      await stream.next();
    }
    stream.raw.cancel();
  });

  test('200 random openings, cut at random places', async () => {
    const seed = 20_261_122;
    const random = new Prng(seed, 'strangers');
    await start({ ping: { everyMs: 100, answerMsMax: 300 }, accept: { firstRequestMs: 300 } });
    const strangers: Stranger[] = [];
    for (let at = 0; at < 200; at++) {
      const stranger = new Stranger(fixture.port);
      const start = random.pick(['', http2Preface, http2Preface + emptySettings, 'GET /health HTTP/1.1\r\n', 'POST ']);
      const tail = Array.from({ length: random.below(300) }, () => String.fromCharCode(random.below(256))).join('');
      stranger.send(start.slice(0, random.below(start.length + 1)) + tail);
      if (random.chance(0.3)) stranger.socket.destroy();
      strangers.push(stranger);
    }
    await until(() => strangers.filter((one) => !one.closed).length < 60, `most are closed (seed ${seed})`);
    await stillServes();
    for (const stranger of strangers) stranger.socket.destroy();
    // What Node's HTTP/2 has given up and yet keeps, the ping finds.
    await until(() => fixture.listener.count <= 1, 'all have left');
  });
});

describe('closing', () => {
  test('calls under way may end, then everything is cut', async () => {
    await start();
    const { member } = fixture;
    member.apply({ type: 'grant', id: 7n, ttlMs: 60_000 });
    member.held.set(7n, []);
    const stream = fixture.client().keepAlive();
    stream.send({ ID: 7 });
    await until(() => member.held.get(7n)?.length === 1, 'the renewal is asked');
    const idle = await Stranger.connected(fixture.port);
    const closing = fixture.listener.close(500);
    member.held.get(7n)?.[0]?.();
    await stream.next();
    stream.raw.cancel();
    await closing;
    await until(() => idle.closed, 'the idle one is cut');
  });
});
