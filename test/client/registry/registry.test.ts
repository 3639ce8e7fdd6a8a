/** The registry against real members: who registers is found and followed, in the layouts of others too. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Client, type Instance, type Layout } from '../../../src/client/client.ts';
import { type ClientTarget, startTarget } from '../target.ts';

let target: ClientTarget;
let client: Client;
let spaces = 0;

beforeAll(async () => {
  target = await startTarget();
});
afterAll(() => target.stop());
beforeEach(() => {
  client = new Client({ endpoints: target.endpoints, namespace: `/registry${spaces++}/` });
  return () => client.close();
});

const addrs = (instances: readonly Instance[] | undefined): readonly string[] | undefined =>
  instances?.map(({ addr }) => addr);

test('instances are found with all that was said of them, and are gone when they are closed', async () => {
  const registry = client.registry({ ttl: '10s' });
  expect(await registry.instances('users')).toEqual([]);
  const one = await registry.register('users', { addr: 'h:1', metadata: { zone: 'a' } });
  await using two = await registry.register('users', { addr: 'h:2', id: 'e2' });
  await using _elsewhere = await registry.register('users2', { addr: 'h:3' });
  expect(await registry.instances('users')).toEqual([
    { ...instanceOf('e2', 'h:2'), lease: two.lease },
    { ...instanceOf('h:1', 'h:1'), metadata: { zone: 'a' }, lease: one.lease },
  ]);
  await one.update({ addr: 'h:1', metadata: { zone: 'b' } });
  expect((await registry.instances('users'))[1]?.metadata).toEqual({ zone: 'b' });
  await one.close();
  expect(addrs(await registry.instances('users'))).toEqual(['h:2']);
});

function instanceOf(id: string, addr: string): Omit<Instance, 'lease'> {
  return { service: 'users', id, addr, metadata: undefined, version: '', endpoints: [], key: `users/${id}` };
}

test('what stands among them and is none is left out', async () => {
  const registry = client.registry();
  await client.put('users/', 'x');
  await client.put('users/b', Uint8Array.of(0xff));
  await client.put('users/c', '{"Addr":"h:9"}');
  expect((await registry.instances('users')).map(({ id, addr, lease }) => [id, addr, lease])).toEqual([
    ['c', 'h:9', 0n],
  ]);
});

test('go-zero: the key names the lease, and is another one under another lease', async () => {
  const registry = client.registry({ format: 'go-zero', ttl: '10s' });
  await using me = await registry.register('users.rpc', { addr: 'h:1' });
  const first = me.lease as bigint;
  expect(me.key).toBe(`users.rpc/${first}`);
  expect((await client.get(`users.rpc/${first}`))?.text).toBe('h:1');
  await client.revoke(first);
  await expect.poll(() => me.registered && me.lease !== first, { timeout: 10_000 }).toBe(true);
  expect((await registry.instances('users.rpc')).map(({ key, addr }) => [key, addr])).toEqual([
    [`users.rpc/${me.lease}`, 'h:1'],
  ]);
});

test('Kratos: found under its prefix or another', async () => {
  for (const prefix of [undefined, 'mine/']) {
    const registry = client.registry({ format: 'kratos', prefix });
    await using _me = await registry.register('users', { addr: 'h:1', id: 'e1', version: 'v2' });
    expect(await client.get(`${prefix ?? '/microservices/'}users/e1`)).toBeDefined();
    expect(await registry.instances('users')).toMatchObject([
      { id: 'e1', addr: 'h:1', version: 'v2', endpoints: ['grpc://h:1'] },
    ]);
  }
});

test('a layout of one own', async () => {
  const layout: Layout = {
    prefix: 'svc:',
    idOf: ({ addr }) => addr,
    encode: (_service, id) => id,
    decode: (_service, bytes) => ({ addr: new TextDecoder().decode(bytes) }),
  };
  const registry = client.registry({ format: layout });
  await using _me = await registry.register('users', { addr: 'h:1' });
  expect((await client.get('svc:users/h:1'))?.text).toBe('h:1');
  expect(addrs(await registry.instances('users'))).toEqual(['h:1']);
});

test('a watch gives all instances, and again all after each change, until its signal', async () => {
  const registry = client.registry({ ttl: '10s' });
  const stop = new AbortController();
  const lists = registry.watch('users', { signal: stop.signal });
  const next = async (): Promise<readonly string[] | undefined> => addrs((await lists.next()).value ?? undefined);
  expect(await next()).toEqual([]);
  const one = await registry.register('users', { addr: 'h:1' });
  expect(await next()).toEqual(['h:1']);
  const two = await registry.register('users', { addr: 'h:2' });
  await one.close();
  // Who is slow finds the newest list, once.
  let list = await next();
  if (list?.length === 2) list = await next();
  expect(list).toEqual(['h:2']);
  const { revision } = await client.put('users/h:3', '{"Addr":"h:3"}');
  await client.put('users/h:4', '{"Addr":"h:4"}');
  await client.compact(revision);
  for (list = await next(); list?.length !== 3; list = await next()) expect(list).toContain('h:2');
  await two.close();
  expect(await next()).toEqual(['h:3', 'h:4']);
  stop.abort();
  expect(await next()).toBeUndefined();
});

test('what cannot be named is refused', async () => {
  const registry = client.registry();
  const refused = { code: 'invalid_argument' };
  await expect(registry.register('', { addr: 'h:1' })).rejects.toMatchObject(refused);
  await expect(registry.register('users', { addr: '' })).rejects.toMatchObject(refused);
  await expect(registry.instances('')).rejects.toMatchObject(refused);
  await expect(registry.watch('').next()).rejects.toMatchObject(refused);
});

test('a watch of a client that is closed says so', async () => {
  const lists = client.registry().watch('users');
  await lists.next();
  const next = lists.next();
  await client.close();
  await expect(next).rejects.toMatchObject({ code: 'closed' });
  await expect(client.registry().watch('users').next()).rejects.toMatchObject({ code: 'closed' });
});
