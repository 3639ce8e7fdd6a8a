/**
 * The same HTTP requests to a real etcd 3.4 and to us: status, headers and body are equal but for ids, terms, running clocks and
 * dates. Skipped, with a line on stderr, where no `etcd` is installed. Left out is what differs knowingly (docs/decisions/0011),
 * and what the services do not have yet: txns in txns, compaction, unknown enum numbers. SEED and DIFF_COUNT by environment.
 */
import { Agent } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { Fixture } from '../rpc/wire-client.ts';
import { etcdInstalled, RealEtcd } from '../support/real-etcd.ts';
import { type Asked, ask, base64, HttpStream } from './http-client.ts';
import { bentText } from './random-json.ts';

const seed = Number(process.env['SEED'] ?? 20_261_125);
const count = Number(process.env['DIFF_COUNT'] ?? 1_500);

let fixture: Fixture;
let etcd: RealEtcd;
const agent = new Agent({ keepAlive: true });
beforeAll(async () => {
  fixture = await Fixture.start();
  if (etcdInstalled) etcd = await RealEtcd.start();
});
afterAll(async () => {
  agent.destroy();
  await fixture.stop();
  etcd?.stop();
  expect(fixture.bugs).toEqual([]);
});

/** What an answer says; of a dropped connection, only that. */
async function said(port: number, path: string, body: string | Buffer, asked: Asked): Promise<unknown> {
  const answer = await ask(port, path, body, { agent, ...asked }).catch(() => undefined);
  if (answer === undefined) return 'dropped';
  const { date: _date, connection: _connection, 'keep-alive': _keepAlive, ...headers } = answer.headers;
  // Go sends answers of more than two kilobytes in chunks, ours know their length.
  const { 'content-length': _length, 'transfer-encoding': _encoding, ...rest } = headers;
  return { status: answer.status, headers: rest, trailers: answer.trailers, body: masked(answer.body) };
}

/** Without who speaks, in which term, what runs meanwhile, and the order of what etcd keeps in no order. */
function masked(body: string): string {
  return body
    .replace(/"(cluster_id|member_id|raft_term)":"\d+"/g, '"$1":"*"')
    .replace(/("TTL":")\d+(","grantedTTL")/g, '$1*$2')
    .replace(/("http_status":"[^"]*"),"code":\d+}/g, '$1}')
    .replace(/"(leases|keys)":\[([^\]]*)\]/g, (_, name: string, list: string) => `"${name}":${list.split(',').sort()}`);
}

async function compare(path: string, body: string | Buffer, asked: Asked = {}, where = ''): Promise<void> {
  const [theirs, ours] = await Promise.all([said(etcd.port, path, body, asked), said(fixture.port, path, body, asked)]);
  // Ours reads base64 in all its forms; only requests that change nothing are bent so far.
  const lenient = where !== '' && /"illegal base64 data/.test(JSON.stringify(theirs).replaceAll('\\', ''));
  if (lenient && !JSON.stringify(ours).includes('illegal base64')) return;
  expect(ours, `${where} ${path} ${body.toString()} ${JSON.stringify(asked)}`).toEqual(theirs);
}

