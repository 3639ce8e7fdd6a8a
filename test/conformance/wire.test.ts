/**
 * Conformance on the wire: what a client sees, through three members (real processes), asked in turn or all at once. Titles begin with
 * the number of the case; `cases.test.ts` counts them. Codes and texts are etcd's.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Sparse } from '../../src/rpc/codec.ts';
import { bigintOf, int64Of, numberOf } from '../../src/rpc/int64.ts';
import {
  type RequestOp,
  type TxnRequest,
  type WatchCreateRequest,
  type WatchResponse,
  wire,
} from '../../src/rpc/messages.ts';
import { type MemberProcess, ProcessCluster, pause } from '../cluster/processes.ts';
import { Caller, insist, type Line, lineTo, PlainSocket, residentBytes, settledDigests } from '../cluster/wire.ts';
import { type Fields, observe, plainCall } from '../rpc/plain-call.ts';
import { bytes, text, type WireClient } from '../rpc/wire-client.ts';
import { TcpProxy } from '../support/proxy.ts';

let cluster: ProcessCluster;
let lines: Line[] = [];
let callers: Caller[] = [];

beforeAll(async () => {
  cluster = await ProcessCluster.start({ proxied: false });
  await cluster.ready(60_000);
  lines = cluster.members.map((member) => lineTo(member.endpoint));
  callers = lines.map((line) => new Caller(line.client));
});
afterAll(async () => {
  for (const line of lines) line.close();
  await cluster.stop();
});

const caller = (i: number): Caller => callers[i % 3] as Caller;
const one = (): Caller => caller(0);
const notFound = { code: 5, text: 'etcdserver: requested lease not found' };
const int64Min = -(2n ** 63n);
const int64Max = 2n ** 63n - 1n;

// ── calls that show more than `Caller` ───────────────────────────────────────────────────────────────────────────────

async function grant(by: Caller, ttl: bigint, id = 0n): Promise<{ id: bigint; ttl: number; revision: number }> {
  const request = { TTL: int64Of(ttl), ID: int64Of(id) };
  const path = '/etcdserverpb.Lease/LeaseGrant';
  const answer = await by.client.call(path, wire.LeaseGrantRequest, wire.LeaseGrantResponse, request);
  return { id: bigintOf(answer.ID), ttl: numberOf(answer.TTL), revision: numberOf(answer.header?.revision ?? 0) };
}

async function revoke(by: Caller, id: bigint): Promise<number> {
  const path = '/etcdserverpb.Lease/LeaseRevoke';
  const request = { ID: int64Of(id) };
  const answer = await by.client.call(path, wire.LeaseRevokeRequest, wire.LeaseRevokeResponse, request);
  return numberOf(answer.header?.revision ?? 0);
}

async function put(by: Caller, message: Parameters<typeof wire.PutRequest.encode>[0]): Promise<number> {
  const answer = await by.client.call('/etcdserverpb.KV/Put', wire.PutRequest, wire.PutResponse, message);
  return numberOf(answer.header?.revision ?? 0);
}

function range(by: Caller, message: Parameters<typeof wire.RangeRequest.encode>[0]) {
  return by.client.call('/etcdserverpb.KV/Range', wire.RangeRequest, wire.RangeResponse, message);
}

function txn(by: Caller, message: Sparse<TxnRequest>) {
  return by.client.call('/etcdserverpb.KV/Txn', wire.TxnRequest, wire.TxnResponse, message);
}

const revision = async (by = one()): Promise<number> =>
  numberOf((await range(by, { key: bytes('none') })).header?.revision ?? 0);

/** Value and lease of a key; undefined: not there. Linearizable. */
async function keyOf(by: Caller, key: string): Promise<{ value: string; lease: bigint; version: number } | undefined> {
  const kv = (await range(by, { key: bytes(key) })).kvs[0];
  return kv && { value: text(kv.value), lease: bigintOf(kv.lease), version: numberOf(kv.version) };
}

/** A watch from `startRevision` on, created. */
async function watching(by: Caller, create: Sparse<WatchCreateRequest>): Promise<() => Promise<WatchResponse>> {
  const stream = by.client.watch();
  stream.send({ createRequest: create });
  expect((await stream.next()).created).toBe(true);
  return () => stream.next();
}

const putOp = (key: string, more: object = {}): Sparse<RequestOp> => ({
  requestPut: { key: bytes(key), value: bytes('v'), ...more },
});

/** Many keys of `valueBytes` each on one lease, 128 to a txn. */
async function fill(by: Caller, prefix: string, count: number, valueBytes: number, lease: bigint): Promise<void> {
  const value = Buffer.alloc(valueBytes, 'x');
  const nameOf = (i: number): string => `${prefix}${String(i).padStart(6, '0')}`;
  const batches = Array.from({ length: Math.ceil(count / 128) }, (_, batch) =>
    Array.from({ length: Math.min(128, count - 128 * batch) }, (_, i) =>
      putOp(nameOf(128 * batch + i), { value, lease: int64Of(lease) }),
    ),
  );
  for (let i = 0; i < batches.length; i += 8)
    await Promise.all(batches.slice(i, i + 8).map((success) => txn(by, { success })));
}

