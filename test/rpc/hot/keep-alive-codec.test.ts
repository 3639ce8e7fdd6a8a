/** Keep-alive messages by hand against protobufjs: the same ids, the same refusals, the same bytes. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Headers } from '../../../src/rpc/header.ts';
import { halvesOf } from '../../../src/rpc/hot/fields.ts';
import {
  type Answered,
  keepAliveBatchResponse,
  keepAliveResponses,
  readKeepAlive,
  readKeepAliveBatch,
} from '../../../src/rpc/hot/keep-alive-codec.ts';
import { bigintOf, int64Of } from '../../../src/rpc/int64.ts';
import { batchWire } from '../../../src/rpc/keep-alive-batches.ts';
import { wire } from '../../../src/rpc/messages.ts';
import { FakeMember } from '../fake-member.ts';
import { sent } from '../framed.ts';

const ids = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom(0n, 1n, 127n, 128n, 2n ** 28n, 2n ** 32n, 2n ** 35n - 1n, 2n ** 53n, 2n ** 63n - 1n, -1n),
  fc.integer({ min: 0, max: 300 }).map(BigInt),
);
const ttls = fc.oneof(fc.integer({ min: 0, max: 1_000 }), fc.integer({ min: 0, max: 9_000_000_000_000 }));
/** Near misses: bytes that often are such a message, and often nearly one. */
const garbage = fc.oneof(
  fc.uint8Array({ maxLength: 14 }),
  fc.array(fc.constantFrom(0x08, 0x0a, 0x80, 0xff, 0x7f, 0x01, 0x00, 0x02, 0x0b), { maxLength: 14 }).map(Buffer.from),
);

const idFrom = (hi: number, lo: number): bigint => BigInt.asIntN(64, (BigInt(hi) << 32n) | BigInt(lo >>> 0));

function outcomeOf<T>(read: () => T): T | string {
  try {
    return read();
  } catch (error) {
    return String(error);
  }
}

/** What a stream reads; undefined: protobufjs was asked. */
function single(bytes: Uint8Array): bigint | undefined {
  const taken: bigint[] = [];
  readKeepAlive(
    bytes,
    (hi, lo) => taken.push(idFrom(hi, lo)),
    (left) => wire.LeaseKeepAliveRequest.decode(left).ID,
  );
  expect(taken).toHaveLength(1);
  return taken[0];
}

function batch(bytes: Uint8Array, idsMax = 1_000): bigint[] | undefined {
  const taken: bigint[] = [];
  return readKeepAliveBatch(bytes, idsMax, (hi, lo) => taken.push(idFrom(hi, lo))) ? taken : undefined;
}

test('a request reads as protobufjs reads it', () => {
  fc.assert(
    fc.property(ids, (id) => {
      const bytes = wire.LeaseKeepAliveRequest.encode({ ID: int64Of(id) });
      expect(single(bytes)).toBe(id);
      for (let cut = 0; cut < bytes.length; cut++) expectLikeProtobufjs(bytes.subarray(0, cut));
    }),
  );
  fc.assert(fc.property(garbage, expectLikeProtobufjs), { numRuns: 5_000 });
});

function expectLikeProtobufjs(bytes: Uint8Array): void {
  const theirs = outcomeOf(() => bigintOf(wire.LeaseKeepAliveRequest.decode(bytes).ID));
  expect(outcomeOf(() => single(bytes))).toBe(theirs);
}

test('a batch that is read by hand reads as protobufjs reads it; as clients write it, it is read by hand', () => {
  fc.assert(
    fc.property(fc.array(ids, { minLength: 1, maxLength: 60 }), (many) => {
      const bytes = batchWire.KeepAliveRequest.encode({ ids: many.map(int64Of) });
      expect(batch(bytes)).toEqual(many);
      expect(batch(bytes, many.length - 1)).toBeUndefined();
      for (let cut = 0; cut < bytes.length; cut++) expectBatchLikeProtobufjs(bytes.subarray(0, cut));
    }),
  );
  fc.assert(fc.property(garbage, expectBatchLikeProtobufjs), { numRuns: 5_000 });
});

function expectBatchLikeProtobufjs(bytes: Uint8Array): void {
  const ours = batch(bytes);
  if (ours !== undefined) expect(ours).toEqual(batchWire.KeepAliveRequest.decode(bytes).ids.map(bigintOf));
}

test('answers are the bytes of protobufjs', () => {
  const member = new FakeMember();
  const headers = new Headers(member);
  const answers = fc.array(fc.tuple(ids, ttls, fc.integer({ min: 0, max: 2 ** 40 })), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(answers, (drawn) => {
      const answered: Answered[] = drawn.map(([id, ttl, revision]) => ({
        ...halvesOf(id),
        ttl,
        header: headers.field(revision),
      }));
      const theirs = drawn.map(([id, TTL, revision]) =>
        wire.LeaseKeepAliveResponse.encode({ header: headers.at(revision), ID: int64Of(id), TTL }),
      );
      expect(sent(keepAliveResponses(answered))).toEqual(theirs.map((bytes) => Buffer.from(bytes)));
      const [, , revision] = drawn[0] as (typeof drawn)[number];
      const together = batchWire.KeepAliveResponse.encode({
        header: headers.at(revision),
        ids: drawn.map(([id]) => int64Of(id)),
        ttlMs: drawn.map(([, ttl]) => ttl),
      });
      expect(sent(keepAliveBatchResponse(answered, headers.field(revision).bytes))).toEqual([Buffer.from(together)]);
    }),
  );
});

test('the header is made anew when revision or term is another', () => {
  const member = new FakeMember();
  const headers = new Headers(member);
  const first = headers.field();
  expect(headers.field()).toBe(first);
  member.put('k', 'v');
  expect(headers.field().revision).toBe(first.revision + 1);
  member.term++;
  const { bytes, term } = headers.field();
  expect(term).toBe(member.term);
  expect(Buffer.from(bytes)).toEqual(Buffer.from(wire.PutResponse.encode({ header: headers.now() })));
});
