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