const a = '"key":"YQ=="';
const chosen: readonly [string, string | Buffer, Asked?][] = [
  ...[
    '',
    '  ',
    'null',
    '[]',
    '"x"',
    '5',
    '5x',
    '-',
    'true',
    'tru',
    '{',
    '{"key"',
    '{}{}',
    `{${a}} trailing`,
    `{${a},}`,
  ].map((body): [string, string] => ['/v3/kv/range', body]),
  ...[
    '"key":null',
    '"key":5',
    '"key":[97]',
    '"key":[300]',
    '"key":["a"]',
    '"key":"YQ==\\n"',
    '"key":"Y?=="',
    '"key":"é"',
    '"key":"YQ==","key":"Yg=="',
    `${a},"limit":1.5`,
    `${a},"limit":"1.5"`,
    `${a},"limit":1e2`,
    `${a},"limit":" 1"`,
    `${a},"limit":""`,
    `${a},"limit":"null"`,
    `${a},"limit":9223372036854775808`,
    `${a},"limit":-9223372036854775808`,
    `${a},"limit":{}`,
    `${a},"serializable":1`,
    `${a},"sort_order":"ascend"`,
    `${a},"sort_order":"1"`,
    `${a},"sort_order":true`,
    `${a},"sort_order":"ASCEND","sortTarget":4`,
    `${a},"sort_order":"NOPE","sortOrder":"DESCEND"`,
    `${a},"nope":{"a":[1,{}]},"Limit":"x"`,
    `${a},"revision":"-1"`,
    `${a},"revision":"1000"`,
  ].map((members): [string, string] => ['/v3/kv/range', `{${members}}`]),
  ['/v3/kv/range', Buffer.from('{"key":"\xff"}', 'latin1')],
  ['/v3/kv/range', Buffer.from('{"\xff":1}', 'latin1')],
  ['/v3/kv/put', `{${a},"value":"Yg=="}`],
  ['/v3/kv/put', `{${a},"value":"PD4m","prev_kv":true}`],
  ['/v3/kv/put', `{${a},"ignoreValue":true,"prevKv":true}`],
  ['/v3/kv/put', '{"key":"eg==","ignore_lease":true}'],
  ['/v3/kv/put', `{${a},"lease":"999"}`],
  ['/v3/kv/range', '{"key":"AA==","rangeEnd":"AA=="}'],
  ['/v3/kv/txn', '{"compare":{"a":1}}'],
  ['/v3/kv/txn', '{"success":[{}]}'],
  ['/v3/kv/txn', '{"success":[{"request_put":null}]}'],
  ['/v3/kv/txn', '{"success":[5]}'],
  ['/v3/kv/txn', `{"compare":[{"target":"VALUE","value":null,${a}}]}`],
  [
    '/v3/kv/txn',
    `{"compare":[{"target":"MOD","result":"GREATER","mod_revision":1,${a}}],"success":[{"requestRange":{${a}}},{"request_delete_range":{${a},"prev_kv":true}}]}`,
  ],
  ['/v3/kv/txn', `{"compare":[{"target":"CREATE","create_revision":"0",${a}}],"failure":[{"request_put":{${a}}}]}`],
  ['/v3/kv/txn', `${'{"success":['.repeat(6_000)}`],
  ['/v3/kv/deleterange', '{"key":"AA==","range_end":"AA==","prev_kv":true}'],
  ['/v3/lease/grant', '{"TTL":9007199254740993,"ID":5}'],
  ['/v3/lease/grant', '{"TTL":500,"ID":9007199254740993}'],
  ['/v3/lease/grant', '{"TTL":"500","ID":"9007199254740993"}'],
  ['/v3/kv/put', '{"key":"bA==","lease":9007199254740993}'],
  ['/v3/lease/timetolive', '{"ID":9007199254740993,"keys":true}'],
  ['/v3/kv/lease/timetolive', '{"ID":"77"}'],
  ['/v3/lease/leases', ''],
  ['/v3/kv/lease/leases', '{}'],
  ['/v3/lease/keepalive', '{"ID":9007199254740993}{"ID":1}\n{"ID":"9007199254740993"}'],
  ...['', '{}', 'null', 'garbage', '[]', '{"ID":"x"}', '{"ID":1}garbage', '{"ID":1}{"ID":'].map(
    (body): [string, string] => ['/v3/lease/keepalive', body],
  ),
  ['/v3/kv/lease/revoke', '{"ID":"9007199254740993"}'],
  ['/v3/lease/revoke', '{"ID":"9007199254740993"}'],
  ['/v3/maintenance/transfer-leadership', '{"targetID":"5"}'],
  ...[
    '/v3/',
    '/v3/nope',
    '/v3/kv',
    '/v3/kv/range/',
    '/v3/kv/range:x',
    '/v3/kv/:x',
    '/v3/v3/kv/range',
    '/v3beta',
    '/v3beta/nope',
    '/v3alpha/kv/range',
    '/nope',
  ].map((path): [string, string] => [path, '{}']),
  ['/v3beta/kv/range', `{${a}}`],
  ['/v3/kv%2Frange?limit=x', `{${a}}`],
  ...['GET', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'].flatMap((method): [string, string, Asked][] => [
    ['/v3/kv/range', '', { method }],
    ['/v3/nope', '', { method }],
  ]),
  ...['5', '5x', '', '-1S', '1n', '10S'].map((timeout): [string, string, Asked] => [
    '/v3/kv/range',
    `{${a}}`,
    { headers: { 'grpc-timeout': timeout } },
  ]),
  ...[
    'garbage',
    '[]',
    '{"create_request":5}',
    '{"create_request":{"filters":"NOPUT"}}',
    '{"create_request":{"filters":["X"]}}',
  ].map((body): [string, string] => ['/v3/watch', body]),
  ...[
    { 'content-type': 'text/plain' },
    { accept: 'text/html' },
    { 'grpc-metadata-hasleader': 'true' },
    { origin: 'http://x' },
    { expect: '100-continue' },
  ].map((headers): [string, string, Asked] => ['/v3/kv/range', `{${a}}`, { headers }]),
  ['/v3/kv/put', `{${a},"value":"${'A'.repeat(2_200_000)}"}`],
  ['/v3/kv/put', `{${a},"value":"${'A'.repeat(4_000_000)}"}`],
];

