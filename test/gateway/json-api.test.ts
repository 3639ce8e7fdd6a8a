/** The JSON gateway over sockets: routes, errors, deadlines, limits. What it says was compared with etcd 3.4.23. */
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { jsonAnswerCharsMax } from '../../src/base/limits.ts';
import { routesOf } from '../../src/gateway/routes.ts';
import { declaredMethods } from '../../src/rpc/codec.ts';
import { rpcError } from '../../src/rpc/errors.ts';
import { Fixture, type FixtureOptions, until } from '../rpc/wire-client.ts';
import { type Asked, ask, base64, HttpStream } from './http-client.ts';

let fixture: Fixture;
const start = async (options: FixtureOptions = {}): Promise<void> => {
  await fixture.stop();
  fixture = await Fixture.start(options);
};
beforeEach(async () => {
  fixture = await Fixture.start();
});
afterEach(async () => {
  await fixture.stop();
  expect(fixture.bugs).toEqual([]);
});

const post = async (path: string, body: unknown, asked: Asked = {}): Promise<[number, unknown]> => {
  const text = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const answer = await ask(fixture.port, path, text, asked);
  return [answer.status, answer.headers['content-type'] === 'application/json' ? JSON.parse(answer.body) : answer.body];
};
const errorOf = (code: number, text: string) => ({ error: text, message: text, code });

describe('routes', () => {
  test('are those of the proto files: every method of etcd’s has one', () => {
    const routes = routesOf({});
    const reached = new Set([...routes.values()].map((route) => route.name));
    const etcd = [...declaredMethods().keys()].filter((name) => !name.startsWith('/grpc.'));
    expect([...reached].sort()).toEqual(etcd.sort());
    expect(routes.size).toBe(etcd.length + 3);
    expect(routes.get('/v3/kv/lease/revoke')).toBe(routes.get('/v3/lease/revoke'));
    expect(routes.get('/v3/maintenance/transfer-leadership')?.name).toBe('/etcdserverpb.Maintenance/MoveLeader');
  });

  test('/v3beta is /v3, other versions are nobody’s', async () => {
    const range = { key: base64('a') };
    expect((await post('/v3beta/kv/range', range))[0]).toBe(200);
    expect((await post('/v3/kv%2Frange?x=y', range))[0]).toBe(200);
    expect(await post('/v3alpha/kv/range', range)).toEqual([404, '404 page not found\n']);
    expect(await post('/v3/v3/kv/range', range)).toEqual([404, 'Not Found\n']);
    expect(await post('/v3/kv/range/', range)).toEqual([404, 'Not Found\n']);
    expect(await post('/v3/kv/%zz', range)).toEqual([404, 'Not Found\n']);
  });

  test.each(['GET', 'PUT', 'DELETE', 'PATCH'])('%s is not allowed', async (method) => {
    expect(await post('/v3/kv/range', '', { method })).toEqual([405, 'Method Not Allowed\n']);
    expect(await post('/v3/nope', '', { method })).toEqual([404, 'Not Found\n']);
  });

  test('OPTIONS is answered for every path, so that browsers may post', async () => {
    for (const path of ['/v3/kv/range', '/v3/watch', '/health', '/nope']) {
      const answer = await ask(fixture.port, path, '', { method: 'OPTIONS' });
      expect([answer.status, answer.body, answer.headers['content-length']]).toEqual([200, '', '0']);
      expect(answer.headers['access-control-allow-methods']).toBe('POST, GET, OPTIONS, PUT, DELETE');
      expect(answer.headers['access-control-allow-headers']).toBe('accept, content-type, authorization');
    }
  });

  test('the content type asked with or for does not matter', async () => {
    for (const headers of [{ 'content-type': 'text/plain' }, { accept: 'text/html' }]) {
      expect((await post('/v3/lease/leases', '', { headers }))[0]).toBe(200);
    }
  });
});

