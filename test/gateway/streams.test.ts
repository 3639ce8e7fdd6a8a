/** Watch and keep-alive over HTTP/1.1: one line and one chunk a message, who ends what, and nothing left of who has gone. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Fixture, type FixtureOptions, until } from '../rpc/wire-client.ts';
import { ask, base64, HttpStream } from './http-client.ts';

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

const ids = '"cluster_id":"12101053776118486841","member_id":"15985099378392235387"';
const header = (revision: number): string => `{${ids},"revision":"${revision}","raft_term":"2"}`;
const put = (key: string, value: string, lease = 0n): unknown =>
  fixture.member.apply({
    type: 'put',
    key: Buffer.from(key),
    value: Buffer.from(value),
    lease,
    prevKv: false,
    ignoreValue: false,
    ignoreLease: false,
  } as Parameters<typeof fixture.member.apply>[0]);
const watchBody = (more = ''): string =>
  `{"create_request":{"key":"${base64('/service/')}","range_end":"MA=="${more}}}`;

test('a watch: the captured lines, a chunk each, open after its body has ended', async () => {
  fixture.member.apply({ type: 'grant', id: 9_041_998_819_061_072_648n, ttlMs: 5_000 });
  put('/service/', 'hi', 9_041_998_819_061_072_648n);
  const watch = HttpStream.post(fixture.port, '/v3/watch', watchBody(',"start_revision":"2","filters":[]'));
  await watch.chunk(2);
  fixture.member.apply({ type: 'revoke', id: 9_041_998_819_061_072_648n });
  expect(await watch.chunk(3)).toEqual([
    // etcd greets with the newest revision; ours never runs ahead of an event that is still to come.
    `{"result":{"header":${header(1)},"created":true}}\n`,
    `{"result":{"header":${header(2)},"events":[{"kv":{"key":"L3NlcnZpY2Uv","create_revision":"2","mod_revision":"2","version":"1","value":"aGk=","lease":"9041998819061072648"}}]}}\n`,
    `{"result":{"header":${header(3)},"events":[{"type":"DELETE","kv":{"key":"L3NlcnZpY2Uv","mod_revision":"3"}}]}}\n`,
  ]);
  expect(watch.received).toMatch(/^HTTP\/1.1 200 OK\r\n/);
  for (const line of [
    'Access-Control-Allow-Origin: *',
    'Content-Type: application/json',
    'Grpc-Metadata-Content-Type: application/grpc',
    'Transfer-Encoding: chunked',
  ]) {
    expect(watch.received).toContain(`\r\n${line}\r\n`);
  }
  expect(watch.closed).toBe(false);
  watch.destroy();
  await until(() => fixture.member.hub.count === 0, 'the watcher is gone');
});

test('many requests of one body, with and without space between them; what is no JSON after them is not heard', async () => {
  const body = `${watchBody(',"watch_id":7')}${watchBody(',"watch_id":7')} {"progress_request":{}}\n{"cancel_request":{"watch_id":"7"}} nonsense`;
  const watch = HttpStream.post(fixture.port, '/v3/watch', body);
  const duplicate = 'mvcc: duplicate watch ID provided on the WatchStream';
  expect(await watch.chunk(4)).toEqual([
    `{"result":{"header":${header(1)},"watch_id":"7","created":true}}\n`,
    `{"result":{"header":${header(1)},"watch_id":"-1","created":true,"canceled":true,"cancel_reason":"${duplicate}"}}\n`,
    `{"result":{"header":${header(1)},"watch_id":"-1"}}\n`,
    `{"result":{"header":${header(1)},"watch_id":"7","canceled":true}}\n`,
  ]);
  watch.destroy();
});

test('a large message is still one chunk', async () => {
  put('/service/a', 'x'.repeat(300_000));
  const watch = HttpStream.post(fixture.port, '/v3/watch', watchBody(',"start_revision":1'));
  const [, events = ''] = await watch.chunk(2);
  expect(JSON.parse(events)).toMatchObject({ result: { events: [{ kv: { value: base64('x'.repeat(300_000)) } }] } });
  watch.destroy();
});

test('a watcher that is not read is paused, and all is there when it is', async () => {
  await start({ streamBufferBytes: 64 * 1024 });
  const watch = HttpStream.post(fixture.port, '/v3/watch', watchBody());
  await watch.chunk(1);
  watch.socket.pause();
  for (let at = 0; at < 200; at++) put(`/service/${at}`, 'x'.repeat(60_000));
  await new Promise((resolve) => setTimeout(resolve, 50));
  watch.socket.resume();
  let seen = 0;
  for (let chunks = 2; seen < 200; chunks++) {
    const line = (await watch.chunk(chunks))[chunks - 1] ?? '';
    seen += JSON.parse(line).result.events.length;
  }
  expect(seen).toBe(200);
  watch.destroy();
});

test('keep-alive: an answer for each request while the body goes on, and the end after its end', async () => {
  fixture.member.apply({ type: 'grant', id: 5n, ttlMs: 60_000 });
  const stream = HttpStream.open(fixture.port, '/v3/lease/keepalive');
  stream.send('{"ID":5}');
  expect(await stream.chunk(1)).toEqual([`{"result":{"header":${header(1)},"ID":"5","TTL":"60"}}\n`]);
  stream.send('{"ID":');
  stream.send('"6"}{"ID":5}');
  expect((await stream.chunk(3)).slice(1).map((line) => JSON.parse(line).result)).toMatchObject([
    { ID: '6' },
    { ID: '5', TTL: '60' },
  ]);
  stream.endBody();
  expect((await stream.chunk(4))[3]).toBe('');
  stream.destroy();
});

test('keep-alive of the dead has no TTL at all: a string "0" would be true in Python', async () => {
  const { status, body } = await ask(fixture.port, '/v3/lease/keepalive', '{"ID":"1234"}');
  expect([status, body]).toEqual([200, `{"result":{"header":${header(1)},"ID":"1234"}}\n`]);
});

test('many leases in one body, at the path of our own service', async () => {
  fixture.member.apply({ type: 'grant', id: 5n, ttlMs: 1_500 });
  const { status, body } = await ask(fixture.port, '/v1/lease/keepalive', '{"ids":["5",6]}');
  const result = `{"header":${header(1)},"ids":["5","6"],"ttl_ms":["1500","0"]}`;
  expect([status, body]).toEqual([200, `{"result":${result}}\n`]);
  expect((await ask(fixture.port, '/v1/lease/keepalive', '', { method: 'GET' })).status).toBe(405);
  expect((await ask(fixture.port, '/v1/lease/other', '{}')).status).toBe(404);
});

test('a keep-alive that can be renewed by nobody fails with its status', async () => {
  fixture.member.refuseWith = 'noLeader';
  const { status, body } = await ask(fixture.port, '/v3/lease/keepalive', '{"ID":"1234"}');
  expect([status, body]).toEqual([
    503,
    '{"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader","http_status":"Service Unavailable","code":14}}',
  ]);
});

test('more keep-alives than may be on their way, in one go: all are answered', async () => {
  await start({ keepAlivesPerStream: 10 });
  const body = Array.from({ length: 1_000 }, (_, at) => `{"ID":${at + 1}}`).join('');
  const answer = await ask(fixture.port, '/v3/lease/keepalive', body);
  expect(answer.body.trimEnd().split('\n')).toHaveLength(1_000);
});

test.each([
  ['', 200, ''],
  ['  ', 200, ''],
  ['garbage', 500, "invalid character 'g' looking for beginning of value"],
  ['{"ID":', 500, 'unexpected EOF'],
  ['[]', 500, 'json: cannot unmarshal array into Go value of type map[string]json.RawMessage'],
])('keep-alive of %j', async (body, status, text) => {
  const answer = await ask(fixture.port, '/v3/lease/keepalive', body);
  expect(answer.status).toBe(status);
  expect(answer.body).toBe(text && JSON.stringify({ error: text, message: text, code: 2 }));
});

test('clients that go leave nothing: watchers, keep-alives, half a body, a connection', async () => {
  fixture.member.held.set(7n, []);
  const streams = Array.from({ length: 30 }, (_, at) => {
    if (at % 3 === 0) return HttpStream.post(fixture.port, '/v3/watch', watchBody());
    const stream = HttpStream.open(fixture.port, at % 3 === 1 ? '/v3/lease/keepalive' : '/v3/kv/put');
    stream.send(at % 3 === 1 ? '{"ID":7}' : '{"key":"');
    return stream;
  });
  await until(() => fixture.member.hub.count === 10 && fixture.member.held.get(7n)?.length === 10, 'all are there');
  for (const stream of streams) stream.destroy();
  await until(() => fixture.member.hub.count === 0 && fixture.listener.count === 0, 'all are gone');
  // Answers for who has gone go nowhere.
  for (const release of fixture.member.held.get(7n) ?? []) release();
  const { body } = await ask(fixture.port, '/metrics', '', { method: 'GET' });
  expect(body).toMatch(/grpc_server_handled_total\{[^}]*"Watch"[^}]*"Canceled"\} 10/);
  expect(body).toMatch(/grpc_server_handled_total\{[^}]*"LeaseKeepAlive"[^}]*"Canceled"\} 10/);
});

test('a stream that ends at its deadline is counted as that', async () => {
  const headers = { 'Grpc-Timeout': '20m' };
  await ask(fixture.port, '/v3/watch', watchBody(), { headers });
  const { body } = await ask(fixture.port, '/metrics', '', { method: 'GET' });
  expect(body).toMatch(/grpc_server_handled_total\{[^}]*"Watch"[^}]*"DeadlineExceeded"\} 1/);
});
