/**
 * The catalogue of bad input (reliability.md §6), as far as these services can receive it, against a real member: each line gets its
 * listed answer, the member lives on within its memory, other clients go unharmed. The command line and configuration part is in
 * `bad-start.test.ts`, random input in `fuzz.test.ts`. By environment: CONNECTIONS (idle ones held open).
 */
import { connect as connectHttp2 } from 'node:http2';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { watchersPerStreamMax } from '../../src/base/limits.ts';
import type { Sparse, WireType } from '../../src/rpc/codec.ts';
import { int64Of, numberOf } from '../../src/rpc/int64.ts';
import { type RequestOp, type TxnRequest, wire } from '../../src/rpc/messages.ts';
import { bytes, type Status } from '../rpc/wire-client.ts';
import { type MemberProcess, metric, ProcessCluster, pause } from './processes.ts';
import {
  Caller,
  http2Begun,
  http2Frame,
  http2Opening,
  insist,
  type Line,
  lineTo,
  PlainSocket,
  residentBytes,
} from './wire.ts';

const idleConnections = Number(process.env['CONNECTIONS'] ?? 1_000);
const mebibyte = 1024 * 1024;
const residentBytesMax = 700 * mebibyte;
const int64Max = 2n ** 63n - 1n;

let cluster: ProcessCluster;
let member: MemberProcess;
let line: Line;
let caller: Caller;

beforeAll(async () => {
  cluster = await ProcessCluster.start({ members: 1, proxied: false });
  member = cluster.members[0] as MemberProcess;
  await cluster.ready(60_000);
  line = lineTo(member.endpoint);
  caller = new Caller(line.client);
});
afterAll(async () => {
  line.close();
  await cluster.stop();
});

/** Alive, leading as before, serving, and within its memory. */
async function livesOn(): Promise<void> {
  expect(member.exits, member.logTail()).toEqual([]);
  await insist(() => caller.put('alive'), 10_000);
  expect(await metric(member, 'etcd_server_leader_changes_seen_total')).toBe(1);
  expect(residentBytes(member.pid)).toBeLessThan(residentBytesMax);
}

async function statusOf(path: string, request: Uint8Array): Promise<Status> {
  const answer = await line.client.raw(path, request, {}, 30_000);
  return 'code' in answer ? answer : { code: 0, text: '' };
}

const txnOf = (message: Sparse<TxnRequest>): Uint8Array => wire.TxnRequest.encode(message);
const putOp = (key: string): Sparse<RequestOp> => ({ requestPut: { key: bytes(key), value: bytes('v') } });
const encoded = <T>(type: WireType<T>, message: Sparse<T>): Uint8Array => type.encode(message);

/** A txn in a txn in a txn …, written from the inside out: no encoder of ours has to recurse. */
function nested(depth: number): Uint8Array {
  let inner: Buffer = Buffer.alloc(0);
  for (let i = 0; i < depth; i++) {
    const op = Buffer.concat([Buffer.of(0x22), varint(inner.length), inner]);
    inner = Buffer.concat([Buffer.of(0x12), varint(op.length), op]);
  }
  return inner;
}

function varint(value: number): Buffer {
  const out: number[] = [];
  let left = value;
  for (; left >= 0x80; left = Math.floor(left / 128)) out.push((left % 128) | 0x80);
  out.push(left);
  return Buffer.from(out);
}

const kv = '/etcdserverpb.KV';
const lease = '/etcdserverpb.Lease';

