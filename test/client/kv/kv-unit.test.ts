/** What is asked again and what is not, when it is not known whether a member did it. */
import { beforeEach, expect, test } from 'vitest';
import { Client, LeaseError } from '../../../src/client/client.ts';
import { CallFailure, grpcCodes } from '../../../src/client/errors.ts';
import { encode } from '../../../src/client/wire/codec.ts';
import { calls } from '../../../src/client/wire/schema.ts';
import { FakeClock, FakeMembers } from '../fake-members.ts';

let clock: FakeClock;
let members: FakeMembers;
let client: Client;

beforeEach(() => {
  clock = new FakeClock();
  members = new FakeMembers();
  client = new Client({ endpoints: ['a:1', 'b:1'], clock, connect: members.connect });
  return () => client.close();
});

/** What the call comes to while time passes. */
async function outcome(call: Promise<unknown>): Promise<unknown> {
  const settled = call.catch((error: unknown) => error);
  await clock.advance(10_000);
  return await settled;
}

/** Fails the first time, with a failure that leaves open whether it was done. */
function failingOnce(answer: Uint8Array): () => Uint8Array {
  let failed = false;
  return () => {
    if (failed) return answer;
    failed = true;
    throw new CallFailure(grpcCodes.unavailable, 'connection reset', true);
  };
}

test('a put, a delete, a txn that writes: asked once, and the error says that it may have happened', async () => {
  members.onOther = failingOnce(new Uint8Array());
  const error = await outcome(client.put('k', 'v'));
  expect(error).toBeInstanceOf(LeaseError);
  expect(error).toMatchObject({ code: 'unavailable', retryable: true, mayHaveApplied: true });
  members.onOther = failingOnce(new Uint8Array());
  expect(await outcome(client.delete('k'))).toMatchObject({ mayHaveApplied: true });
  members.onOther = failingOnce(new Uint8Array());
  const txn = client
    .txn()
    .then((t) => t.get('k'))
    .else((t) => [t.txn((inner) => inner.else((u) => u.delete('k')))]);
  expect(await outcome(txn.commit())).toMatchObject({ mayHaveApplied: true });
  expect(members.asked).toEqual([calls.put[0], calls.deleteRange[0], calls.txn[0]]);
});

test('a txn that only reads is asked again like any read', async () => {
  members.onOther = failingOnce(
    encode('TxnResponse', { succeeded: true, responses: [{ responseRange: { count: 3n } }] }),
  );
  const txn = client.txn().then((t) => t.count({ all: true }));
  expect(await outcome(txn.commit())).toMatchObject({ succeeded: true, responses: [3] });
  expect(members.asked).toEqual([calls.txn[0], calls.txn[0]]);
});

test('a compaction that was done by an earlier attempt is done', async () => {
  const compacted = new CallFailure(
    grpcCodes.outOfRange,
    'etcdserver: mvcc: required revision has been compacted',
    true,
  );
  let attempts = 0;
  members.onOther = () => {
    if (attempts++ === 0) throw new CallFailure(grpcCodes.unavailable, 'connection reset', true);
    throw compacted;
  };
  expect(await outcome(client.compact(7n))).toBeUndefined();
  expect(await outcome(client.compact(7n))).toMatchObject({ code: 'compacted' });
});

test('an answer that does not fit its txn is not read', async () => {
  members.onOther = () => encode('TxnResponse', { succeeded: true, responses: [{ responsePut: {} }] });
  const txn = client.txn().then((t) => t.get('k'));
  expect(await outcome(txn.commit())).toMatchObject({ code: 'internal' });
});

test('what cannot be asked is refused before anything is sent, by the one error', async () => {
  const refused = { code: 'invalid_argument' };
  for (const limit of [1.5, Number.NaN, -1, 2n ** 63n])
    await expect(client.list('k', { limit })).rejects.toMatchObject(refused);
  for (const revision of [-1n, 2n ** 64n + 5n]) {
    await expect(client.get('k', { revision })).rejects.toMatchObject(refused);
    await expect(client.scan('k', { revision }).next()).rejects.toMatchObject(refused);
    await expect(client.compact(revision)).rejects.toMatchObject(refused);
    await expect(client.list('k', { maxModRevision: revision })).rejects.toMatchObject(refused);
    expect(() => client.txn().if((c) => c.key('k').modRevision.eq(revision))).toThrow(LeaseError);
  }
  await expect(client.list('k', { sort: { by: 'age' as 'key' } })).rejects.toMatchObject(refused);
  await expect(client.delete({ from: 'a', to: '\0' })).rejects.toMatchObject(refused);
  expect(members.asked).toEqual([]);
});

test("of a lease's keys only those of the namespace are told, and none is cut", async () => {
  const scoped = new Client({ endpoints: ['a:1'], namespace: 'app/', clock, connect: members.connect });
  const keys = ['app/a', 'other/b', 'ap', 'app/'].map((key) => Buffer.from(key));
  members.onOther = () => encode('LeaseTimeToLiveResponse', { ID: 7n, TTL: 5n, grantedTTL: 10n, keys });
  const found = await scoped.timeToLive(7n, { keys: true });
  expect(found.keys.map((key) => Buffer.from(key).toString())).toEqual(['a', '']);
  await scoped.close();
});