test.skipIf(!etcdInstalled)(`${chosen.length} chosen requests`, { timeout: 120_000 }, async () => {
  for (const [path, body, asked] of chosen) await compare(path, body, asked);
});

test.skipIf(!etcdInstalled)(`${count} random requests, a third of them bent`, { timeout: 240_000 }, async () => {
  const random = new Prng(seed, 'gateway');
  for (let at = 0; at < count; at++) {
    const bent = random.chance(0.33);
    const [path, json] = randomCall(random, bent);
    await compare(path, bent ? bentText(json, random) : json, {}, `seed ${seed}, request ${at}:`);
  }
});

test.skipIf(!etcdInstalled)('watches: the same lines for the same writes', async () => {
  const requests = [
    '{"create_request":{"key":"dw==","range_end":"eA==","watch_id":7}}{"create_request":{"key":"dw==","watch_id":"7"}}',
    '{"create_request":{"key":"dw==","prev_kv":true,"filters":["NOPUT"]}}{"progress_request":{}}',
    '{"create_request":{"key":"dw==","range_end":"dw=="}} {"cancel_request":{"watch_id":0}}',
    '{"createRequest":{"key":"dw==","filters":[1,0]}} nonsense',
  ];
  const open = (port: number) => requests.map((body) => HttpStream.post(port, '/v3/watch', body));
  const [theirs, ours] = [open(etcd.port), open(fixture.port)];
  const firsts = [2, 2, 1, 1];
  for (const streams of [theirs, ours]) await Promise.all(streams.map((stream, at) => stream.chunk(firsts[at] ?? 0)));
  for (const [path, body] of [
    ['/v3/kv/put', '{"key":"dw==","value":"MQ=="}'],
    ['/v3/kv/put', '{"key":"d3g=","value":"Mg=="}'],
    ['/v3/kv/txn', '{"success":[{"request_put":{"key":"dw=="}},{"request_put":{"key":"d3k="}}]}'],
    ['/v3/kv/deleterange', '{"key":"dw==","range_end":"eA=="}'],
  ] as const) {
    await compare(path, body);
  }
  const events = [2 + 4, 2 + 1, 1, 1];
  for (const [at, total] of events.entries()) {
    // Small messages of etcd's are a chunk each as well; its large ones are two.
    const [expected, got] = await Promise.all([theirs[at]?.chunk(total), ours[at]?.chunk(total)]);
    expect(got?.map(masked), requests[at]).toEqual(expected?.map(masked));
  }
  for (const stream of [...theirs, ...ours]) stream.destroy();
});