// ── grant, revoke, time to live ──────────────────────────────────────────────────────────────────────────────────────

test('C1 TTLs of 0, below 0 and 1 become 2; 2 and 60 stay', async () => {
  for (const by of callers) {
    const ttls = await Promise.all([0n, -5n, 1n, int64Min, 2n, 60n].map((ttl) => grant(by, ttl)));
    expect(ttls.map(({ ttl }) => ttl)).toEqual([2, 2, 2, 2, 2, 60]);
  }
});

test('C2 id 0: a positive id of its own on every member, and no member uses a revision', async () => {
  const before = await revision();
  const granted = await Promise.all(Array.from({ length: 60 }, (_, i) => grant(caller(i), 60n)));
  expect(new Set(granted.map(({ id }) => id)).size).toBe(60);
  for (const { id, revision: header } of granted) {
    expect(id > 0n).toBe(true);
    expect(header).toBe(before);
  }
  for (const by of callers) expect(await revision(by)).toBe(before);
  await Promise.all(granted.map(({ id }) => one().revoke(id)));
});

test('C3 an id that is taken: refused, and TTL, keys and deadline of the first stay', async () => {
  await grant(one(), 40n, 73n);
  await one().put('c3/k', 'x', 73n);
  for (const by of callers)
    await expect(grant(by, 100n, 73n)).rejects.toEqual({ code: 9, text: 'etcdserver: lease already exists' });
  const { ttl, granted, keys } = await one().timeToLive(73n);
  expect([granted, keys]).toEqual([40, ['c3/k']]);
  expect(ttl).toBeLessThanOrEqual(40);
  expect(ttl).toBeGreaterThan(30);
});

test('C6 revoke of an unknown id and of 0: NotFound, same revision', async () => {
  const before = await revision();
  for (const by of callers) for (const id of [66_666n, 0n]) await expect(revoke(by, id)).rejects.toEqual(notFound);
  expect(await revision()).toBe(before);
});

test('C7 revoke of a lease without keys: OK, same revision, no event', async () => {
  const before = await revision();
  const next = await watching(caller(1), { key: bytes('\0'), rangeEnd: bytes('\0'), startRevision: before + 1 });
  const { id } = await grant(one(), 60n);
  expect(await revoke(caller(2), id)).toBe(before);
  const marked = await put(one(), { key: bytes('c7/mark') });
  expect(marked).toBe(before + 1);
  const { events } = await next();
  expect(events.map(({ kv }) => text(kv?.key ?? bytes('')))).toEqual(['c7/mark']);
});

/** The events that the end of a lease with keys c, a, b makes: one response, its revision and lease made comparable. */
async function endOf(prefix: string, end: (id: bigint) => Promise<void>): Promise<unknown> {
  const by = caller(1);
  const { id } = await grant(by, 2n);
  for (const name of ['c', 'a', 'b']) await by.put(prefix + name, name, id);
  const before = await revision(by);
  const create = { key: bytes(prefix), rangeEnd: bytes(`${prefix}~`), startRevision: before + 1, prevKv: true };
  const responses = await Promise.all(callers.map(async (each) => watching(each, create)));
  const ended = end(id);
  const seen = await Promise.all(responses.map((next) => next()));
  await ended;
  for (const response of seen) {
    expect(numberOf(response.header?.revision ?? 0)).toBeGreaterThanOrEqual(before + 1);
    for (const event of response.events) {
      expect(numberOf(event.kv?.modRevision ?? 0)).toBe(before + 1);
      expect(bigintOf(event.prevKv?.lease ?? 0)).toBe(id);
    }
  }
  expect(await revision(by)).toBe(before + 1);
  // What is left of an event without what must differ, as bytes of the wire.
  const shapes = seen.map(({ events }) =>
    events.map((event) => {
      const bare = {
        ...event,
        kv: { ...event.kv, key: event.kv?.key.slice(prefix.length), modRevision: 0 },
        prevKv: undefined,
      };
      const encoded = wire.WatchResponse.encode({ events: [bare as never] });
      return `${text(event.kv?.key ?? bytes('')).slice(prefix.length)} ${text(event.prevKv?.value ?? bytes(''))} ${Buffer.from(encoded).toString('hex')}`;
    }),
  );
  expect(new Set(shapes.map((shape) => shape.join())).size).toBe(1);
  return shapes[0];
}

test('C8 revoke: one revision, one response on every member, deletes in byte order, with the lease that was', async () => {
  const shape = (await endOf('c8/', async (id) => void (await revoke(caller(2), id)))) as string[];
  expect(shape.map((line) => line.slice(0, 3))).toEqual(['a a', 'b b', 'c c']);
  // Type DELETE, and a key of one byte with nothing else in it.
  for (const line of shape) expect(line).toMatch(/^\w \w 5a07080112030a01\w\w$/);
});

