import { describe, expect, test } from 'vitest';
import { declaredMethods, fieldNames, methodTypes } from '../../src/rpc/codec.ts';
import { bigintOf, int64Of, numberOf } from '../../src/rpc/int64.ts';
import { wire } from '../../src/rpc/messages.ts';
import { bytes, text } from './wire-client.ts';

describe('int64', () => {
  const ids = [0n, 1n, -1n, 7_587_861_231_231_231_231n, 2n ** 63n - 1n, -(2n ** 63n), 1n << 32n, -(1n << 32n)];

  test.each(ids)('%s keeps every bit on the wire', (id) => {
    const sent = wire.LeaseRevokeRequest.encode({ ID: int64Of(id) });
    expect(bigintOf(wire.LeaseRevokeRequest.decode(sent).ID)).toBe(id);
  });

  test('uint64 ids stay positive', () => {
    const id = 12_101_053_776_118_486_841n;
    const sent = wire.MemberListResponse.encode({ header: { clusterId: int64Of(id) } });
    expect(bigintOf(wire.MemberListResponse.decode(sent).header?.clusterId ?? 0)).toBe(id);
  });

  test('numbers beyond the safe range are clamped, never rounded past a real revision', () => {
    expect(numberOf(int64Of(2n ** 63n - 1n))).toBe(Number.MAX_SAFE_INTEGER);
    expect(numberOf(int64Of(-(2n ** 63n)))).toBe(Number.MIN_SAFE_INTEGER);
    expect(numberOf(int64Of(2n ** 53n - 1n))).toBe(Number.MAX_SAFE_INTEGER);
    expect(numberOf(int64Of(-5n))).toBe(-5);
  });
});

describe('messages', () => {
  test('proto3: unset fields read as defaults, default values are not sent', () => {
    const empty = wire.RangeRequest.decode(new Uint8Array(0));
    expect(empty.key).toHaveLength(0);
    expect(numberOf(empty.limit)).toBe(0);
    expect(empty.serializable).toBe(false);
    expect(wire.RangeRequest.encode({ key: bytes(''), limit: 0, serializable: false, sortOrder: 0 })).toHaveLength(0);
  });

  test('the bytes are etcd’s: a put with a lease', () => {
    // field 1 "k", field 2 "v", field 3 varint 300
    expect(text(wire.PutRequest.encode({ key: bytes('k'), value: bytes('v'), lease: 300 }))).toBe(
      '\x0a\x01k\x12\x01v\x18\xac\x02',
    );
  });

  test('unknown fields are passed over', () => {
    expect(wire.PutRequest.decode(bytes('\x08\x05')).key).toHaveLength(0); // field 1 as a varint: not the field we know
    const withMore = bytes('\x0a\x01k\xa2\x06\x03abc\x98\x3e\x01');
    expect(text(wire.PutRequest.decode(withMore).key)).toBe('k');
  });

  test.each([
    ['truncated', '\x0a\x05k'],
    ['length beyond the end, 2 GiB', '\x0a\xff\xff\xff\xff\x07k'],
    ['endless varint', '\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff'],
    ['field number 0', '\x00\x01'],
    ['unmatched group end', '\x0c'],
  ])('malformed: %s', (_what, raw) => {
    expect(() => wire.PutRequest.decode(bytes(raw))).toThrow('grpc: error unmarshalling request');
  });

  test('nesting is cut before it can overflow a stack', () => {
    let nested = bytes('');
    for (let depth = 0; depth < 1_000; depth++) {
      const op = bytes(`\x22${length(nested)}${text(nested)}`);
      nested = bytes(`\x12${length(op)}${text(op)}`);
    }
    expect(() => wire.TxnRequest.decode(nested)).toThrow('etcdserver: too many operations in txn request');
  });

  test('of a oneof sent twice the last one counts', () => {
    const op = bytes('\x12\x03\x0a\x01p\x0a\x03\x0a\x01r');
    expect(wire.TxnRequest.decode(bytes(`\x12${length(op)}${text(op)}`)).success[0]?.request).toBe('requestRange');
  });
});

describe('proto files', () => {
  test('hold etcd’s methods, and ours', () => {
    const methods = declaredMethods();
    expect(methods.get('/etcdserverpb.Lease/LeaseKeepAlive')).toBe('bidi_stream');
    expect(methods.get('/etcdserverpb.Maintenance/Snapshot')).toBe('server_stream');
    expect(methods.get('/etcdserverpb.KV/Txn')).toBe('unary');
    expect(methods.size).toBe(5 + 1 + 5 + 5 + 8 + 17 + 2 + 5 + 2 + 2 + 1);
    expect(methodTypes('/etcdserverpb.KV/Compact')).toEqual({
      request: 'etcdserverpb.CompactionRequest',
      answer: 'etcdserverpb.CompactionResponse',
    });
  });

  test('have the fields our shapes name', () => {
    const named: Record<string, readonly string[]> = {
      'etcdserverpb.RangeRequest': [
        'key',
        'rangeEnd',
        'minModRevision',
        'maxCreateRevision',
        'countOnly',
        'sortTarget',
      ],
      'etcdserverpb.Compare': [
        'result',
        'target',
        'key',
        'version',
        'createRevision',
        'modRevision',
        'lease',
        'rangeEnd',
      ],
      'etcdserverpb.WatchCreateRequest': [
        'startRevision',
        'progressNotify',
        'filters',
        'prevKv',
        'watchId',
        'fragment',
      ],
      'etcdserverpb.WatchResponse': ['watchId', 'created', 'canceled', 'compactRevision', 'cancelReason', 'events'],
      'etcdserverpb.LeaseTimeToLiveResponse': ['header', 'ID', 'TTL', 'grantedTTL', 'keys'],
      'etcdserverpb.Member': ['ID', 'name', 'peerURLs', 'clientURLs', 'isLearner'],
      'etcdserverpb.StatusResponse': ['dbSize', 'raftIndex', 'raftAppliedIndex', 'dbSizeInUse', 'errors', 'leader'],
      'mvccpb.KeyValue': ['key', 'createRevision', 'modRevision', 'version', 'value', 'lease'],
    };
    for (const [type, fields] of Object.entries(named))
      expect(fieldNames(type)).toEqual(expect.arrayContaining([...fields]));
  });
});

/** A length as a varint. */
function length(raw: Uint8Array): string {
  let left = raw.length;
  let varint = '';
  for (; left > 127; left >>>= 7) varint += String.fromCharCode((left & 127) | 128);
  return varint + String.fromCharCode(left);
}
