/** Answers by hand against protobufjs: the same bytes. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { deleteRangeResponse, putResponse, rangeResponse, txnResponse } from '../../../src/rpc/convert.ts';
import { Headers } from '../../../src/rpc/header.ts';
import {
  deleteRangeAnswer,
  grantAnswer,
  putAnswer,
  rangeAnswer,
  timeToLiveAnswer,
  txnAnswer,
} from '../../../src/rpc/hot/answers.ts';
import { int64Of } from '../../../src/rpc/int64.ts';
import { wire } from '../../../src/rpc/messages.ts';
import type { KeyValue, TxnOpResult, TxnResult } from '../../../src/state/outcome.ts';
import { FakeMember } from '../fake-member.ts';

const int64s = fc.oneof(
  fc.constant(0n),
  fc.integer({ min: 0, max: 300 }).map(BigInt),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
);
const raw = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.integer({ min: 120, max: 300 }).map((size) => Buffer.alloc(size, size)),
  fc.constant(Buffer.alloc(17_000, 1)),
);
const numbers = fc.oneof(fc.constant(0), fc.nat({ max: 400 }), fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }));
const keyValues: fc.Arbitrary<KeyValue> = fc.record({
  key: raw,
  createRevision: numbers,
  modRevision: numbers,
  version: numbers,
  value: raw,
  lease: int64s,
});
const putResults = fc.record({ type: fc.constant('put' as const), prevKv: fc.option(keyValues, { nil: undefined }) });
const rangeResults = fc.record({
  type: fc.constant('range' as const),
  kvs: fc.array(keyValues, { maxLength: 4 }),
  more: fc.boolean(),
  count: numbers,
});
const deleteResults = fc.record({
  type: fc.constant('deleteRange' as const),
  deleted: fc.nat({ max: 300 }),
  prevKvs: fc.array(keyValues, { maxLength: 4 }),
});
const txnResults: fc.Arbitrary<TxnResult> = fc.record({
  type: fc.constant('txn' as const),
  succeeded: fc.boolean(),
  responses: fc.array<TxnOpResult>(fc.oneof(putResults, rangeResults, deleteResults), { maxLength: 4 }),
});

test('answers are the bytes of protobufjs', () => {
  const headers = new Headers(new FakeMember());
  const same = (ours: Uint8Array | undefined, theirs: Uint8Array): void =>
    expect(Buffer.compare(ours ?? Buffer.alloc(0), theirs)).toBe(0);
  const revisions = fc.integer({ min: 1, max: 2 ** 40 });
  const drawn = fc.tuple(revisions, putResults, rangeResults, deleteResults, txnResults);
  fc.assert(
    fc.property(drawn, ([revision, put, range, deleted, txn]) => {
      const header = headers.at(revision);
      const { bytes } = headers.field(revision);
      same(putAnswer(bytes, put), wire.PutResponse.encode(putResponse(put, header)));
      same(rangeAnswer(bytes, range), wire.RangeResponse.encode(rangeResponse(range, header)));
      same(deleteRangeAnswer(bytes, deleted), wire.DeleteRangeResponse.encode(deleteRangeResponse(deleted, header)));
      same(txnAnswer(bytes, txn, revision), wire.TxnResponse.encode(txnResponse(txn, header, revision)));
      expect(txnAnswer(bytes, { ...txn, responses: [...txn.responses, txn] }, revision)).toBeUndefined();
    }),
    { numRuns: 500 },
  );
  const seconds = fc.integer({ min: -(2 ** 40), max: 9_000_000_000 });
  fc.assert(
    fc.property(int64s, seconds, numbers, fc.array(raw, { maxLength: 4 }), (id, ttl, granted, keys) => {
      const header = headers.at(5);
      const { bytes } = headers.field(5);
      const ID = int64Of(id);
      same(grantAnswer(bytes, id, granted), wire.LeaseGrantResponse.encode({ header, ID, TTL: granted }));
      same(
        timeToLiveAnswer(bytes, id, ttl, granted, keys),
        wire.LeaseTimeToLiveResponse.encode({ header, ID, TTL: ttl, grantedTTL: granted, keys }),
      );
      same(bytes, wire.LeaseRevokeResponse.encode({ header }));
    }),
  );
});