describe('calls', () => {
  test('a life of a lease, ids beyond 2^53 as numbers and as strings', async () => {
    const id = '7587861231231231231';
    const [, granted] = await post('/v3/lease/grant', `{"TTL":60,"ID":${id}}`);
    expect(granted).toMatchObject({ ID: id, TTL: '60' });
    await post('/v3/kv/put', { key: base64('k'), value: base64('v'), lease: id });
    const ttl = await post('/v3/kv/lease/timetolive', `{"ID":${id},"keys":true}`);
    expect(ttl[1]).toMatchObject({ ID: id, TTL: '60', grantedTTL: '60', keys: [base64('k')] });
    expect((await post('/v3/lease/leases', {}))[1]).toMatchObject({ leases: [{ ID: id }] });
    expect((await post('/v3/kv/lease/revoke', { ID: id }))[0]).toBe(200);
    expect((await post('/v3/kv/range', { key: base64('k') }))[1]).not.toHaveProperty('kvs');
  });

  test('both spellings, enums by name or number, unknown fields, camel first', async () => {
    await post('/v3/kv/put', { key: base64('a'), value: base64('1') });
    await post('/v3/kv/put', { key: base64('b'), value: base64('2') });
    for (const sort of [
      { sort_order: 'DESCEND' },
      { sortOrder: 2 },
      { sort_order: 'NONE', sortOrder: 'DESCEND', x: [{}] },
    ]) {
      const [, answer] = await post('/v3/kv/range', { key: 'AA==', range_end: 'AA==', ...sort });
      expect(answer).toMatchObject({ kvs: [{ key: base64('b') }, { key: base64('a') }], count: '2' });
    }
  });

  test('what is declared and not served is unimplemented, as on gRPC', async () => {
    const [status, body] = await post('/v3/cluster/member/add', {});
    expect([status, body]).toMatchObject([501, { code: 12 }]);
  });

  test('a snapshot comes as lines, its bytes in base64, and fails in a line too', async () => {
    fixture.member.snapshotOf = { pieces: [Buffer.from('abc')] };
    const hash = createHash('sha256').update('abc').digest('base64');
    expect(await ask(fixture.port, '/v3/maintenance/snapshot', '{}', {})).toMatchObject({
      status: 200,
      body: `{"result":{"blob":"YWJj"}}\n{"result":{"blob":"${hash}"}}\n`,
    });
    fixture.member.snapshotOf = { pieces: [], failure: rpcError('imageUnreadable') };
    expect((await post('/v3/maintenance/snapshot', {}))[1]).toMatchObject({
      error: { grpc_code: 14, code: 14, http_code: 503, http_status: 'Service Unavailable' },
    });
  });

  test('the leader guard hears Grpc-Metadata-Hasleader', async () => {
    fixture.member.leader = 0n;
    const headers = { 'grpc-metadata-hasleader': 'true' };
    const refused = errorOf(14, 'etcdserver: no leader');
    expect(await post('/v3/kv/range', { key: base64('a') }, { headers })).toEqual([503, refused]);
    const [status, body] = await post('/v3/watch', { create_request: { key: base64('a') } }, { headers });
    expect([status, body]).toMatchObject([503, { error: { grpc_code: 14, message: 'etcdserver: no leader' } }]);
  });

  test('the metrics count them with gRPC’s', async () => {
    await post('/v3/lease/revoke', { ID: 5 });
    const { body } = await ask(fixture.port, '/metrics', '', { method: 'GET' });
    expect(body).toMatch(/grpc_server_handled_total\{[^}]*"LeaseRevoke"[^}]*"NotFound"\} 1/);
  });
});

describe('errors', () => {
  const table: readonly [string, string, number, number][] = [
    ['noLeader', 'etcdserver: no leader', 14, 503],
    ['timedOut', 'etcdserver: request timed out', 14, 503],
    ['overloaded', 'etcdserver: too many requests', 8, 429],
    ['noSpace', 'etcdserver: mvcc: database space exceeded', 8, 429],
  ];
  test.each(table)('%s', async (why, text, code, status) => {
    fixture.member.refuseWith = why as 'noLeader';
    expect(await post('/v3/kv/put', { key: base64('a') })).toEqual([status, errorOf(code, text)]);
  });

  test('a failed precondition is 412, as with etcd 3.4', async () => {
    await post('/v3/lease/grant', { TTL: 60, ID: 7 });
    expect(await post('/v3/lease/grant', { TTL: 60, ID: 7 })).toEqual([
      412,
      errorOf(9, 'etcdserver: lease already exists'),
    ]);
  });

  test('a null in a list of messages, on which etcd drops the connection', async () => {
    expect((await post('/v3/kv/txn', { success: [null] }))[0]).toBe(400);
  });

  test('txns in txns, deeper than any member reads', async () => {
    const nested = (depth: number) => `${'{"success":[{"request_txn":'.repeat(depth)}{}${'}]}'.repeat(depth)}`;
    expect((await post('/v3/kv/txn', nested(128)))[0]).toBe(200);
    const [status, body] = await post('/v3/kv/txn', nested(200));
    expect([status, body]).toEqual([400, errorOf(3, 'etcdserver: too many operations in txn request')]);
    expect((await post('/v3/kv/txn', '['.repeat(10_001)))[1]).toEqual(
      errorOf(3, "invalid character '[' exceeded max depth"),
    );
  });
});

