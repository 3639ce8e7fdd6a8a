/** The layouts of others, to the byte; and what is not theirs is no instance. */
import { expect, test } from 'vitest';
import { type InstanceInput, type LayoutName, layoutOf } from '../../../src/client/registry/layout.ts';
import { bytesOf } from '../../../src/client/values.ts';

const written = (name: LayoutName, input: InstanceInput): readonly [string, string] => {
  const layout = layoutOf(name);
  const id = layout.idOf(input, 7_587n);
  return [`${layout.prefix}users/${id}`, layout.encode('users', id, input)];
};
const read = (name: LayoutName, text: string) => {
  try {
    return layoutOf(name).decode('users', bytesOf(text));
  } catch {
    return undefined;
  }
};

test("gRPC naming, as etcd's endpoints.Manager writes it", () => {
  expect(written('grpc-naming', { addr: '10.0.0.5:50051' })).toEqual([
    'users/10.0.0.5:50051',
    '{"Op":0,"Addr":"10.0.0.5:50051","Metadata":null}',
  ]);
  expect(written('grpc-naming', { addr: 'h:1', id: 'e1', metadata: { zone: 'a' } })).toEqual([
    'users/e1',
    '{"Op":0,"Addr":"h:1","Metadata":{"zone":"a"}}',
  ]);
  expect(read('grpc-naming', '{"Op":0,"Addr":"h:1","Metadata":"x"}')).toEqual({ addr: 'h:1', metadata: 'x' });
  expect(read('grpc-naming', '{"addr":"h:1"}')).toEqual({ addr: 'h:1', metadata: undefined });
  for (const foreign of ['', 'h:1', 'null', '[]', '7', '{"Op":1,"Addr":"h:1"}', '{"Addr":7}', '{"Addr":""}', '\xff'])
    expect(read('grpc-naming', foreign), foreign).toBeUndefined();
});

test('go-zero: the address under the lease', () => {
  expect(written('go-zero', { addr: 'h:1' })).toEqual(['users/7587', 'h:1']);
  expect(written('go-zero', { addr: 'h:1', id: '42' })).toEqual(['users/42', 'h:1']);
  expect(read('go-zero', 'h:1')).toEqual({ addr: 'h:1' });
  for (const foreign of ['', '{"Addr":"h:1"}', 'two words']) expect(read('go-zero', foreign), foreign).toBeUndefined();
  expect(() => written('go-zero', { addr: 'h:1', id: 'e1' })).toThrow(/decimal digits/);
  expect(() => written('go-zero', { addr: 'h:1', metadata: {} })).toThrow(/no place/);
  expect(() => written('go-zero', { addr: 'h:1', version: '1' })).toThrow(/kratos only/);
});

test('Kratos: a service instance under its name and id', () => {
  expect(written('kratos', { addr: 'h:1', id: 'e1', version: 'v1', metadata: { zone: 'a' } })).toEqual([
    '/microservices/users/e1',
    '{"id":"e1","name":"users","version":"v1","metadata":{"zone":"a"},"endpoints":["grpc://h:1"]}',
  ]);
  expect(written('kratos', { addr: 'h:1', endpoints: ['http://h:2', 'grpcs://h:1'] })[1]).toBe(
    '{"id":"h:1","name":"users","version":"","metadata":null,"endpoints":["http://h:2","grpcs://h:1"]}',
  );
  const endpoints = ['http://h:2?isSecure=false', 'grpc://h:1?isSecure=false'];
  expect(read('kratos', JSON.stringify({ id: 'e1', name: 'users', version: 'v1', metadata: null, endpoints }))).toEqual(
    {
      addr: 'h:1',
      version: 'v1',
      metadata: undefined,
      endpoints,
    },
  );
  expect(read('kratos', '{"name":"users","endpoints":["http://h:2"]}')?.addr).toBe('h:2');
  for (const foreign of [
    '{"name":"others","endpoints":["grpc://h:1"]}',
    '{"name":"users"}',
    '{"name":"users","endpoints":[7]}',
  ])
    expect(read('kratos', foreign), foreign).toBeUndefined();
  expect(() => written('kratos', { addr: 'h:1', metadata: { n: 7 } })).toThrow(/strings/);
});

test('a layout that is not known is refused with those that are', () => {
  expect(() => layoutOf('eureka' as LayoutName)).toThrow(/grpc-naming, go-zero, kratos/);
});