describe('requests that are refused, with etcd’s code and text', () => {
  const rows: readonly (readonly [string, string, () => Uint8Array, number, string | RegExp])[] = [
    [
      'empty key',
      `${kv}/Put`,
      () => encoded(wire.PutRequest, { value: bytes('v') }),
      3,
      'etcdserver: key is not provided',
    ],
    ['empty key in a range', `${kv}/Range`, () => encoded(wire.RangeRequest, {}), 3, 'etcdserver: key is not provided'],
    [
      'unknown lease',
      `${kv}/Put`,
      () => encoded(wire.PutRequest, { key: bytes('k'), lease: 77 }),
      5,
      'etcdserver: requested lease not found',
    ],
    [
      'revoke of an unknown lease',
      `${lease}/LeaseRevoke`,
      () => encoded(wire.LeaseRevokeRequest, { ID: 77 }),
      5,
      'etcdserver: requested lease not found',
    ],
    [
      'TTL above 9e9',
      `${lease}/LeaseGrant`,
      () => encoded(wire.LeaseGrantRequest, { TTL: 9_000_000_001 }),
      11,
      'etcdserver: too large lease TTL',
    ],
    [
      'the largest int64 as TTL',
      `${lease}/LeaseGrant`,
      () => encoded(wire.LeaseGrantRequest, { TTL: int64Of(int64Max) }),
      11,
      'etcdserver: too large lease TTL',
    ],
    [
      '129 operations',
      `${kv}/Txn`,
      () => txnOf({ success: Array.from({ length: 129 }, (_, i) => putOp(`k${i}`)) }),
      3,
      'etcdserver: too many operations in txn request',
    ],
    [
      'a key put twice',
      `${kv}/Txn`,
      () => txnOf({ success: [putOp('k'), putOp('k')] }),
      3,
      'etcdserver: duplicate key given in txn request',
    ],
    ['txns 130 deep', `${kv}/Txn`, () => nested(130), 3, 'etcdserver: too many operations in txn request'],
    ['txns 1,000 deep', `${kv}/Txn`, () => nested(1_000), 3, 'etcdserver: too many operations in txn request'],
    ['txns 20,000 deep', `${kv}/Txn`, () => nested(20_000), 3, 'etcdserver: too many operations in txn request'],
    [
      'unknown sort',
      `${kv}/Range`,
      () => encoded(wire.RangeRequest, { key: bytes('k'), sortOrder: -1 }),
      3,
      'etcdserver: invalid sort option',
    ],
    [
      'a future revision',
      `${kv}/Range`,
      () => encoded(wire.RangeRequest, { key: bytes('k'), revision: 1_000_000 }),
      11,
      'etcdserver: mvcc: required revision is a future revision',
    ],
    [
      '1.5 MiB and a little',
      `${kv}/Put`,
      () => encoded(wire.PutRequest, { key: bytes('k'), value: Buffer.alloc(1_572_865) }),
      3,
      'etcdserver: request is too large',
    ],
    [
      '8 MiB',
      `${kv}/Put`,
      () => encoded(wire.PutRequest, { key: bytes('k'), value: Buffer.alloc(8 * mebibyte) }),
      8,
      /larger than max/,
    ],
    [
      'half a message',
      `${kv}/Put`,
      () => encoded(wire.PutRequest, { key: bytes('a key of some length') }).subarray(0, 9),
      13,
      'grpc: error unmarshalling request',
    ],
    [
      'a wrong wire type: no such field',
      `${kv}/Put`,
      () => Buffer.from([0x0d, 1, 2, 3, 4]),
      3,
      'etcdserver: key is not provided',
    ],
    [
      'a length of 2 GB',
      `${kv}/Put`,
      () => Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x07, 0x61]),
      13,
      'grpc: error unmarshalling request',
    ],
    ['a varint that never ends', `${kv}/Put`, () => Buffer.alloc(64, 0xff), 13, 'grpc: error unmarshalling request'],
    ['no such method', `${kv}/Nothing`, () => Buffer.alloc(0), 12, /./],
  ];
  for (const [name, path, request, code, text] of rows) {
    test(name, async () => {
      const status = await statusOf(path, request());
      expect(status.code, status.text).toBe(code);
      if (typeof text === 'string') expect(status.text).toBe(text);
      else expect(status.text).toMatch(text);
      expect(await caller.count('k', 'l'), 'no partial effect').toBe(0);
    });
  }
  test('after all of them the member lives on', livesOn);
});

