/** KV over the wire. Codes and texts were compared with etcd 3.4.23, request by request, on 2026-11-22. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readsPerTurnMax } from '../../src/base/limits.ts';
import type { Sparse } from '../../src/rpc/codec.ts';
import { bigintOf, numberOf } from '../../src/rpc/int64.ts';
import { kvService } from '../../src/rpc/kv.ts';
import { type RequestOp, type TxnRequest, wire } from '../../src/rpc/messages.ts';
import { clusterId, FakeMember, memberId } from './fake-member.ts';
import { bytes, Fixture, text, type WireClient } from './wire-client.ts';

let fixture: Fixture;
let client: WireClient;

beforeAll(async () => {
  fixture = await Fixture.start({ member: new FakeMember({ maxTxnOps: 4 }) });
  client = fixture.client();
});
afterAll(() => fixture.stop());
beforeEach(() => {
  fixture.member.refuseWith = undefined;
});

const range = (message: Parameters<typeof wire.RangeRequest.encode>[0]) =>
  client.call('/etcdserverpb.KV/Range', wire.RangeRequest, wire.RangeResponse, message);
const put = (message: Parameters<typeof wire.PutRequest.encode>[0]) =>
  client.call('/etcdserverpb.KV/Put', wire.PutRequest, wire.PutResponse, message);
const del = (message: Parameters<typeof wire.DeleteRangeRequest.encode>[0]) =>
  client.call('/etcdserverpb.KV/DeleteRange', wire.DeleteRangeRequest, wire.DeleteRangeResponse, message);
const txn = (message: Sparse<TxnRequest>) =>
  client.call('/etcdserverpb.KV/Txn', wire.TxnRequest, wire.TxnResponse, message);

const key = bytes;
const putOp = (name: string, more: object = {}): Sparse<RequestOp> => ({
  requestPut: { key: key(name), value: bytes('v'), ...more },
});
const deleteOp = (name: string, end = ''): Sparse<RequestOp> => ({
  requestDeleteRange: { key: key(name), rangeEnd: bytes(end) },
});

describe('what is done', () => {
  test('many writes that answer with values are answered some at a time, and all of them', async () => {
    const method = kvService(new FakeMember())['/etcdserverpb.KV/Put'];
    if (method?.kind !== 'unary') throw new Error('Put is a unary call');
    const { signal } = new AbortController();
    const context = { peer: 'one', metadata: { get: () => undefined }, signal, timeoutMs: undefined };
    const asked = wire.PutRequest.encode({ key: key('k'), value: Buffer.alloc(64 * 1024), prevKv: true });
    let answered = 0;
    const calls = Array.from({ length: 400 }, () => method.call(asked, context).then(() => answered++));
    const perTurn: number[] = [];
    for (let before = 0; answered < calls.length && perTurn.length < 1_000; before = answered) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      perTurn.push(answered - before);
    }
    expect(answered).toBe(calls.length);
    expect(Math.max(...perTurn)).toBeLessThanOrEqual(2 * readsPerTurnMax);
    await Promise.all(calls);
  });

  test('put, read, delete: header, revisions, prev_kv', async () => {
    const before = fixture.member.state.revision;
    const first = await put({ key: key('kv/a'), value: bytes('1') });
    expect(numberOf(first.header?.revision ?? 0)).toBe(before + 1);
    expect(bigintOf(first.header?.clusterId ?? 0)).toBe(clusterId);
    expect(bigintOf(first.header?.memberId ?? 0)).toBe(memberId);
    expect(numberOf(first.header?.raftTerm ?? 0)).toBe(2);
    const second = await put({ key: key('kv/a'), value: bytes('2'), prevKv: true });
    expect(text(second.prevKv?.value ?? bytes(''))).toBe('1');
    const read = await range({ key: key('kv/'), rangeEnd: key('kv0') });
    expect(numberOf(read.count)).toBe(1);
    expect(
      read.kvs.map((kv) => [text(kv.key), text(kv.value), numberOf(kv.version), numberOf(kv.createRevision)]),
    ).toEqual([['kv/a', '2', 2, before + 1]]);
    const gone = await del({ key: key('kv/a'), prevKv: true });
    expect(numberOf(gone.deleted)).toBe(1);
    expect(text(gone.prevKvs[0]?.value ?? bytes(''))).toBe('2');
    expect(numberOf((await range({ key: key('kv/a') })).count)).toBe(0);
  });

  test('a read waits for a barrier unless it is serializable', async () => {
    const { barriers } = fixture.member;
    await range({ key: key('x') });
    expect(fixture.member.barriers).toBe(barriers + 1);
    await range({ key: key('x'), serializable: true });
    expect(fixture.member.barriers).toBe(barriers + 1);
  });

  test('negative limit and revision: none, and the newest (as etcd)', async () => {
    await put({ key: key('neg'), value: bytes('n') });
    expect((await range({ key: key('neg'), rangeEnd: key('neh'), limit: -1 })).kvs).toHaveLength(1);
    expect((await range({ key: key('neg'), revision: -5 })).kvs).toHaveLength(1);
  });

  test('range_end below key: nothing, no error', async () => {
    expect(numberOf((await range({ key: key('b'), rangeEnd: key('a') })).count)).toBe(0);
  });

  test('a txn takes its branch in one revision; inner headers hold the revision alone', async () => {
    const done = await txn({
      compare: [{ key: key('t/1'), target: 1, result: 0, createRevision: 0 }],
      success: [putOp('t/1'), { requestRange: { key: key('t/1') } }, deleteOp('t/none')],
      failure: [putOp('t/2')],
    });
    expect(done.succeeded).toBe(true);
    expect(done.responses.map((one) => one.response)).toEqual(['responsePut', 'responseRange', 'responseDeleteRange']);
    const inner = done.responses[0]?.responsePut?.header;
    expect(numberOf(inner?.revision ?? 0)).toBe(numberOf(done.header?.revision ?? -1));
    expect(numberOf(inner?.raftTerm ?? -1)).toBe(0);
    expect(text(done.responses[1]?.responseRange?.kvs[0]?.value ?? bytes(''))).toBe('v');
    const again = await txn({ compare: [{ key: key('t/1'), target: 1, result: 0, createRevision: 0 }], failure: [] });
    expect(again.succeeded).toBe(false);
  });

  test('an operand for another target counts as zero', async () => {
    await put({ key: key('cmp') });
    expect((await txn({ compare: [{ key: key('cmp'), target: 0, createRevision: 2 }] })).succeeded).toBe(false);
    expect((await txn({ compare: [{ key: key('cmp'), target: 0, version: 1 }] })).succeeded).toBe(true);
    expect((await txn({ compare: [{ key: key('no'), target: 0, createRevision: 2 }] })).succeeded).toBe(true);
  });

  test('compare on the lease', async () => {
    fixture.member.apply({ type: 'grant', id: 55n, ttlMs: 60_000 });
    await put({ key: key('owned'), lease: 55 });
    const owned = (lease: number, result: number) =>
      txn({ compare: [{ key: key('owned'), target: 4, result, lease }] }).then((answer) => answer.succeeded);
    expect(await Promise.all([owned(55, 0), owned(56, 0), owned(54, 1), owned(56, 2), owned(56, 3)])).toEqual([
      true,
      false,
      true,
      true,
      true,
    ]);
    expect((await txn({ compare: [{ key: key('missing'), target: 4, result: 0, lease: 0 }] })).succeeded).toBe(true);
  });

  test('a delete from a key on beside a put passes, as in etcd 3.4.23', async () => {
    expect((await txn({ success: [putOp('zz1'), deleteOp('zz0', '\0')] })).succeeded).toBe(true);
    expect((await txn({ success: [putOp('zz1'), deleteOp('zz2', 'zz0')] })).succeeded).toBe(true);
    expect((await txn({ success: [deleteOp('zz1'), deleteOp('zz1')] })).succeeded).toBe(true);
  });
});

describe('what is refused, with code and text', () => {
  const many = (one: Sparse<RequestOp>) => Array.from({ length: 5 }, () => one);
  const cases: [string, () => Promise<unknown>, number, string][] = [
    ['range: empty key', () => range({}), 3, 'etcdserver: key is not provided'],
    ['put: empty key', () => put({ value: bytes('v') }), 3, 'etcdserver: key is not provided'],
    ['delete: empty key', () => del({}), 3, 'etcdserver: key is not provided'],
    [
      'future revision',
      () => range({ key: key('a'), revision: 5_000 }),
      11,
      'etcdserver: mvcc: required revision is a future revision',
    ],
    ['unknown sort order', () => range({ key: key('a'), sortOrder: 9 }), 3, 'etcdserver: invalid sort option'],
    ['unknown sort target', () => range({ key: key('a'), sortTarget: -1 }), 3, 'etcdserver: invalid sort option'],
    [
      'ignore_value with a value',
      () => put({ key: key('a'), value: bytes('x'), ignoreValue: true }),
      3,
      'etcdserver: value is provided',
    ],
    [
      'ignore_lease with a lease',
      () => put({ key: key('a'), lease: 4, ignoreLease: true }),
      3,
      'etcdserver: lease is provided',
    ],
    [
      'ignore_value without the key',
      () => put({ key: key('nokey'), ignoreValue: true }),
      3,
      'etcdserver: key not found',
    ],
    [
      'ignore_lease without the key',
      () => put({ key: key('nokey'), ignoreLease: true }),
      3,
      'etcdserver: key not found',
    ],
    ['put on an unknown lease', () => put({ key: key('a'), lease: 4 }), 5, 'etcdserver: requested lease not found'],
    [
      'txn: put on an unknown lease',
      () => txn({ success: [putOp('a', { lease: 4 })] }),
      5,
      'etcdserver: requested lease not found',
    ],
    [
      'txn: ignore_lease without the key',
      () => txn({ success: [putOp('nokey', { ignoreLease: true })] }),
      3,
      'etcdserver: key not found',
    ],
    [
      'txn: same key put twice',
      () => txn({ success: [putOp('d'), putOp('d')] }),
      3,
      'etcdserver: duplicate key given in txn request',
    ],
    [
      'txn: put and deleted',
      () => txn({ success: [putOp('d'), deleteOp('d')] }),
      3,
      'etcdserver: duplicate key given in txn request',
    ],
    [
      'txn: put in a deleted range',
      () => txn({ failure: [deleteOp('c', 'e'), putOp('d')] }),
      3,
      'etcdserver: duplicate key given in txn request',
    ],
    ['txn: empty op', () => txn({ success: [{}] }), 3, 'etcdserver: key not found'],
    ['txn: compare without a key', () => txn({ compare: [{}] }), 3, 'etcdserver: key is not provided'],
    ['txn: range without a key', () => txn({ success: [{ requestRange: {} }] }), 3, 'etcdserver: key is not provided'],
    [
      'txn: too many compares',
      () => txn({ compare: Array.from({ length: 5 }, () => ({})) }),
      3,
      'etcdserver: too many operations in txn request',
    ],
    [
      'txn: too many ops',
      () => txn({ failure: many(deleteOp('a')) }),
      3,
      'etcdserver: too many operations in txn request',
    ],
    [
      'txn: range in the future',
      () => txn({ success: [{ requestRange: { key: key('a'), revision: 5_000 } }] }),
      11,
      'etcdserver: mvcc: required revision is a future revision',
    ],
    [
      'txn: unknown compare result',
      () => txn({ compare: [{ key: key('a'), result: 9 }] }),
      3,
      'etcdserver: invalid compare in txn request',
    ],
    [
      'request too large',
      () => put({ key: key('big'), value: new Uint8Array(1_572_864) }),
      3,
      'etcdserver: request is too large',
    ],
  ];

  test.each(cases)('%s', async (_what, ask, code, message) => {
    const { revision } = fixture.member.state;
    await expect(ask()).rejects.toEqual({ code, text: message });
    expect(fixture.member.state.revision).toBe(revision);
  });

  test('the untaken branch may name an unknown lease', async () => {
    expect((await txn({ failure: [putOp('a', { lease: 4 })] })).succeeded).toBe(true);
  });

  test('the largest request that is taken', async () => {
    await expect(put({ key: key('big'), value: new Uint8Array(1_572_864 - 100) })).resolves.toBeDefined();
  });

  test('beyond the receive limit: ResourceExhausted, and the connection lives on', async () => {
    await expect(put({ key: key('big'), value: new Uint8Array(1_572_864 + 524_288) })).rejects.toMatchObject({
      code: 8,
    });
    await expect(put({ key: key('small') })).resolves.toBeDefined();
  });

  test('malformed: Internal; unknown method: Unimplemented', async () => {
    expect(await client.raw('/etcdserverpb.KV/Put', bytes('\x0a\x05k'))).toEqual({
      code: 13,
      text: 'grpc: error unmarshalling request',
    });
    expect(await client.raw('/etcdserverpb.KV/Nope', bytes(''))).toMatchObject({ code: 12 });
  });
});

describe('no outcome', () => {
  test.each([
    ['noLeader', 14, 'etcdserver: no leader'],
    ['overloaded', 8, 'etcdserver: too many requests'],
    ['noSpace', 8, 'etcdserver: mvcc: database space exceeded'],
    ['timedOut', 14, 'etcdserver: request timed out'],
    ['unknown', 14, 'etcdserver: request timed out'],
    ['stopped', 14, 'etcdserver: server stopped'],
  ] as const)('%s', async (why, code, message) => {
    fixture.member.refuseWith = why;
    await expect(put({ key: key('a') })).rejects.toEqual({ code, text: message });
    await expect(range({ key: key('a') })).rejects.toEqual({ code, text: message });
  });

  test('nothing here was a bug', () => expect(fixture.bugs).toEqual([]));
});
