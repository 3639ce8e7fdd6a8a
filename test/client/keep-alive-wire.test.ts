/** The renewals' hand-written codec says and reads what protobufjs does. */
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { expect, test } from 'vitest';
import { CallFailure } from '../../src/client/errors.ts';
import { decode, encode } from '../../src/client/wire/codec.ts';
import { batchDialect, etcdDialect, type RenewalDialect } from '../../src/client/wire/keep-alive.ts';

const id = fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.bigInt({ min: 0n, max: 300n }));
const ttlMs = fc.oneof(fc.nat(), fc.integer({ min: 0, max: 2 ** 52 }));
const header = fc.record({ clusterId: fc.bigInt(0n, 2n ** 64n - 1n), revision: fc.bigInt(0n, 2n ** 63n - 1n) });

/** Lists as proto3 sends them: packed. */
const { root } = protobuf.parse(
  'syntax = "proto3"; message Question { repeated int64 ids = 1; } ' +
    'message Answer { repeated int64 ids = 2; repeated int64 ttl_ms = 3; }',
);
function packed(name: string, lists: Readonly<Record<string, readonly string[]>>): Uint8Array {
  const type = root.lookupType(name);
  return new Uint8Array(type.encode(type.fromObject(lists)).finish());
}

function read(dialect: RenewalDialect, bytes: Uint8Array): [bigint, number][] {
  const told: [bigint, number][] = [];
  dialect.decode(bytes, (...answer) => told.push(answer));
  return told;
}

test('batch questions', () => {
  fc.assert(
    fc.property(fc.array(id, { minLength: 1, maxLength: 50 }), (ids) => {
      const [message, ...more] = batchDialect.encode(ids);
      expect(more).toEqual([]);
      expect(decode('KeepAliveRequest', message as Uint8Array)).toEqual({ ids });
      expect(packed('Question', { ids: ids.map(String) })).toEqual(message);
    }),
  );
});

test('batch answers', () => {
  fc.assert(
    fc.property(header, fc.array(fc.tuple(id, ttlMs)), (head, answers) => {
      const message = { header: head, ids: answers.map(([each]) => each), ttlMs: answers.map(([, ms]) => BigInt(ms)) };
      expect(read(batchDialect, encode('KeepAliveResponse', message))).toEqual(answers);
      const lists = { ids: message.ids.map(String), ttlMs: message.ttlMs.map(String) };
      expect(read(batchDialect, packed('Answer', lists))).toEqual(answers);
    }),
  );
});

test("etcd's questions and answers", () => {
  fc.assert(
    fc.property(header, id, fc.nat(), (head, ID, ttl) => {
      // A zero is not sent in proto3; we send it, and it reads as the same.
      expect(decode('LeaseKeepAliveRequest', etcdDialect.encode([ID])[0] as Uint8Array)).toEqual({ ID });
      const answer = encode('LeaseKeepAliveResponse', { header: head, ID, TTL: BigInt(ttl) });
      expect(read(etcdDialect, answer)).toEqual([[ID, ttl * 1_000]]);
    }),
  );
});

test('numbers that are not packed, fields that are not known, negative TTLs', () => {
  expect(read(batchDialect, Uint8Array.of(0x10, 5, 0x18, 7, 0x20, 9, 0x2d, 1, 2, 3, 4))).toEqual([[5n, 7]]);
  expect(read(etcdDialect, encode('LeaseKeepAliveResponse', { ID: 3n, TTL: -1n }))).toEqual([[3n, 0]]);
});

test('bytes that are no answer are refused, whatever they are', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.constantFrom(batchDialect, etcdDialect), (bytes, dialect) => {
      try {
        read(dialect, bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(CallFailure);
      }
    }),
    { numRuns: 2_000 },
  );
  expect(() => read(batchDialect, Uint8Array.of(0x12, 1, 5))).toThrow(/1 ids with 0 TTLs/);
  expect(() => read(batchDialect, Uint8Array.of(0x12, 9, 5))).toThrow(/beyond/);
});