describe('odd requests that are taken', () => {
  test('TTLs: 0, negative and the smallest int64 are raised; beyond setTimeout’s range they live', async () => {
    for (const ttl of [0, -1, -(2 ** 53) + 1]) {
      const id = await caller.grant(ttl);
      const { granted, ttl: left } = await caller.timeToLive(id);
      expect(granted).toBe(2);
      expect(left).toBeGreaterThanOrEqual(0);
    }
    for (const ttl of [2_147_484, 30 * 86_400, 9_000_000_000]) {
      const id = await caller.grant(ttl);
      const found = await caller.timeToLive(id);
      expect(found.granted).toBe(ttl);
      expect(found.ttl).toBeGreaterThan(ttl - 100);
      expect(found.ttl).toBeLessThanOrEqual(Math.ceil(ttl * 1.002));
    }
  });

  test('ids from both ends of int64, each once', async () => {
    for (const id of [1n, -1n, int64Max, -(2n ** 63n)]) {
      expect(await caller.grant(60, id)).toBe(id);
      const again = await statusOf(
        `${lease}/LeaseGrant`,
        encoded(wire.LeaseGrantRequest, { TTL: 60, ID: int64Of(id) }),
      );
      expect(again).toEqual({ code: 9, text: 'etcdserver: lease already exists' });
      await caller.put(`by/${id}`, 'x', id);
      expect((await caller.timeToLive(id)).keys).toEqual([`by/${id}`]);
      await caller.revoke(id);
    }
    expect(await caller.count('by/', 'by0')).toBe(0);
  });

  test('a keep-alive of an unknown lease is TTL 0 on a stream that stays open', async () => {
    const stream = line.client.keepAlive();
    stream.send({ ID: 4711 });
    expect(numberOf((await stream.next()).TTL)).toBe(0);
    const id = await caller.grant(60);
    stream.send({ ID: int64Of(id) });
    expect(numberOf((await stream.next()).TTL)).toBe(60);
    stream.raw.end();
    expect((await stream.raw.status).code).toBe(0);
  });

  test('unknown fields, a oneof twice, range_end below key, a negative limit', async () => {
    const unknown = Buffer.concat([
      encoded(wire.PutRequest, { key: bytes('u/1') }),
      Buffer.from([0xfa, 0x3f, 2, 1, 2]),
    ]);
    expect((await statusOf(`${kv}/Put`, unknown)).code).toBe(0);
    const twice = Buffer.concat([
      Buffer.from([0x12, 7, 0x0a, 5, 0x0a, 3]),
      bytes('u/9'),
      txnOf({ success: [putOp('u/2')] }),
    ]);
    expect((await statusOf(`${kv}/Txn`, twice)).code).toBe(0);
    expect(await caller.count('u/', 'u0')).toBe(2);
    expect(await caller.count('u0', 'u/')).toBe(0);
    const negative = encoded(wire.RangeRequest, { key: bytes('u/'), rangeEnd: bytes('u0'), limit: -5 });
    expect((await statusOf(`${kv}/Range`, negative)).code).toBe(0);
  });

  test('keys are bytes: not UTF-8, NUL, 1 MiB long, and sorted as bytes', async () => {
    // As UTF-16 the second sorts before the first.
    const keys = [Buffer.from('b/\u{ff61}'), Buffer.from('b/\u{1f600}'), Buffer.from([0x62, 0x2f, 0xff, 0xfe, 0])];
    const long = Buffer.concat([Buffer.from('b/'), Buffer.alloc(mebibyte, 'z')]);
    for (const key of [...keys, long]) {
      expect((await statusOf(`${kv}/Put`, encoded(wire.PutRequest, { key, value: key.subarray(0, 9) }))).code).toBe(0);
    }
    const request = { key: bytes('b/'), rangeEnd: bytes('b0'), keysOnly: true };
    const found = await line.client.call(`${kv}/Range`, wire.RangeRequest, wire.RangeResponse, request);
    const sorted = [...keys, long].sort(Buffer.compare);
    expect(found.kvs.map(({ key }) => Buffer.from(key).equals(sorted.shift() as Buffer))).toEqual([
      true,
      true,
      true,
      true,
    ]);
  });

  test('a deadline of 0 that reaches the member: over at once, and nothing is applied', async () => {
    for (const timeout of ['0n', '0m', '0S', '1n', '999u']) {
      const session = connectHttp2(`http://${member.endpoint}`);
      const request = session.request({
        ':method': 'POST',
        ':path': `${kv}/Put`,
        'content-type': 'application/grpc',
        te: 'trailers',
        'grpc-timeout': timeout,
      });
      const body = encoded(wire.PutRequest, { key: bytes(`d/${timeout}`) });
      request.end(Buffer.concat([Buffer.from([0, 0, 0, 0, body.length]), body]));
      const status = await new Promise((resolve) => {
        for (const event of ['response', 'trailers'] as const)
          request.on(event, (head: Record<string, unknown>) => head['grpc-status'] && resolve(head['grpc-status']));
        request.resume();
      });
      expect(status, timeout).toBe('4');
      session.destroy();
      expect(await caller.count(`d/${timeout}`)).toBe(0);
    }
    const spared = await line.client.raw(`${kv}/Put`, encoded(wire.PutRequest, { key: bytes('d/') }), {}, Infinity);
    expect('code' in spared).toBe(false);
    await livesOn();
  });

  test('calls with a deadline of 1 ms, and calls cancelled at any stage: each applied once or not at all', async () => {
    await Promise.all(
      Array.from({ length: 300 }, async (_, i) => {
        await line.client.raw(`${kv}/Put`, encoded(wire.PutRequest, { key: bytes(`c/${i}`) }), {}, i % 6);
      }),
    );
    const answer = await line.client.call(`${kv}/Range`, wire.RangeRequest, wire.RangeResponse, {
      key: bytes('c/'),
      rangeEnd: bytes('c0'),
    });
    for (const found of answer.kvs) expect(numberOf(found.version)).toBe(1);
    await livesOn();
  });
});