describe('deadlines', () => {
  test('Grpc-Timeout: what cannot be read, what is over, what comes too late', async () => {
    const within = (timeout: string) => post('/v3/lease/leases', {}, { headers: { 'grpc-timeout': timeout } });
    for (const bad of ['5', '5x', 'S', '1.5S']) {
      expect(await within(bad)).toEqual([400, errorOf(3, `invalid grpc-timeout: ${bad}`)]);
    }
    for (const over of ['1n', '-1S', '0H'])
      expect(await within(over)).toEqual([504, errorOf(4, 'context deadline exceeded')]);
    for (const good of ['10S', '99999999H']) expect((await within(good))[0]).toBe(200);
  });

  test('of a stream: an answer of its own, or the last line', async () => {
    fixture.member.held.set(7n, []);
    const headers = { 'grpc-timeout': '30m' };
    expect(await post('/v3/lease/keepalive', { ID: 7 }, { headers })).toEqual([
      504,
      errorOf(4, 'context deadline exceeded'),
    ]);
    const watch = await ask(fixture.port, '/v3/watch', '{"create_request":{"key":"YQ=="}}', { headers });
    const [created = '', last = ''] = watch.body.split('\n');
    expect(JSON.parse(created)).toMatchObject({ result: { created: true } });
    expect(last).toBe(
      '{"error":{"grpc_code":4,"http_code":504,"message":"context deadline exceeded","http_status":"Gateway Timeout","code":4}}',
    );
    await until(() => fixture.member.hub.count === 0, 'the watcher is gone');
  });
});

describe('limits', () => {
  const put = (bytes: number): string => `{"key":"YQ==","value":"${'A'.repeat((bytes / 3) * 4)}"}`;

  test('a request that is too large for the log, for a message, for a body', async () => {
    const member = fixture.member.options.maxRequestBytes;
    expect((await post('/v3/kv/put', put(member - 1_500)))[0]).toBe(200);
    expect(await post('/v3/kv/put', put(member + 3_000))).toEqual([
      400,
      errorOf(3, 'etcdserver: request is too large'),
    ]);
    const text = 'grpc: received message larger than max (3000008 vs. 2097152)';
    expect(await post('/v3/kv/put', put(3_000_000))).toEqual([429, errorOf(8, text)]);
    expect(await post('/v3/kv/put', put(6_000_000))).toEqual([400, errorOf(3, 'etcdserver: request is too large')]);
  });

  test('an answer longer than any string, and a line of a stream', { timeout: 60_000 }, async () => {
    const values = 4;
    const value = 'x'.repeat((jsonAnswerCharsMax / values / 4) * 3);
    for (let at = 0; at < values; at++) fixture.member.put(`long/${at}`, value);
    const all = { key: base64('long/'), range_end: base64('long0') };
    const text = rpcError('answerTooLarge').message;
    expect(await post('/v3/kv/range', all)).toEqual([429, errorOf(8, text)]);
    expect((await post('/v3/kv/range', { ...all, keys_only: true }))[0]).toBe(200);
    const stream = HttpStream.open(fixture.port, '/v3/watch');
    stream.send(JSON.stringify({ create_request: { ...all, prev_kv: true } }));
    await stream.chunk(1);
    const more = { rangeEnd: Buffer.from('long0'), prevKv: false };
    fixture.member.apply({ type: 'deleteRange', key: Buffer.from('long/'), ...more });
    expect((await stream.chunk(2))[1]).toContain(text);
    stream.destroy();
  });

  test('bodies that are arriving share a bound, and one that breaks off gives its bytes back', async () => {
    await start({ jsonBodiesBytes: 150_000 });
    const slow = HttpStream.open(fixture.port, '/v3/kv/put');
    slow.send(`{"key":"${'A'.repeat(99_992)}`);
    // It arrives when it does: ask until it is felt, and then until it is not.
    const askUntil = async (wanted: number): Promise<unknown> => {
      for (let tries = 0; tries < 500; tries++) {
        const [status, body] = await post('/v3/kv/put', put(90_000));
        if (status === wanted) return body;
      }
      throw new Error(`never answered ${wanted}`);
    };
    expect(await askUntil(429)).toEqual(errorOf(8, 'etcdserver: too many requests'));
    slow.destroy();
    await askUntil(200);
  });

  test('a body that does not come is cut off; a call that takes its time is not', async () => {
    await start({ accept: { firstRequestMs: 400 }, http: { requestMs: 200 } });
    fixture.member.held.set(7n, []);
    const slow = HttpStream.open(fixture.port, '/v3/kv/put');
    slow.send('{"key":');
    const watch = HttpStream.post(fixture.port, '/v3/watch', '{"create_request":{"key":"YQ=="}}');
    const renewal = HttpStream.post(fixture.port, '/v3/lease/keepalive', '{"ID":7}');
    await slow.end();
    // Swept every tenth of a second: the others had the same deadline.
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect([watch.closed, renewal.closed]).toEqual([false, false]);
    watch.destroy();
    renewal.destroy();
    await until(() => fixture.listener.count === 0, 'all connections are gone');
  });
});
