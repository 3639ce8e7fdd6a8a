/** What would answer with more than a process has memory for is refused, and nothing of it is done. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { answerBytesMax } from '../../src/base/limits.ts';
import type { Sparse } from '../../src/rpc/codec.ts';
import { rpcError } from '../../src/rpc/errors.ts';
import { numberOf } from '../../src/rpc/int64.ts';
import { type TxnRequest, wire } from '../../src/rpc/messages.ts';
import { versionQuotaBytes } from '../../src/state/growth.ts';
import { bytes, Fixture, type WireClient } from './wire-client.ts';

const tooLarge = { code: 8, text: rpcError('answerTooLarge').message };
const opsMax = 128;
const times = <T>(count: number, one: T): T[] => Array.from({ length: count }, () => one);

let fixture: Fixture;
let client: WireClient;
beforeEach(async () => {
  fixture = await Fixture.start();
  client = fixture.client();
});
afterEach(async () => {
  await fixture.stop();
  expect(fixture.bugs).toEqual([]);
});

const txn = (message: Sparse<TxnRequest>) =>
  client.call('/etcdserverpb.KV/Txn', wire.TxnRequest, wire.TxnResponse, message);
const range = (message: Parameters<typeof wire.RangeRequest.encode>[0]) =>
  client.call('/etcdserverpb.KV/Range', wire.RangeRequest, wire.RangeResponse, message);

test('a txn that reads a large value again and again, and writes', async () => {
  fixture.member.put('large', 'x'.repeat(answerBytesMax / opsMax));
  const read = { requestRange: { key: bytes('large') } };
  await expect(txn({ success: times(opsMax, read) })).rejects.toMatchObject(tooLarge);
  const write = { requestPut: { key: bytes('written'), value: bytes('never') } };
  const reads = times(2, { requestTxn: { success: times(64, read) } });
  await expect(txn({ success: [write, ...reads] })).rejects.toMatchObject(tooLarge);
  expect(numberOf((await range({ key: bytes('written') })).count)).toBe(0);
  const cheap = { requestRange: { key: bytes('large'), keysOnly: true } };
  expect((await txn({ success: [write, ...times(opsMax - 1, cheap)] })).responses).toHaveLength(opsMax);
});

test('a txn that reads many small keys again and again', async () => {
  const keys = Math.ceil(answerBytesMax / opsMax / versionQuotaBytes);
  for (let at = 0; at < keys; at++) fixture.member.put(`many/${at}`, '');
  const read = { requestRange: { key: bytes('many/'), rangeEnd: bytes('many0') } };
  await expect(txn({ success: times(opsMax, read) })).rejects.toMatchObject(tooLarge);
  const counted = { requestRange: { ...read.requestRange, countOnly: true } };
  const few = { requestRange: { ...read.requestRange, limit: 5 } };
  const answer = await txn({ success: [...times(60, counted), ...times(60, few), read] });
  expect(answer.responses.at(-1)?.responseRange?.kvs).toHaveLength(keys);
});

test('a delete that shows what it deletes counts too', async () => {
  const value = 'x'.repeat(answerBytesMax / opsMax - versionQuotaBytes - 'large'.length);
  fixture.member.put('large', value);
  fixture.member.put('more', '');
  const reads = times(opsMax - 1, { requestRange: { key: bytes('large') } });
  const deleting = (prevKv: boolean): Sparse<TxnRequest> => ({
    success: [{ requestDeleteRange: { key: bytes('l'), rangeEnd: bytes('n'), prevKv } }, ...reads],
  });
  await expect(txn(deleting(true))).rejects.toMatchObject(tooLarge);
  expect(numberOf((await range({ key: bytes('large'), keysOnly: true })).count)).toBe(1);
  expect(numberOf((await txn(deleting(false))).responses[0]?.responseDeleteRange?.deleted ?? 0)).toBe(2);
});