describe('bodies that lie', () => {
  /** One call on a connection of its own, written by hand: the gRPC status it ends with, or how the stream ended. */
  function handmade(body: Uint8Array, headers: Record<string, string> = {}, ends = true): Promise<string> {
    const session = connectHttp2(`http://${member.endpoint}`);
    session.on('error', () => {});
    return new Promise<string>((resolve) => {
      const stream = session.request({
        ':method': 'POST',
        ':path': `${kv}/Put`,
        'content-type': 'application/grpc',
        te: 'trailers',
        ...headers,
      });
      stream.on('response', (head) => {
        if (head['grpc-status'] !== undefined) resolve(String(head['grpc-status']));
      });
      stream.on('trailers', (trailers) => resolve(String(trailers['grpc-status'])));
      stream.on('error', () => resolve('reset'));
      stream.on('close', () => resolve('closed'));
      stream.resume();
      if (ends) stream.end(body);
      else stream.write(body);
      setTimeout(() => resolve('waiting'), 3_000).unref();
    }).finally(() => session.destroy());
  }
  const framed = (compressed: number, length: number, body: Uint8Array): Buffer => {
    const head = Buffer.alloc(5);
    head[0] = compressed;
    head.writeUInt32BE(length, 1);
    return Buffer.concat([head, body]);
  };

  test('a length of 4 GiB with 3 bytes behind it: refused from the length, nothing is allocated', async () => {
    const before = residentBytes(member.pid);
    const ends = await Promise.all(
      Array.from({ length: 20 }, () => handmade(framed(0, 0xffff_ffff, Buffer.from('abc')), {}, false)),
    );
    expect(new Set(ends)).toEqual(new Set(['8']));
    expect(residentBytes(member.pid) - before).toBeLessThan(100 * mebibyte);
    await livesOn();
  });

  test('a gzip bomb of 1000:1 is not unpacked: no encoding is taken, as etcd', async () => {
    const bomb = gzipSync(Buffer.alloc(256 * mebibyte), { level: 9 });
    expect(bomb.length).toBeLessThan(mebibyte);
    const before = residentBytes(member.pid);
    const ends = await Promise.all(
      Array.from({ length: 4 }, () => handmade(framed(1, bomb.length, bomb), { 'grpc-encoding': 'gzip' })),
    );
    expect(new Set(ends)).toEqual(new Set(['12']));
    expect(residentBytes(member.pid) - before).toBeLessThan(100 * mebibyte);
    await livesOn();
  });

  test('no frame, half a frame, a wrong content type, a wrong path', async () => {
    expect(await handmade(Buffer.alloc(0))).not.toBe('0');
    expect(await handmade(framed(0, 10, Buffer.from('abc')))).not.toBe('0');
    expect(await handmade(framed(0, 0, Buffer.alloc(0)), { 'content-type': 'text/html' })).not.toBe('0');
    expect(await handmade(framed(0, 0, Buffer.alloc(0)), { ':path': '/\0/%00' })).not.toBe('0');
    await livesOn();
  });
});

