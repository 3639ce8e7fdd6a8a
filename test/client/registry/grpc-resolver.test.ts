/** grpc-js finds instances by name and follows them: as it is installed, with real channels and real servers. */
import * as grpc from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { Client, registerGrpcResolver } from '../../../src/client/client.ts';
import { type ClientTarget, startTarget } from '../target.ts';

let target: ClientTarget;
let client: Client;
let spaces = 0;
const open: { close(): void }[] = [];

beforeAll(async () => {
  target = await startTarget();
});
afterAll(() => target.stop());
beforeEach(() => {
  client = new Client({ endpoints: target.endpoints, namespace: `/resolver${spaces++}/` });
});
afterEach(async () => {
  for (const one of open.splice(0).reverse()) one.close();
  await client.close();
});

const method = { path: '/test.Names/Who', requestStream: false, responseStream: false } as const;
const bytes = (value: Buffer): Buffer => value;

/** A server that answers with its own address. */
async function serve(): Promise<string> {
  const server = new grpc.Server();
  let addr = '';
  const codec = {
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  };
  server.addService(
    { who: { ...method, ...codec } },
    { who: (_call: unknown, answer: grpc.sendUnaryData<Buffer>) => answer(null, Buffer.from(addr)) },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  addr = `127.0.0.1:${port}`;
  open.push({ close: () => server.forceShutdown() });
  return addr;
}

const roundRobin = { 'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }) };

/** Asks who is there: the address, or the status. */
function asker(name: string, config: grpc.ChannelOptions = roundRobin): (waitMs?: number) => Promise<string> {
  const stub = new grpc.Client(name, grpc.credentials.createInsecure(), config);
  open.push(stub);
  return (waitMs) =>
    new Promise((resolve) => {
      const options = waitMs === undefined ? {} : { deadline: Date.now() + waitMs };
      const metadata = new grpc.Metadata({ waitForReady: waitMs !== undefined });
      stub.makeUnaryRequest(method.path, bytes, bytes, Buffer.from(''), metadata, options, (error, answer) =>
        resolve(error === null ? String(answer) : `${grpc.status[error.code]}: ${error.details}`),
      );
    });
}

/** Who answers, as soon as it is those and no others in several calls. */
async function answered(ask: () => Promise<string>, by: readonly string[]): Promise<void> {
  const wanted = [...by].sort();
  await expect
    .poll(async () => [...new Set([await ask(), await ask(), await ask(), await ask()])].sort(), { timeout: 15_000 })
    .toEqual(wanted);
}

test('the installed grpc-js has what the resolver stands on', () => {
  const { experimental } = grpc;
  expect(typeof experimental.registerResolver).toBe('function');
  expect(experimental.splitHostPort('[::1]:5')).toEqual({ host: '::1', port: 5 });
  expect(experimental.splitHostPort('a:5')).toEqual({ host: 'a', port: 5 });
});

test('endpoints follow instances as they come and go', async () => {
  registerGrpcResolver(client);
  const registry = client.registry({ ttl: '10s' });
  const ask = asker('leasehold:///users');
  const [a, b] = [await serve(), await serve()];
  const one = await registry.register('users', { addr: a });
  expect(await ask(20_000)).toBe(a);
  await using _two = await registry.register('users', { addr: b });
  await answered(ask, [a, b]);
  await client.put('users/no-address', '{"Addr":"nowhere"}');
  await one.close();
  await answered(ask, [b]);
});

test('no instances: calls fail at once and say so, until there is one, and when there is none any more', async () => {
  registerGrpcResolver(client, { scheme: 'kratos', registry: { format: 'kratos', ttl: '10s' } });
  const registry = client.registry({ format: 'kratos', ttl: '10s' });
  const none = 'UNAVAILABLE: no instances of users: none is registered';
  // Round robin, and what grpc-js does unasked: it stays with the first that works.
  for (const config of [roundRobin, {}]) {
    const ask = asker('kratos:///users', config);
    expect(await ask()).toBe(none);
    const addr = await serve();
    const me = await registry.register('users', { addr });
    await answered(ask, [addr]);
    await me.close();
    await answered(ask, [config === roundRobin ? none : addr]);
  }
});

test('while the cluster is away the instances known last are used, by channels that know some', async () => {
  registerGrpcResolver(client, { registry: client.registry({ ttl: '60s' }) });
  const ask = asker('leasehold:///users');
  const addr = await serve();
  await client.put('users/a', JSON.stringify({ Addr: addr }));
  await answered(ask, [addr]);
  await target.kill(0);
  try {
    for (let calls = 0; calls < 5; calls++) expect(await ask()).toBe(addr);
    expect(await asker('leasehold:///others')()).toMatch(/^UNAVAILABLE: .*others/);
  } finally {
    await target.restart(0);
  }
  const second = await serve();
  await client.put('users/b', JSON.stringify({ Addr: second }));
  await answered(ask, [addr, second]);
});

test('a client that is closed leaves channels what they have', async () => {
  registerGrpcResolver(client);
  const ask = asker('leasehold:///users');
  const addr = await serve();
  await client.put('users/a', JSON.stringify({ Addr: addr }));
  await answered(ask, [addr]);
  await client.close();
  for (let calls = 0; calls < 5; calls++) expect(await ask()).toBe(addr);
});

test('a scheme that cannot be one is refused', () => {
  expect(() => registerGrpcResolver(client, { scheme: 'No Scheme' })).toThrow(/cannot begin a target/);
});