test('C9 expiry: the same events as a revoke, byte for byte', async () => {
  const byRevoke = await endOf('c9r/', async (id) => void (await revoke(caller(2), id)));
  expect(await endOf('c9e/', async () => {})).toEqual(byRevoke);
});

test('C10 time to live of unknown, revoked, and id 0: OK, -1 of 0, no keys', async () => {
  const { id } = await grant(one(), 60n);
  await one().put('c10/k', 'x', id);
  await one().revoke(id);
  for (const gone of [id, 0n, 987_654n, int64Max])
    for (const by of callers) expect(await by.timeToLive(gone)).toEqual({ ttl: -1, granted: 0, keys: [] });
});

test('C11 time to live of a missing lease through followers: the members stay up', async () => {
  const leader = await cluster.leader();
  for (const [i, member] of cluster.members.entries()) {
    if (member === leader) continue;
    for (let times = 0; times < 5; times++) expect((await caller(i).timeToLive(4_711n)).granted).toBe(0);
    expect(member.running).toBe(true);
  }
});

// ── keys on leases ───────────────────────────────────────────────────────────────────────────────────────────────────

test('C17 a put on an unknown lease: NotFound, no key, same revision, all members up', async () => {
  const before = await revision();
  for (const by of callers) await expect(by.put('c17/k', 'x', 171_717n)).rejects.toEqual(notFound);
  expect(await keyOf(one(), 'c17/k')).toBeUndefined();
  expect(await revision()).toBe(before);
  expect(cluster.members.every(({ running }) => running)).toBe(true);
});

test('C18 a key put on another lease belongs to that one alone', async () => {
  const [first, second] = [await grant(one(), 60n), await grant(one(), 60n)];
  await caller(0).put('c18/k', 'x', first.id);
  await caller(1).put('c18/k', 'x', second.id);
  for (const by of callers) {
    expect((await by.timeToLive(first.id)).keys).toEqual([]);
    expect((await by.timeToLive(second.id)).keys).toEqual(['c18/k']);
  }
  await one().revoke(first.id);
  expect((await keyOf(one(), 'c18/k'))?.lease).toBe(second.id);
  await one().revoke(second.id);
  expect(await keyOf(one(), 'c18/k')).toBeUndefined();
});

test('C19 a put without a lease detaches', async () => {
  const { id } = await grant(one(), 60n);
  await one().put('c19/k', 'x', id);
  await caller(1).put('c19/k', 'y');
  await caller(2).revoke(id);
  expect(await keyOf(one(), 'c19/k')).toEqual({ value: 'y', lease: 0n, version: 2 });
});

test('C20 the lease is shown wherever the key is: plain, keys only, in the past, serializable', async () => {
  const { id } = await grant(one(), 60n);
  const at = await put(one(), { key: bytes('c20/k'), value: bytes('x'), lease: int64Of(id) });
  const asked = { key: bytes('c20/k') };
  for (const by of callers)
    for (const more of [{}, { keysOnly: true }, { revision: at }, { serializable: true }]) {
      const { kvs } = await range(by, { ...asked, ...more });
      expect(kvs.map(({ lease }) => bigintOf(lease))).toEqual([id]);
    }
  const counted = await range(one(), { ...asked, countOnly: true });
  expect([numberOf(counted.count), counted.kvs]).toEqual([1, []]);
  await one().revoke(id);
  expect(bigintOf((await range(one(), { ...asked, revision: at })).kvs[0]?.lease ?? 0)).toBe(id);
});

test('C21 ignore_lease keeps the lease, ignore_value moves the key to another; what they refuse', async () => {
  const [first, second] = [await grant(one(), 60n), await grant(one(), 60n)];
  const key = bytes('c21/k');
  await put(one(), { key, value: bytes('v'), lease: int64Of(first.id) });
  await put(caller(1), { key, value: bytes('w'), ignoreLease: true });
  expect(await keyOf(caller(2), 'c21/k')).toEqual({ value: 'w', lease: first.id, version: 2 });
  const refused = async (message: object, why: string): Promise<void> =>
    expect(put(one(), { key, ...message })).rejects.toEqual({ code: 3, text: `etcdserver: ${why}` });
  await refused({ value: bytes('x'), ignoreLease: true, lease: int64Of(second.id) }, 'lease is provided');
  await refused({ key: bytes('c21/missing'), ignoreLease: true }, 'key not found');
  await refused({ value: bytes('x'), ignoreValue: true }, 'value is provided');
  const before = await revision();
  expect(await put(one(), { key, ignoreValue: true, lease: int64Of(second.id) })).toBe(before + 1);
  expect(await keyOf(one(), 'c21/k')).toEqual({ value: 'w', lease: second.id, version: 3 });
  expect((await one().timeToLive(first.id)).keys).toEqual([]);
});

test('C24 ten thousand keys go in one revoke: a keep-alive beside it is TTL 0, or before the revoke can be seen', async () => {
  const { id } = await grant(one(), 120n);
  await fill(one(), 'c24/', 10_000, 10, id);
  const answers = await renewWhile(id, () => revoke(caller(1), id));
  expect(answers.ended).toBeGreaterThan(0);
  for (const at of answers.alive) expect(at).toBeLessThan(answers.revision);
  expect(await one().count('c24/', 'c240')).toBe(0);
  expect((await keepAlive(caller(2).client, [id]))[0]).toBe(0);
});