describe('connections that are no gRPC', () => {
  const openings: readonly (readonly [string, Uint8Array | string])[] = [
    ['TLS', Buffer.from([22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3, ...new Array<number>(196).fill(7)])],
    ['garbage', Buffer.alloc(200, 0xee)],
    ['HTTP/1.1 with a broken head', 'GET / HTTP/1.1\r\nno colon here\r\n\r\n'],
    ['a head of 64 KiB', `GET / HTTP/1.1\r\nx: ${'y'.repeat(65_536)}\r\n\r\n`],
    ['a preface with a broken tail', 'PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n'],
    [
      'a preface, then no settings',
      Buffer.concat([http2Opening.subarray(0, 24), http2Frame(6, 0, 0, Buffer.alloc(8))]),
    ],
  ];
  for (const [name, opening] of openings) {
    test(`${name}: closed at once`, async () => {
      const plain = await PlainSocket.connected(member.clientPort);
      plain.send(opening);
      expect(await plain.closedWithin(10_000)).toBe(true);
    });
  }

  test('silence, a preface and silence, 1 byte a second: closed in little more than 10 s', async () => {
    const silent = await PlainSocket.connected(member.clientPort);
    const preface = await PlainSocket.connected(member.clientPort);
    preface.send(http2Opening.subarray(0, 24));
    const slow = await PlainSocket.connected(member.clientPort);
    const head = 'GET /health HTTP/1.1\r\nHost: a\r\n\r\n';
    let at = 0;
    const drip = setInterval(() => slow.send(head.charAt(at++ % 20)), 1_000);
    const peer = await PlainSocket.connected(member.peerPort);
    const startMs = performance.now();
    for (const each of [silent, preface, slow, peer]) expect(await each.closedWithin(20_000)).toBe(true);
    clearInterval(drip);
    expect(performance.now() - startMs).toBeLessThan(20_000);
  });

  test(`${idleConnections} idle connections: others are served, and they cost little`, async () => {
    const before = residentBytes(member.pid);
    const idle = await Promise.all(
      Array.from({ length: idleConnections }, () => PlainSocket.connected(member.clientPort)),
    );
    await livesOn();
    expect(residentBytes(member.pid) - before).toBeLessThan(idleConnections * 64 * 1024 + 50 * mebibyte);
    for (const each of idle) each.destroy();
  });

  test('the peer port: HTTP, garbage, a hello of another cluster, a first frame too long', async () => {
    for (const opening of [
      'GET / HTTP/1.1\r\n\r\n',
      Buffer.alloc(2_000, 1),
      http2Opening,
      Buffer.from([0, 0, 0, 0, 255, 255, 255, 127, 1]),
    ]) {
      const plain = await PlainSocket.connected(member.peerPort);
      plain.send(opening);
      expect(await plain.closedWithin(10_000)).toBe(true);
    }
    await livesOn();
  });
});