const keys = ['a', 'b', 'a\xff', 'k/1', 'k/2'];
const ends = ['', '', '\0', 'b', 'l', 'z'];

/** `harmless`: it changes nothing, however it is read. */
function randomCall(random: Prng, harmless: boolean): [string, string] {
  const id = () => random.pick([7, 8, '9', '99', -1]);
  const reads: readonly (() => [string, object])[] = [
    () => ['kv/range', range(random)],
    () => ['lease/timetolive', { ID: id(), keys: random.chance(0.7) }],
    () => ['lease/keepalive', { ID: id() }],
    () => ['kv/lease/leases', {}],
  ];
  const writes: readonly (() => [string, object])[] = [
    () => ['kv/put', put(random)],
    () => ['kv/put', put(random)],
    () => ['kv/deleterange', remove(random)],
    () => ['kv/txn', txn(random)],
    () => ['kv/txn', txn(random)],
    () => ['lease/grant', { ID: id(), TTL: random.pick([500, '600']) }],
    () => ['lease/revoke', { ID: id() }],
  ];
  const [path, body] = random.pick(harmless ? reads : [...reads, ...writes])();
  return [`/v3/${path}`, JSON.stringify(body)];
}

/** A name in one of its two spellings. */
const named = (random: Prng, name: string): string =>
  random.chance(0.5) ? name : name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

function message(random: Prng, members: Record<string, unknown>): Record<string, unknown> {
  const some = Object.entries(members).filter(([name]) => name === 'key' || random.chance(0.6));
  return Object.fromEntries(some.map(([name, value]) => [named(random, name), value]));
}

const range = (random: Prng) => {
  const order = random.pick([
    {},
    { sort_order: 'ASCEND', sort_target: random.pick(['KEY', 'MOD', 3]) },
    { sort_order: 2, sort_target: 'VERSION' },
  ]);
  return {
    ...message(random, {
      key: base64(random.pick(keys)),
      range_end: base64(random.pick(ends)),
      limit: random.pick([0, '1', 2, null]),
      serializable: random.chance(0.3),
      keys_only: random.chance(0.2),
      count_only: random.chance(0.1),
      min_mod_revision: random.pick([0, '3']),
      unknown: [{ a: null }],
    }),
    ...order,
  };
};

const put = (random: Prng) =>
  message(random, {
    key: base64(random.pick(keys)),
    value: base64(random.pick(['', '1', '<2>'])),
    lease: random.pick([0, '0', 7, '8', 99]),
    prev_kv: random.chance(0.4),
  });

const remove = (random: Prng) =>
  message(random, {
    key: base64(random.pick(keys)),
    range_end: base64(random.pick(['', '', 'b', 'z'])),
    prev_kv: true,
  });

function txn(random: Prng): object {
  const list = <Item>(make: () => Item, max: number): Item[] => Array.from({ length: random.below(max) }, make);
  const op = (): object => ({ [named(random, 'request_range')]: range(random) });
  const change = (): object =>
    random.pick([
      { request_put: put(random) },
      { requestDeleteRange: remove(random) },
      { request_range: range(random) },
    ]);
  const compare = (): object => ({
    key: base64(random.pick(keys)),
    result: random.pick(['EQUAL', 'GREATER', 2, 'NOT_EQUAL']),
    ...random.pick([
      { target: 'VERSION', version: random.pick([0, '1', 2]) },
      { target: 1, create_revision: random.pick(['0', 3]) },
      { target: 'MOD', modRevision: 5 },
      { target: 'VALUE', value: base64('1') },
      { target: 'LEASE', lease: '7' },
    ]),
  });
  return message(random, { compare: list(compare, 3), success: list(change, 3), failure: list(op, 3) });
}