test('C25 deleted and put anew without the lease, a key outlives it', async () => {
  const { id } = await grant(one(), 60n);
  await one().put('c25/k', 'x', id);
  expect(await caller(1).delete('c25/k')).toBe(1);
  await caller(2).put('c25/k', 'y');
  await one().revoke(id);
  expect(await keyOf(one(), 'c25/k')).toEqual({ value: 'y', lease: 0n, version: 1 });
});

test('C26 a txn whose chosen branch puts on an unknown lease does nothing; the other branch is not looked at', async () => {
  const before = await revision();
  const unknown = putOp('c26/b', { lease: 262_626 });
  for (const by of callers) {
    await expect(txn(by, { success: [putOp('c26/a'), unknown] })).rejects.toEqual(notFound);
    const never = [{ key: bytes('c26/a'), target: 0, result: 0, version: 77 }];
    await expect(txn(by, { compare: never, failure: [putOp('c26/a'), unknown] })).rejects.toEqual(notFound);
  }
  const inside = { requestTxn: { success: [putOp('c26/c'), unknown], failure: [] } };
  await expect(txn(one(), { success: [putOp('c26/a'), inside] })).rejects.toEqual(notFound);
  expect([await revision(), await one().count('c26/', 'c260')]).toEqual([before, 0]);
  expect((await txn(one(), { success: [putOp('c26/a')], failure: [unknown] })).succeeded).toBe(true);
  expect(await revision()).toBe(before + 1);
});

test('C27 the same key twice is refused; leases are compared, those of missing keys as 0; ranges by all their keys', async () => {
  const twice = { code: 3, text: 'etcdserver: duplicate key given in txn request' };
  for (const by of callers) await expect(txn(by, { success: [putOp('c27/x'), putOp('c27/x')] })).rejects.toEqual(twice);
  const { id } = await grant(one(), 60n, 2_727n);
  await one().put('c27/k', 'x', id);
  await one().put('c27/l', 'x', id);
  const [equal, greater, less, notEqual] = [0, 1, 2, 3];
  const holds = async (key: string, result: number | undefined, lease: number, rangeEnd = ''): Promise<boolean> => {
    const compare = [{ key: bytes(key), rangeEnd: bytes(rangeEnd), target: 4, result: result ?? 0, lease }];
    return (await txn(one(), { compare })).succeeded;
  };
  expect(
    await Promise.all([
      holds('c27/k', equal, 2_727),
      holds('c27/k', notEqual, 2_727),
      holds('c27/k', greater, 2_726),
      holds('c27/k', less, 2_728),
      holds('c27/none', equal, 0),
      holds('c27/none', notEqual, 0),
      holds('c27/', equal, 2_727, 'c270'),
    ]),
  ).toEqual([true, false, true, true, true, false, true]);
  await caller(1).put('c27/m', 'x');
  expect(await holds('c27/', equal, 2_727, 'c270')).toBe(false);
});

test('C29 after a linearizable read every member lists exactly the leases there are; keys of a lease as a set', async () => {
  const before = new Set(await one().leases());
  const ids = await Promise.all(Array.from({ length: 40 }, (_, i) => caller(i).grant(600)));
  for (const by of callers) {
    await by.count('c29');
    expect(new Set(await by.leases())).toEqual(new Set([...before, ...ids]));
  }
  const id = ids[0] as bigint;
  await Promise.all(['z', 'y', 'x'].map((name, i) => caller(i).put(`c29/${name}`, 'v', id)));
  for (const by of callers)
    expect(new Set((await by.timeToLive(id)).keys)).toEqual(new Set(['c29/x', 'c29/y', 'c29/z']));
  await Promise.all(ids.map((each) => one().revoke(each)));
});

// ── keep-alive ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** TTLs of the answers, one stream, which must end with OK. */
async function keepAlive(client: WireClient, ids: readonly bigint[]): Promise<number[]> {
  const stream = client.keepAlive();
  for (const id of ids) stream.send({ ID: int64Of(id) });
  stream.raw.end();
  const ttls: number[] = [];
  for (const id of ids) {
    const answer = await stream.next();
    expect(bigintOf(answer.ID)).toBe(id);
    ttls.push(numberOf(answer.TTL));
  }
  expect(await stream.raw.status).toMatchObject({ code: 0 });
  return ttls;
}

/** Renews `id` through every member as fast as answers come, while `end` ends it; header revisions of the good answers. */
async function renewWhile(
  id: bigint,
  end: () => Promise<number>,
): Promise<{ readonly alive: readonly number[]; readonly ended: number; readonly revision: number }> {
  const alive: number[] = [];
  let ended = 0;
  const renewers = callers.map(async ({ client }) => {
    const stream = client.keepAlive();
    for (let ttl = 1; ttl > 0; ) {
      stream.send({ ID: int64Of(id) });
      const answer = await stream.next();
      ttl = numberOf(answer.TTL);
      if (ttl > 0) alive.push(numberOf(answer.header?.revision ?? 0));
    }
    ended++;
    stream.raw.end();
  });
  const at = await end();
  await Promise.all(renewers);
  return { alive, ended, revision: at };
}

