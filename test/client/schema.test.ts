/** The library's table of messages is held to `proto/`, and the interfaces beside it to the table. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import { describe, expect, test } from 'vitest';
import { decode, encode } from '../../src/client/wire/codec.ts';
import { calls, type MessageName, schema } from '../../src/client/wire/schema.ts';
import { fieldNames, methodTypes, reflected } from '../../src/rpc/codec.ts';

const packages: Readonly<Record<string, string>> = {
  KeyValue: 'mvccpb',
  Event: 'mvccpb',
  KeepAliveRequest: 'leasehold.v1',
  KeepAliveResponse: 'leasehold.v1',
};
const fullName = (name: string): string => `${packages[name] ?? 'etcdserverpb'}.${name}`;

describe.each(Object.entries(schema))('%s', (name, fields) => {
  const declared = reflected(fullName(name));
  test('has the fields, numbers and kinds of proto/', () => {
    const described = declared.fieldsArray.map((field) => {
      const kind = field.resolve().resolvedType instanceof protobuf.Enum ? 'int32' : field.type;
      const rule = field.repeated ? '*' : field.partOf !== null ? '?' : '';
      return `${field.name}=${field.id}:${rule}${kind.replace(/^(mvccpb|etcdserverpb)\./, '')}`;
    });
    expect(fields.split(' ').filter(Boolean).sort()).toEqual(described.sort());
    expect(fieldNames(fullName(name))).toHaveLength(described.length);
  });

  test('has an interface with the same names', () => {
    const source = readFileSync(fileURLToPath(new URL('../../src/client/wire/messages.ts', import.meta.url)), 'utf8');
    const shape = new RegExp(`^ {2}${name}: (\\w+);$`, 'm').exec(source)?.[1] ?? '';
    if (shape === 'Empty' || shape === 'HeaderOnly') return expect(declared.fieldsArray.length).toBeLessThanOrEqual(1);
    const [, heirOf = '', body = ''] =
      new RegExp(`interface ${shape}( extends Answer)? \\{\\n([^}]*)\\}`).exec(source) ?? [];
    const names = [...body.matchAll(/readonly (\w+)\??:/g)].map(([, field]) => field);
    expect([...names, ...(heirOf === '' ? [] : ['header'])].sort()).toEqual([...fieldNames(fullName(name))].sort());
  });
});

test('every call has the types of proto/', () => {
  for (const [path, request, answer] of Object.values(calls)) {
    expect(methodTypes(path)).toEqual({ request: fullName(request), answer: fullName(answer) });
  }
});

test('64 bits survive; what was not sent reads as nothing', () => {
  const sent = { ID: 2n ** 63n - 1n, TTL: -(2n ** 63n) };
  expect(decode('LeaseKeepAliveResponse', encode('LeaseKeepAliveResponse', sent))).toEqual({ header: null, ...sent });
  expect(decode('RequestOp' satisfies MessageName, new Uint8Array())).toEqual({});
});

test('empty bytes are not sent, but for members of a oneof: etcd reads an empty end of a range as no end at all', () => {
  const empty = new Uint8Array();
  const key = Uint8Array.of(1);
  expect(encode('DeleteRangeRequest', { key, rangeEnd: empty })).toEqual(encode('DeleteRangeRequest', { key }));
  const compare = (rangeEnd?: Uint8Array) =>
    encode('TxnRequest', { compare: [{ key, rangeEnd, target: 3, value: empty }], success: [{ requestPut: { key } }] });
  expect(compare(empty)).toEqual(compare());
  expect(decode('TxnRequest', compare()).compare[0]?.value).toHaveLength(0);
});
