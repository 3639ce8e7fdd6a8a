/** Txns inside txns over the wire: answers, headers, and what is refused. Compared with etcd 3.4.23, request by request. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { txnDepthMax } from '../../src/base/limits.ts';
import type { Sparse } from '../../src/rpc/codec.ts';
import { numberOf } from '../../src/rpc/int64.ts';
import { type RequestOp, type TxnRequest, wire } from '../../src/rpc/messages.ts';
import { FakeMember } from './fake-member.ts';
import { bytes, Fixture, type WireClient } from './wire-client.ts';

const opsMax = 1_000;
let fixture: Fixture;
let client: WireClient;

beforeAll(async () => {
  fixture = await Fixture.start({ member: new FakeMember({ maxTxnOps: opsMax }) });
  client = fixture.client();
});
afterAll(() => fixture.stop());

const txn = (message: Sparse<TxnRequest>) =>
  client.call('/etcdserverpb.KV/Txn', wire.TxnRequest, wire.TxnResponse, message);
const put = (key: string, more: object = {}): Sparse<RequestOp> => ({ requestPut: { key: bytes(key), ...more } });
const del = (key: string, end = ''): Sparse<RequestOp> => ({
  requestDeleteRange: { key: bytes(key), rangeEnd: bytes(end) },
});
const read = (key: string, more: object = {}): Sparse<RequestOp> => ({ requestRange: { key: bytes(key), ...more } });
const inner = (success: Sparse<RequestOp>[], failure: Sparse<RequestOp>[] = []): Sparse<RequestOp> => ({
  requestTxn: { success, failure },
});
function nested(depth: number, ops: Sparse<RequestOp>[] = []): Sparse<TxnRequest> {
  let message: Sparse<TxnRequest> = { success: ops };
  for (let at = 1; at < depth; at++) message = { success: [{ requestTxn: message }] };
  return message;
}

describe('a txn inside a txn', () => {
  test('is answered in its place; its own header is empty, those inside hold the revision alone', async () => {
    const { revision } = fixture.member.state;
    const answer = await txn({ success: [read('a'), inner([del('none'), put('a'), read('a')]), read('a')] });
    expect(numberOf(answer.header?.revision ?? 0)).toBe(revision + 1);
    const [before, middle, after] = answer.responses;
    expect(numberOf(before?.responseRange?.header?.revision ?? 0)).toBe(revision);
    expect(middle?.responseTxn?.succeeded).toBe(true);
    expect(numberOf(middle?.responseTxn?.header?.revision ?? -1)).toBe(0);
    const [none, written, seen] = middle?.responseTxn?.responses ?? [];
    expect(numberOf(none?.responseDeleteRange?.header?.revision ?? 0)).toBe(revision);
    expect(numberOf(written?.responsePut?.header?.revision ?? 0)).toBe(revision + 1);
    expect(numberOf(seen?.responseRange?.count ?? 0)).toBe(1);
    expect(numberOf(after?.responseRange?.header?.revision ?? 0)).toBe(revision + 1);
  });

  test('as deep as may be, and one deeper', async () => {
    const { revision } = fixture.member.state;
    let answer: Awaited<ReturnType<typeof txn>> | null | undefined = await txn(
      nested(txnDepthMax, [put('deep'), read('deep')]),
    );
    expect(numberOf(answer.header?.revision ?? 0)).toBe(revision + 1);
    for (let at = 1; at < txnDepthMax; at++) answer = answer?.responses[0]?.responseTxn;
    expect(answer?.responses.map((one) => one.response)).toEqual(['responsePut', 'responseRange']);
    await expect(txn(nested(txnDepthMax + 1))).rejects.toEqual({
      code: 3,
      text: 'etcdserver: too many operations in txn request',
    });
  });

  test('has as many operations as the lists around it leave over', async () => {
    const many = (count: number) => Array.from({ length: count }, () => read('a'));
    const within = (outer: number, ops: number) => txn({ success: [...many(outer - 1), inner([], many(ops))] });
    await expect(within(400, 600)).resolves.toBeDefined();
    await expect(within(400, 601)).rejects.toMatchObject({ code: 3, text: /too many operations/ });
  });

  const duplicate = { code: 3, text: 'etcdserver: duplicate key given in txn request' };
  test.each([
    ['put inside and outside', [inner([put('k')]), put('k')]],
    ['put in two txns', [inner([put('k')]), inner([], [put('k')])]],
    ['put inside, deleted outside', [inner([put('k')]), del('j', 'l')]],
    ['deleted inside, put outside', [put('k'), inner([], [del('k')])]],
    ['deleted in one txn, put in a later one', [inner([del('k')]), inner([put('k')])]],
    ['two deep', [inner([inner([put('k')])]), inner([inner([], [inner([put('k')])])])]],
    ['within the one inside', [inner([], [put('k'), put('k')])]],
  ])('refuses a key that is %s', async (_, success) => {
    await expect(txn({ success })).rejects.toEqual(duplicate);
    await expect(txn({ failure: success })).rejects.toEqual(duplicate);
  });

  test.each([
    ['put in both branches of the one inside', [inner([put('k')], [put('k')])]],
    ['put in one branch and deleted in the other', [inner([put('k')], [del('k')])]],
    ['deleted in one branch and put in the other', [inner([del('k')], [put('k')])]],
    ['put in one txn, deleted in a later one', [inner([put('k')]), inner([del('k')])]],
    ['deleted twice', [del('k'), inner([del('k')])]],
  ])('takes a key that is %s', async (_, success) => {
    await expect(txn({ success })).resolves.toMatchObject({ succeeded: true });
  });

  test.each([
    ['an empty key', put(''), 3, 'etcdserver: key is not provided'],
    ['no operation', {}, 3, 'etcdserver: key not found'],
    ['an unknown sort order', read('a', { sortOrder: 3 }), 3, 'etcdserver: invalid sort option'],
    ['an unknown lease', put('a', { lease: 404 }), 5, 'etcdserver: requested lease not found'],
    ['a future revision', read('a', { revision: 1e6 }), 11, 'etcdserver: mvcc: required revision is a future revision'],
    [
      'a past before the first',
      read('a', { revision: -2 }),
      11,
      'etcdserver: mvcc: required revision has been compacted',
    ],
  ])('is refused whole for %s', async (_, op, code, text) => {
    const { revision } = fixture.member.state;
    await expect(txn({ success: [put('b'), inner([inner([op])])] })).rejects.toEqual({ code, text });
    expect(fixture.member.state.revision).toBe(revision);
  });
});

describe('a txn that only reads', () => {
  test('waits for a barrier instead of the log, unless it reads, and all its reads are serializable', async () => {
    const { member } = fixture;
    await txn({ success: [put('r')] });
    const [barriers, proposed] = [member.barriers, member.proposed.length];
    const counts = async (message: Sparse<TxnRequest>): Promise<[number, number]> => {
      await txn(message);
      return [member.barriers - barriers, member.proposed.length - proposed];
    };
    expect(await counts({ success: [read('r')], failure: [read('r', { serializable: true })] })).toEqual([1, 0]);
    expect(await counts({ success: [read('r', { serializable: true })] })).toEqual([1, 0]);
    expect(await counts({})).toEqual([2, 0]);
    expect(await counts({ compare: [{ key: bytes('r'), version: 1 }] })).toEqual([3, 0]);
    expect(await counts({ success: [inner([read('r')])] })).toEqual([3, 1]);
  });

  test('is answered with the revision it was read at', async () => {
    const answer = await txn({ success: [read('r')] });
    const { revision } = fixture.member.state;
    expect(numberOf(answer.header?.revision ?? 0)).toBe(revision);
    expect(numberOf(answer.responses[0]?.responseRange?.header?.revision ?? 0)).toBe(revision);
    await expect(txn({ success: [read('r', { revision: revision + 1 })] })).rejects.toMatchObject({ code: 11 });
  });

  test('nothing here was a bug', () => expect(fixture.bugs).toEqual([]));
});