test('C30 one stream: unknown id, 0, a live one: TTL 0, 0, full, in order; it stays open', async () => {
  const { id } = await grant(one(), 30n);
  for (const { client } of callers) {
    const stream = client.keepAlive();
    for (let round = 0; round < 2; round++) {
      for (const each of [303_030n, 0n, id]) stream.send({ ID: int64Of(each) });
      const answers = [await stream.next(), await stream.next(), await stream.next()];
      expect(answers.map((answer) => [bigintOf(answer.ID), numberOf(answer.TTL)])).toEqual([
        [303_030n, 0],
        [0n, 0],
        [id, 30],
      ]);
    }
    stream.raw.end();
    expect(await stream.raw.status).toMatchObject({ code: 0 });
  }
});

test('C61 under load: what a keep-alive was told came before the revoke of its lease', async () => {
  let loading = true;
  const load = Promise.all(
    callers.map(async (by) => {
      for (let i = 0; loading; i++) await by.put(`c61/load/${i % 50}`);
    }),
  );
  let seen = 0;
  await Promise.all(
    Array.from({ length: 12 }, async (_, i) => {
      const { id } = await grant(caller(i), 60n);
      await caller(i).put(`c61/k/${i}`, 'x', id);
      const { alive, revision: at } = await renewWhile(id, async () => {
        await pause(100 + 30 * i);
        return revoke(caller(i + 1), id);
      });
      for (const header of alive) expect(header).toBeLessThan(at);
      seen += alive.length;
    }),
  );
  loading = false;
  await load;
  expect(seen).toBeGreaterThan(50);
});

test('C75 asked again because an answer was lost: a revoke is NotFound, a grant of a chosen id is refused', async () => {
  await grant(one(), 60n, 7_575n);
  await expect(grant(caller(1), 60n, 7_575n)).rejects.toMatchObject({ code: 9 });
  await revoke(caller(2), 7_575n);
  await expect(revoke(one(), 7_575n)).rejects.toEqual(notFound);
  expect(await grant(one(), 60n, 7_575n)).toMatchObject({ id: 7_575n });
  await one().revoke(7_575n);
});

test('C76 a revoke at R, compacted at R: watches from before are cancelled with it, reads before refused; at R the keys are gone', async () => {
  const { id } = await grant(one(), 60n);
  await caller(1).put('c76/a', 'x', id);
  await caller(2).put('c76/b', 'x', id);
  const at = await revoke(one(), id);
  const path = '/etcdserverpb.KV/Compact';
  await caller(1).client.call(path, wire.CompactionRequest, wire.CompactionResponse, { revision: at, physical: true });
  const keys = { key: bytes('c76/'), rangeEnd: bytes('c760') };
  for (const by of callers) {
    await by.count('c76');
    const watch = by.client.watch();
    watch.send({ createRequest: { ...keys, startRevision: at - 1 } });
    expect((await watch.next()).created).toBe(true);
    const ended = await watch.next();
    expect([ended.canceled, numberOf(ended.compactRevision), ended.events]).toEqual([true, at, []]);
    watch.raw.cancel();
    await expect(range(by, { ...keys, revision: at - 1 })).rejects.toEqual({
      code: 11,
      text: 'etcdserver: mvcc: required revision has been compacted',
    });
    expect(numberOf((await range(by, { ...keys, revision: at })).count)).toBe(0);
  }
});

test('C77 20,000 keys go with one lease: fragments of one revision, the last one says so; reads see all or none', async () => {
  const count = 20_000;
  const { id } = await grant(one(), 300n);
  await fill(one(), 'c77/', count, 200, id);
  const before = await revision();
  const keys = { key: bytes('c77/'), rangeEnd: bytes('c770') };
  const next = await watching(caller(1), { ...keys, startRevision: before + 1, prevKv: true, fragment: true });
  const counts = new Set<number>();
  let reading = true;
  const readers = Promise.all(
    callers.map(async (by) => {
      while (reading) counts.add(await by.count('c77/', 'c770'));
    }),
  );
  const startedMs = performance.now();
  await revoke(one(), id);
  expect(performance.now() - startedMs).toBeLessThan(5_000);
  const names: string[] = [];
  let fragments = 0;
  for (let more = true; more; fragments++) {
    const { events, fragment } = await next();
    for (const { kv } of events) {
      expect(numberOf(kv?.modRevision ?? 0)).toBe(before + 1);
      names.push(text(kv?.key ?? bytes('')));
    }
    more = fragment;
  }
  reading = false;
  await readers;
  expect(fragments).toBeGreaterThan(1);
  expect(names).toHaveLength(count);
  expect(names).toEqual([...names].sort());
  expect([...counts].every((seen) => seen === 0 || seen === count)).toBe(true);
});