describe('floods on a connection that speaks HTTP/2', () => {
  const headers = Buffer.from([0x83, 0x86, 0x84, 0x41, 0x01, 0x61]);
  const openStream = (stream: number): Buffer => http2Frame(1, 4, stream, headers);
  const floods: readonly (readonly [string, (i: number) => Buffer])[] = [
    [
      'rapid reset',
      (i) => Buffer.concat([openStream(2 * i + 1), http2Frame(3, 0, 2 * i + 1, Buffer.from([0, 0, 0, 8]))]),
    ],
    ['CONTINUATION without end', (i) => http2Frame(i === 0 ? 1 : 9, 0, 1, Buffer.alloc(8_000, 0x40))],
    ['PING', (i) => http2Frame(6, 0, 0, Buffer.alloc(8, i))],
    ['SETTINGS', () => http2Frame(4, 0, 0, Buffer.from([0, 4, 0, 0, 255, 255]))],
    ['WINDOW_UPDATE of 0', (i) => Buffer.concat([openStream(2 * i + 1), http2Frame(8, 0, 2 * i + 1, Buffer.alloc(4))])],
    ['malformed HEADERS', (i) => http2Frame(1, 4, 2 * i + 1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]))],
    [
      'HPACK that grows',
      (i) =>
        http2Frame(
          1,
          4,
          2 * i + 1,
          Buffer.concat([
            Buffer.from([0x40, 1, 0x61, 0x7f, 0xa1, 0x1e]),
            Buffer.alloc(4_000, 0x62),
            Buffer.alloc(4_000, 0xbe),
          ]),
        ),
    ],
  ];
  /** Sends them for so long, or until the member has had enough; meanwhile requests of others go through. */
  async function flood(port: number, frameOf: (i: number) => Buffer, forMs: number, others: Caller): Promise<void> {
    const plain = await PlainSocket.connected(port);
    plain.send(http2Begun);
    const endMs = performance.now() + forMs;
    for (let i = 0; performance.now() < endMs && !plain.closed && i < 50_000; ) {
      const burst = Array.from({ length: 100 }, () => frameOf(i++));
      plain.send(Buffer.concat(burst));
      if (i % 5_000 === 0) await insist(() => others.put('alive'), 10_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    plain.destroy();
  }

  for (const [name, frameOf] of floods) {
    test(name, async () => {
      await flood(member.clientPort, frameOf, 1_000, caller);
      await livesOn();
    });
  }

  test('all of them, again and again, on the leader of three: nobody else is elected', async () => {
    const three = await ProcessCluster.start({ proxied: false });
    try {
      await three.ready(60_000);
      const leader = await three.leader();
      const elections = (): Promise<unknown[]> =>
        Promise.all(three.members.map((each) => metric(each, 'etcd_server_leader_changes_seen_total')));
      const there = lineTo(leader.endpoint);
      const others = new Caller(there.client);
      await insist(() => others.put('alive'));
      const before = await elections();
      const endMs = performance.now() + 5_000;
      const again = async (frameOf: (i: number) => Buffer): Promise<void> => {
        while (performance.now() < endMs) await flood(leader.clientPort, frameOf, endMs - performance.now(), others);
      };
      await Promise.all(floods.map(([, frameOf]) => again(frameOf)));
      expect(await elections()).toEqual(before);
      expect(await three.leader()).toBe(leader);
      there.close();
    } finally {
      await three.stop();
    }
  });
});

describe('watches', () => {
  test(`the ${watchersPerStreamMax + 1}th watch of a stream is refused, the others live`, async () => {
    const stream = line.client.watch();
    for (let i = 0; i <= watchersPerStreamMax; i++) stream.send({ createRequest: { key: bytes(`w/${i}`) } });
    let created = 0;
    for (;;) {
      const answer = await stream.next();
      if (answer.canceled) {
        expect(answer.cancelReason).toBe('etcdserver: too many watchers');
        break;
      }
      if (answer.created) created++;
    }
    expect(created).toBe(watchersPerStreamMax);
    await caller.put('w/17');
    let answer = await stream.next();
    while (answer.events.length === 0) answer = await stream.next();
    expect(Buffer.from(answer.events[0]?.kv?.key ?? []).toString()).toBe('w/17');
    stream.raw.cancel();
    await livesOn();
  });

  test('a watcher that never reads holds up nobody and does not fill memory', async () => {
    const blind = lineTo(member.endpoint);
    const stream = blind.client.watch();
    stream.send({ createRequest: { key: bytes('f/'), rangeEnd: bytes('f0') } });
    expect((await stream.next()).created).toBe(true);
    stream.raw.stream.pause();
    const before = residentBytes(member.pid);
    const value = Buffer.alloc(512 * 1024, 7);
    for (let i = 0; i < 60; i++) await caller.put('f/1', value);
    // The history itself holds 30 MiB; a second copy of all of it would show.
    expect(residentBytes(member.pid) - before).toBeLessThan(200 * mebibyte);
    stream.raw.cancel();
    blind.close();
    await livesOn();
  });
});

test('two SIGTERMs under load: a clean end within 5 s', async () => {
  let stopped = false;
  const load = Promise.all(
    Array.from({ length: 8 }, async (_, i) => {
      while (!stopped) await caller.put(`end/${i}`).catch(() => {});
    }),
  );
  await pause(200);
  const startMs = performance.now();
  member.signal('SIGTERM');
  await pause(20);
  await member.stop('SIGTERM');
  const tookMs = performance.now() - startMs;
  stopped = true;
  await load;
  expect(member.exits).toEqual(['0']);
  expect(tookMs).toBeLessThan(5_000);
});
