/** The benchmark's own gRPC client against Node's HTTP/2 server, which knows nothing of it; and its bytes against the codecs. */
import { constants, createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Call, Connection } from '../../scripts/bench/load/connection.ts';
import {
  deletedKeys,
  grantedId,
  hasKey,
  hasTimeLeft,
  renewedId,
  requests,
  succeeded,
  termOf,
  watched,
} from '../../scripts/bench/load/messages.ts';
import { Meter } from '../../scripts/bench/load/meter.ts';
import { wire } from '../../src/rpc/messages.ts';

const framed = (message: Uint8Array): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
};

/** Collects what becomes of a call. */
class Seen extends Call {
  readonly messages: Buffer[] = [];
  readonly end: Promise<string>;
  #end: (text: string) => void = () => undefined;

  constructor() {
    super();
    this.end = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  message(bytes: Buffer, from: number, to: number): void {
    this.messages.push(Buffer.from(bytes.subarray(from, to)));
  }

  ended(code: number, text: string): void {
    this.#end(`${code} ${text}`);
  }
}

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

type Answering = (stream: ServerHttp2Stream, headers: Record<string, unknown>, body: Promise<Buffer>) => void;

async function against(
  answering: Answering,
  settings: Parameters<typeof createServer>[0] = {},
): Promise<{ connection: Connection; session: Promise<ServerHttp2Session> }> {
  const server: Http2Server = createServer(settings);
  server.on('stream', (stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on('error', () => undefined);
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    const body = new Promise<Buffer>((resolve) => stream.on('end', () => resolve(Buffer.concat(chunks))));
    answering(stream, headers, body);
  });
  const session = new Promise<ServerHttp2Session>((resolve) => server.once('session', resolve));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const connection = new Connection(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  closers.push(() => {
    connection.close();
    server.close();
  });
  await connection.ready;
  return { connection, session };
}

const status = (code: number, message = ''): Record<string, string> => ({
  'grpc-status': String(code),
  ...(message === '' ? {} : { 'grpc-message': message }),
});

function answerWith(stream: ServerHttp2Stream, message: Uint8Array, trailers: Record<string, string>): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  stream.end(framed(message));
}

async function ask(connection: Connection, message: Uint8Array): Promise<Seen> {
  const call = new Seen();
  connection.open('/a.B/C', call, framed(message));
  connection.flush();
  await call.end;
  return call;
}

describe('the load’s connection', () => {
  it('sends the same head, in full and from the table, and reads messages and status', async () => {
    const heads: unknown[] = [];
    const { connection } = await against((stream, headers, body) => {
      heads.push({ ...headers });
      void body.then((bytes) => answerWith(stream, bytes.subarray(5), status(heads.length % 2, 'etcdserver: no')));
    });
    for (let n = 0; n < 6; n++) {
      const call = await ask(connection, Buffer.from([n]));
      expect(call.messages).toEqual([Buffer.from([n])]);
      expect(await call.end).toBe(`${(n + 1) % 2} etcdserver: no`);
    }
    expect(heads[0]).toMatchObject({ ':path': '/a.B/C', ':method': 'POST', te: 'trailers' });
    for (const head of heads) expect(head).toEqual(heads[0]);
  });

  it('keeps its table in step when others put into it, Huffman coded and larger than it', async () => {
    let n = 0;
    const { connection } = await against((stream) => {
      n++;
      const more = Object.fromEntries(Array.from({ length: n % 7 }, (_, i) => [`x-${n}-${i}`, 'v{}<`'.repeat(40 * i)]));
      answerWith(stream, Buffer.of(1), { ...more, ...status(n % 17, `Lease ${n} not found (@#$^)`) });
    });
    for (let i = 1; i <= 60; i++)
      expect(await (await ask(connection, Buffer.of(0))).end).toBe(`${i % 17} Lease ${i} not found (@#$^)`);
  });

  it('puts messages together that come in parts, padded or not, and gives the window back', async () => {
    const large = Buffer.alloc(1_500_000, 'a');
    const { connection } = await against((stream) => answerWith(stream, large, status(0)), {
      paddingStrategy: constants.PADDING_STRATEGY_MAX,
    });
    for (let n = 0; n < 4; n++) {
      const call = await ask(connection, Buffer.of(0));
      expect(await call.end).toBe('0 ');
      expect(call.messages.length).toBe(1);
      expect(call.messages[0]?.equals(large)).toBe(true);
    }
  });

  it('reads a header block that is continued', async () => {
    const { connection } = await against(
      (stream) => answerWith(stream, Buffer.of(1), { 'x-long': 'é'.repeat(20_000), ...status(5, 'later') }),
      { maxSendHeaderBlockLength: 100_000 },
    );
    expect(await (await ask(connection, Buffer.of(0))).end).toBe('5 later');
  });

  it('waits for the window of the other side, and answers its ping', async () => {
    const bodies: Promise<Buffer>[] = [];
    const { connection, session } = await against(
      (stream, _, body) => {
        bodies.push(body);
        void body.then(() => answerWith(stream, Buffer.of(1), status(0)));
      },
      { settings: { initialWindowSize: 200 } },
    );
    const call = new Seen();
    connection.open('/a.B/C', call);
    for (let n = 0; n < 50; n++) connection.send(call, framed(Buffer.alloc(100, n)), n === 49);
    connection.flush();
    expect(await call.end).toBe('0 ');
    const body = (await bodies[0]) as Buffer;
    expect(body.equals(Buffer.concat(Array.from({ length: 50 }, (_, n) => framed(Buffer.alloc(100, n)))))).toBe(true);
    const ponged = new Promise<Error | null>((resolve) => void session.then((s) => s.ping((error) => resolve(error))));
    expect(await ponged).toBeNull();
  });

  it('ends calls that are reset, refused without trailers, or lost with the connection', async () => {
    const { connection, session } = await against((stream, headers) => {
      if (headers[':path'] === '/reset') stream.close(8);
      else if (headers[':path'] === '/html') stream.respond({ ':status': 404 }, { endStream: true });
    });
    const calls = ['/reset', '/html', '/silent'].map((path) => {
      const call = new Seen();
      connection.open(path, call, framed(Buffer.of(1)));
      return call;
    });
    connection.flush();
    expect(await calls[0]?.end).toBe('2 reset with 8');
    expect(await calls[1]?.end).toBe('2 HTTP 404');
    (await session).destroy();
    expect(await calls[2]?.end).toMatch(/^14 /);
    expect(connection.closed).toBe(true);
    const late = new Seen();
    connection.open('/a.B/C', late);
    expect(await late.end).toBe('14 the connection is closed');
  });
});

describe('the load’s messages', () => {
  const message = (bytes: Buffer): Buffer => bytes.subarray(5);
  const lease = Buffer.from([0x81, 0x82, 0x03]);
  const key = Buffer.from('bench/00000001');
  const value = Buffer.alloc(256, 'v');
  const leaseNumber = 0x81 - 0x80 + ((0x82 - 0x80) << 7) + (3 << 14);

  it('are what the codecs read', () => {
    const id = { low: leaseNumber, high: 0, unsigned: false };
    expect(wire.LeaseGrantRequest.decode(message(requests.grant(3_600)))).toMatchObject({ TTL: { low: 3_600 } });
    const chosen = 0x0b3c_0000_0001;
    const chosenId = { low: 1, high: 0xb3c, unsigned: false };
    expect(wire.LeaseGrantRequest.decode(message(requests.grantAs(60, chosen)))).toMatchObject({ ID: chosenId });
    expect(wire.LeaseKeepAliveRequest.decode(message(requests.keepAliveAs(chosen)))).toMatchObject({ ID: chosenId });
    expect(wire.PutRequest.decode(message(requests.putAs(key, value, chosen)))).toMatchObject({ lease: chosenId });
    expect(wire.LeaseRevokeRequest.decode(message(requests.revoke(lease)))).toMatchObject({ ID: id });
    expect(wire.LeaseTimeToLiveRequest.decode(message(requests.timeToLive(lease)))).toMatchObject({
      ID: id,
      keys: true,
    });
    expect(wire.LeaseKeepAliveRequest.decode(message(requests.keepAlive(lease)))).toMatchObject({ ID: id });
    expect(wire.PutRequest.decode(message(requests.put(key, value, lease)))).toMatchObject({ key, value, lease: id });
    expect(wire.RangeRequest.decode(message(requests.range(key, true)))).toMatchObject({ key, serializable: true });
    expect(wire.TxnRequest.decode(message(requests.lock(key, value, lease)))).toMatchObject({
      compare: [{ key, target: 1, result: 0, createRevision: { low: 0 } }],
      success: [{ requestPut: { key, value, lease: id } }],
      failure: [{ requestRange: { key } }],
    });
    const watch = requests.watch(key, Buffer.from('c'));
    expect(wire.WatchRequest.decode(message(watch))).toMatchObject({
      createRequest: { key, rangeEnd: Buffer.from('c') },
    });
    for (const bytes of [watch, requests.grant(1)]) expect(bytes.readUInt32BE(1)).toBe(bytes.length - 5);
  });

  it('see in an answer what makes it one', () => {
    const header = { clusterId: 1, memberId: 2, revision: 3, raftTerm: 4 };
    const read = <T>(encoded: Uint8Array, reader: (bytes: Buffer, from: number, to: number) => T): T => {
      const bytes = Buffer.concat([Buffer.of(9, 9), encoded, Buffer.of(9)]);
      return reader(bytes, 2, bytes.length - 1);
    };
    const granted = wire.LeaseGrantResponse.encode({ header, ID: leaseNumber, TTL: 5 });
    expect(read(granted, grantedId)).toEqual(lease);
    expect(read(wire.LeaseGrantResponse.encode({ header }), grantedId)).toBeUndefined();
    for (const [TTL, there] of [
      [5, true],
      [0, false],
      [{ low: -1, high: -1, unsigned: false }, false],
    ] as const)
      expect(read(wire.LeaseTimeToLiveResponse.encode({ header, ID: 1, TTL, keys: [] }), hasTimeLeft)).toBe(there);
    expect(read(wire.RangeResponse.encode({ header, kvs: [{ key }], count: 1 }), hasKey)).toBe(true);
    expect(read(wire.RangeResponse.encode({ header, kvs: [] }), hasKey)).toBe(false);
    expect(read(wire.TxnResponse.encode({ header, succeeded: true, responses: [] }), succeeded)).toBe(true);
    expect(read(wire.TxnResponse.encode({ header, responses: [] }), succeeded)).toBe(false);
    const events = [
      { kv: { key, value: Buffer.from('one') } },
      { type: 1, kv: { key } },
      { kv: { key, value: Buffer.from('two') } },
    ];
    const seen: string[] = [];
    const response = wire.WatchResponse.encode({ header, watchId: 7, events });
    const created = read(response, (bytes, from, to) =>
      watched(bytes, from, to, (at) => seen.push(bytes.toString('latin1', at, at + 3))),
    );
    expect([created, seen]).toEqual([false, ['one', 'two']]);
    const deleted: string[] = [];
    expect(read(response, (b, f, t) => deletedKeys(b, f, t, (name) => deleted.push(name)))).toBe(false);
    expect(deleted).toEqual([key.toString()]);
    const renewed = wire.LeaseKeepAliveResponse.encode({ header, ID: 5_000_000, TTL: 9 });
    expect(read(renewed, renewedId)).toBe(5_000_000);
    expect([termOf(Buffer.from(granted)), termOf(Buffer.alloc(0))]).toEqual([4, 0]);
    expect(
      read(wire.WatchResponse.encode({ header, created: true, events: [] }), (b, f, t) => watched(b, f, t, () => 0)),
    ).toBe(true);
  });
});

describe('the load’s meter', () => {
  it('counts between begin and end, and errors always', () => {
    const meter = new Meter([]);
    meter.done(0, 1_000_000);
    meter.failed('first');
    meter.begin();
    for (let ms = 1; ms <= 1_000; ms++) meter.done(0, ms);
    meter.end();
    meter.done(0, 5_000);
    meter.failed('second');
    const { operations, errors, firstError, msMedian, msP99, msMax } = meter.result();
    expect({ operations, errors, firstError, msMax }).toEqual({
      operations: 1_000,
      errors: 2,
      firstError: 'first',
      msMax: 1_000,
    });
    expect(msMedian).toBeGreaterThan(495);
    expect(msMedian).toBeLessThan(505);
    expect(msP99).toBeGreaterThan(983);
    expect(msP99).toBeLessThan(999);
  });

  it('tells short times apart', () => {
    const meter = new Meter([]);
    meter.begin();
    for (let n = 0; n < 100; n++) meter.done(0, 0.042);
    meter.end();
    expect(meter.result().msMedian).toBe(0.042);
  });
});