// ── locks, elections, alarms ─────────────────────────────────────────────────────────────────────────────────────────

/** Calls of Lock or Election that wait in the queue of this name. */
const queued = (name: string): Promise<number> => one().count(`${name}/`, `${name}0`);

async function untilQueued(name: string, count: number): Promise<void> {
  for (let tries = 0; (await queued(name)) !== count; tries++) {
    if (tries > 500) throw new Error(`${name} has ${await queued(name)} keys, not ${count}`);
    await pause(10);
  }
}

test('C70 Lock: key and order, again by the same lease, an unlock of nothing, lease 0, an unknown lease', async () => {
  const call = (by: Caller, method: string, fields: Fields) => plainCall(by.client, `Lock/${method}`, fields);
  const leases = [];
  for (let i = 0; i < 4; i++) leases.push(await one().grant(60, 0x7000n + BigInt(i)));
  const keyOf = (lease: bigint): string => `c70/${lease.toString(16)}`;
  const [holder, ...others] = leases as [bigint, ...bigint[]];
  for (const by of callers)
    expect(await call(by, 'Lock', { name: 'c70', lease: Number(holder) })).toMatchObject({ key: keyOf(holder) });
  const order: string[] = [];
  const waiting: Promise<void>[] = [];
  for (const [i, lease] of others.entries()) {
    const locked = call(caller(i), 'Lock', { name: 'c70', lease: Number(lease) });
    waiting.push(
      locked.then(async (answer) => {
        order.push((answer as { key: string }).key);
        await call(caller(i + 1), 'Unlock', { key: keyOf(lease) });
      }),
    );
    await untilQueued('c70', i + 2);
  }
  expect(order).toEqual([]);
  expect(await call(caller(2), 'Unlock', { key: keyOf(holder) })).toMatchObject({ header: {} });
  await Promise.all(waiting);
  expect(order).toEqual(others.map(keyOf));
  expect(await call(one(), 'Unlock', { key: 'c70/none' })).toMatchObject({ header: {} });
  expect(await call(one(), 'Lock', { name: 'c70', lease: 70_707 })).toEqual({ code: 2, text: notFound.text });
  const { key } = (await call(caller(1), 'Lock', { name: 'c70z', lease: 0 })) as { key: string };
  const own = BigInt(`0x${key.split('/')[1]}`);
  expect((await one().timeToLive(own)).granted).toBe(60);
  await one().revoke(own);
});

test('C56, C58 a lease dies while it waits: told at once; a call that is given up leaves no key', async () => {
  const [holder, dying, late] = [await one().grant(60), await one().grant(60), await one().grant(60)] as const;
  const lock = (by: Caller, lease: bigint, timeoutMs?: number) =>
    plainCall(by.client, 'Lock/Lock', { name: 'c56', lease: int64Of(lease) }, timeoutMs);
  await lock(one(), holder);
  const waiting = lock(caller(1), dying);
  await untilQueued('c56', 2);
  await revoke(caller(2), dying);
  expect(await waiting).toEqual({ code: 2, text: 'mutex: session is expired' });
  expect(await lock(caller(2), late, 300)).toMatchObject({ code: 4 });
  await untilQueued('c56', 1);
  const campaign = { name: 'c58', lease: int64Of(late), value: 'v' };
  await plainCall(one().client, 'Election/Campaign', { ...campaign, lease: int64Of(holder) });
  expect(await plainCall(caller(1).client, 'Election/Campaign', campaign, 300)).toMatchObject({ code: 4 });
  await untilQueued('c58', 1);
  for (const lease of [holder, late]) await one().revoke(lease);
});

test('C71 Election: in order, no leader, stale leaders, every change observed', async () => {
  const call = (by: Caller, method: string, fields: Fields) => plainCall(by.client, `Election/${method}`, fields);
  const [first, second] = [await one().grant(60), await one().grant(60)] as const;
  const now = (by: Caller) => call(by, 'Leader', { name: 'c71' });
  expect(await now(one())).toEqual({ code: 2, text: 'election: no leader' });
  const observer = observe(caller(2).client, 'c71');
  const seen = async (): Promise<string> => (await observer.next()).replace(/^.*=(.*) c.*$/, '$1');
  const campaign = async (by: Caller, lease: bigint, value: string) =>
    (await call(by, 'Campaign', { name: 'c71', lease: int64Of(lease), value })) as { leader: Fields };
  const { leader } = await campaign(one(), first, 'one');
  const held: Fields = { ...leader, lease: int64Of(first) };
  expect(await seen()).toBe('one');
  const waiting = campaign(caller(1), second, 'two');
  await untilQueued('c71', 2);
  await call(caller(1), 'Proclaim', { leader: held, value: 'again' });
  expect(await seen()).toBe('again');
  expect(await call(caller(2), 'Resign', { leader: held })).toMatchObject({ header: {} });
  await waiting;
  expect(await seen()).toBe('two');
  expect(await call(one(), 'Proclaim', { leader: held, value: 'late' })).toEqual({
    code: 2,
    text: 'election: not leader',
  });
  expect(await call(one(), 'Resign', { leader: held })).toMatchObject({ header: {} });
  for (const by of callers) expect(await now(by)).toMatchObject({ kv: { value: 'two' } });
  observer.raw.cancel();
  for (const lease of [first, second]) await one().revoke(lease);
});

test('C50 NOSPACE: no grant, no put; what makes room and keep-alives go on. CORRUPT: no write at all', async () => {
  const alarm = (action: number, kind: number) =>
    one().client.call('/etcdserverpb.Maintenance/Alarm', wire.AlarmRequest, wire.AlarmResponse, {
      action,
      memberID: 1,
      alarm: kind,
    });
  const [activate, deactivate, noSpace, corrupt] = [1, 2, 1, 2] as const;
  const [kept, revoked, expiring] = [await one().grant(60), await one().grant(60), await one().grant(2)] as const;
  await one().put('c50/kept', 'x', kept);
  await one().put('c50/expiring', 'x', expiring);
  await alarm(activate, noSpace);
  const full = { code: 8, text: 'etcdserver: mvcc: database space exceeded' };
  for (const by of callers) {
    await expect(by.grant(60)).rejects.toEqual(full);
    await expect(by.put('c50/more')).rejects.toEqual(full);
    await expect(txn(by, { success: [putOp('c50/more')] })).rejects.toEqual(full);
  }
  expect(await keepAlive(caller(1).client, [kept])).toEqual([60]);
  await caller(2).revoke(revoked);
  for (let tries = 0; (await one().count('c50/expiring')) > 0 && tries < 300; tries++) await pause(20);
  expect((await one().timeToLive(expiring)).granted).toBe(0);
  expect(await caller(1).delete('c50/kept')).toBe(1);
  await alarm(deactivate, noSpace);
  await one().put('c50/more', 'x', kept);
  await alarm(activate, corrupt);
  const damaged = { code: 15, text: 'etcdserver: corrupt cluster' };
  for (const by of callers) {
    await expect(by.put('c50/more')).rejects.toEqual(damaged);
    await expect(by.revoke(kept)).rejects.toEqual(damaged);
  }
  expect(await keepAlive(caller(1).client, [kept])).toEqual([60]);
  await alarm(deactivate, corrupt);
  await caller(2).revoke(kept);
});

// ── members under strain ─────────────────────────────────────────────────────────────────────────────────────────────

test('C16 the leader changes under keep-alives: each stream is answered or ends with a code that clients retry', async () => {
  const { id } = await grant(one(), 20n);
  const outcomes: string[] = [];
  let moving = true;
  const renewers = callers.map(async ({ client }) => {
    while (moving) {
      const stream = client.keepAlive();
      try {
        while (moving) {
          stream.send({ ID: int64Of(id) });
          outcomes.push(`TTL ${numberOf((await stream.next()).TTL)}`);
          await pause(2);
        }
        stream.raw.end();
      } catch (status) {
        outcomes.push(`code ${(status as { code: number }).code}`);
        await pause(20);
      }
    }
  });
  for (let moves = 0; moves < 3; moves++) {
    const leader = await cluster.leader();
    await moveLeader(leader);
    const fromMs = performance.now();
    await insist(async () => expect(await keepAlive(one().client, [id])).toEqual([20]), 2_000);
    expect(performance.now() - fromMs).toBeLessThan(2_000);
  }
  moving = false;
  await Promise.all(renewers);
  expect(new Set(outcomes.map((outcome) => outcome.replace('code 14', 'TTL 20')))).toEqual(new Set(['TTL 20']));
});

/** The leader hands over to the member after it. */
async function moveLeader(leader: MemberProcess): Promise<void> {
  const path = '/etcdserverpb.Cluster/MemberList';
  const { members } = await one().client.call(path, wire.MemberListRequest, wire.MemberListResponse, {});
  const from = cluster.members.indexOf(leader);
  const target = members.find(({ name }) => name === cluster.members[(from + 1) % 3]?.name);
  const request = { targetID: target?.ID ?? 0 };
  const move = '/etcdserverpb.Maintenance/MoveLeader';
  await caller(from).client.call(move, wire.MoveLeaderRequest, wire.MoveLeaderResponse, request);
}

test('C49 a mebibyte for the path of etcd’s peer leases, at the peer port: closed, nothing is kept, the member lives', async () => {
  const member = cluster.members[0] as MemberProcess;
  const before = residentBytes(member.pid);
  for (let times = 0; times < 20; times++) {
    const socket = await PlainSocket.connected(member.peerPort);
    socket.send(`POST /leases HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n${'x'.repeat(1_048_576)}`);
    expect(await socket.closedWithin(5_000)).toBe(true);
    expect(socket.received.toString()).not.toMatch(/^HTTP\/1.1 200/);
  }
  expect(residentBytes(member.pid) - before).toBeLessThan(64 * 1024 * 1024);
  await one().put('c49/k');
});

test('C52 ten thousand keep-alive streams vanish with their connections: the member is as before within a minute', async () => {
  const member = cluster.members[1] as MemberProcess;
  const openStreams = async (): Promise<number> => {
    const page = await (await fetch(`http://${member.endpoint}/metrics`)).text();
    const sum = (name: string): number =>
      page
        .split('\n')
        .filter((row) => row.startsWith(`${name}{`) && row.includes('grpc_method="LeaseKeepAlive"'))
        .reduce((total, row) => total + Number(row.split(' ').at(-1)), 0);
    return sum('grpc_server_started_total') - sum('grpc_server_handled_total');
  };
  const openFiles = async (): Promise<number> => {
    const page = await (await fetch(`http://${member.endpoint}/metrics`)).text();
    return Number(/^process_open_fds (\d+)/m.exec(page)?.[1]);
  };
  const before = { streams: await openStreams(), files: await openFiles() };
  const id = await one().grant(120);
  const proxy = new TcpProxy({ host: '127.0.0.1', port: member.clientPort });
  await proxy.listen();
  const many = Array.from({ length: 50 }, () => lineTo(`127.0.0.1:${proxy.port}`));
  const streams = many.flatMap(({ client }) => Array.from({ length: 200 }, () => client.keepAlive()));
  for (const stream of streams) stream.send({ ID: int64Of(id) });
  await Promise.all(streams.map(async (stream) => expect(numberOf((await stream.next()).TTL)).toBe(120)));
  expect(await openStreams()).toBeGreaterThanOrEqual(before.streams + 10_000);
  proxy.cut();
  const endMs = performance.now() + 60_000;
  while ((await openStreams()) > before.streams || (await openFiles()) > before.files + 5) {
    if (performance.now() > endMs) throw new Error(`${await openStreams()} streams, ${await openFiles()} files`);
    await pause(50);
  }
  for (const line of many) line.close();
  await proxy.close();
}, 120_000);

test('C68 after all this: one state on all members, and the same after a replay', async () => {
  const [digest, ...others] = await settledDigests(cluster);
  expect(others).toEqual([]);
  const member = cluster.members[2] as MemberProcess;
  await member.stop('SIGKILL');
  member.start();
  await cluster.ready(60_000);
  expect((await settledDigests(cluster)).size).toBe(1);
  expect(digest).toMatch(/^[0-9a-f]+$/);
}, 120_000);

test('C5 leases -1 and the smallest int64 come back with their keys after a restart of all, and can be revoked', async () => {
  for (const id of [-1n, int64Min]) {
    await insist(() => one().grant(600, id));
    await insist(() => one().put(`c5/${id}`, 'x', id));
  }
  await Promise.all(cluster.members.map((member) => member.stop('SIGKILL')));
  for (const member of cluster.members) member.start();
  await cluster.ready(60_000);
  expect((await settledDigests(cluster)).size).toBe(1);
  for (const by of callers) {
    await insist(() => by.count('c5'));
    const listed = await by.leases();
    for (const id of [-1n, int64Min]) {
      expect(listed).toContain(id);
      expect((await insist(() => by.timeToLive(id))).keys).toEqual([`c5/${id}`]);
    }
  }
  for (const id of [-1n, int64Min]) await insist(() => caller(1).revoke(id));
  expect(await insist(() => one().count('c5/', 'c50'))).toBe(0);
}, 120_000);

test('C59 without a leader: guarded streams end with "no leader" within 3 election timeouts, the others stay open', async () => {
  const guard = { hasleader: 'true' };
  const [survivor, ...others] = cluster.members as [MemberProcess, MemberProcess, MemberProcess];
  const { client } = one();
  const { id } = await grant(one(), 600n);
  const create = { createRequest: { key: bytes('c59') } };
  const guarded = { renewals: client.keepAlive(guard), watch: client.watch(guard) };
  const patient = { renewals: client.keepAlive(), watch: client.watch() };
  for (const { renewals, watch } of [guarded, patient]) {
    renewals.send({ ID: int64Of(id) });
    watch.send(create);
    await renewals.next();
    await watch.next();
  }
  await Promise.all(others.map((member) => member.stop('SIGKILL')));
  const fromMs = performance.now();
  const ended = await Promise.all([guarded.renewals.raw.status, guarded.watch.raw.status]);
  for (const status of ended) expect(status).toEqual({ code: 14, text: 'etcdserver: no leader' });
  // The leader may need an election timeout or two to find out that it is none.
  expect(performance.now() - fromMs).toBeLessThan(6_000);
  const open = Symbol('open');
  const stillOpen = (status: Promise<unknown>): Promise<unknown> => Promise.race([status, pause(500).then(() => open)]);
  expect(await stillOpen(patient.renewals.raw.status)).toBe(open);
  expect(await stillOpen(patient.watch.raw.status)).toBe(open);
  for (const member of others) member.start();
  await cluster.ready(60_000);
  expect(survivor.running).toBe(true);
  await insist(() => caller(1).put('c59', 'x'));
  expect((await patient.watch.next()).events).toHaveLength(1);
}, 120_000);
