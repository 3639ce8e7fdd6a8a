/** Registrations against real members: there while their process is, again when they are lost, and never in a fight. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Client, json, type Registration } from '../../../src/client/client.ts';
import type { Connect } from '../../../src/client/transport/channel.ts';
import { until } from '../../rpc/wire-client.ts';
import { lost, meddled, txnPath } from '../lock/hall.ts';
import { type ClientTarget, startTarget } from '../target.ts';

let target: ClientTarget;
let client: Client;
let other: Client;
let spaces = 0;

beforeAll(async () => {
  target = await startTarget();
});
afterAll(() => target.stop());
beforeEach(() => {
  const options = { endpoints: target.endpoints, namespace: `/registration${spaces++}/` };
  client = new Client(options);
  other = new Client(options);
  return () => Promise.all([client.close(), other.close()]);
});

/** What its listeners were told, in order. */
function eventsOf(registration: Registration<string | Uint8Array>): string[] {
  const events: string[] = [];
  registration.addEventListener('lost', ({ reason }) => events.push(reason));
  registration.addEventListener('registered', () => events.push('registered'));
  return events;
}

const valueAt = async (key: string): Promise<string | undefined> => (await other.get(key))?.text;

test('it is there under a lease that is kept, changes its value, and goes with close', async () => {
  const me = await client.register('workers/7', { at: 1 }, { ttl: '2s', codec: json<{ at: number }>() });
  expect(me.registered).toBe(true);
  expect(me.key).toBe('workers/7');
  const kv = await other.get('workers/7', { codec: json<{ at: number }>() });
  expect(kv?.value).toEqual({ at: 1 });
  expect(kv?.lease).toBe(me.lease);
  await me.update({ at: 2 });
  await Promise.all([me.update({ at: 3 }), me.update({ at: 4 })]);
  const endMs = performance.now() + 3_500;
  await until(() => performance.now() > endMs, 'more than its TTL has passed');
  expect((await other.get('workers/7'))?.json()).toEqual({ at: 4 });
  expect((await other.get('workers/7'))?.createRevision).toBe(kv?.createRevision);
  await me.close();
  expect(me.registered).toBe(false);
  expect(await other.get('workers/7')).toBeUndefined();
  await expect(me.update({ at: 5 })).rejects.toMatchObject({ code: 'closed' });
  await me.close();
});

test('deleted by somebody, its lease revoked by somebody: it is there again, with its newest value', async () => {
  await using me = await client.register('a', 'one', { ttl: '10s' });
  const events = eventsOf(me);
  const first = me.lease;
  await other.delete('a');
  await until(() => events.length === 2, 'it is told that it is put again');
  expect(await valueAt('a')).toBe('one');
  expect(me.lease).toBe(first);
  await me.update('two');
  await other.revoke(first as bigint);
  await until(() => me.registered && me.lease !== first, 'it is put under another lease');
  expect(await valueAt('a')).toBe('two');
  expect(me.failure).toBeUndefined();
  expect(events[0]).toBe('deleted');
  expect(events[1]).toBe('registered');
  expect(events.at(-1)).toBe('registered');
});

test('whoever registers takes the key; whose it was leaves it, and has it again when it is free', async () => {
  await using old = await client.register('a', 'old', { ttl: '10s' });
  const events = eventsOf(old);
  const young = await other.register('a', 'young', { ttl: '10s' });
  await until(() => events.length > 0, 'the old one is told');
  expect(events).toEqual(['replaced']);
  expect(old.registered).toBe(false);
  expect(old.key).toBeUndefined();
  const late = old.update('older');
  await young.update('younger');
  expect(await valueAt('a')).toBe('younger');
  expect(young.registered).toBe(true);
  await young.close();
  await late;
  expect(await valueAt('a')).toBe('older');
  await until(() => events.length > 1, 'the old one is told again');
  expect(events).toEqual(['replaced', 'registered']);
});

test('a value that cannot be written in time is written later', async () => {
  await using old = await client.register('a', 'old', { ttl: '10s' });
  await other.put('a', 'somebody else');
  await until(() => !old.registered, 'it is replaced');
  const stop = AbortSignal.abort('enough');
  await expect(old.update('new', { timeout: 50 })).rejects.toMatchObject({ code: 'timeout', mayHaveApplied: true });
  await expect(old.update('newer', { signal: stop })).rejects.toMatchObject({ code: 'cancelled' });
  const never = old.update('newest', { timeout: '60s' });
  await other.delete('a');
  await never;
  expect(await valueAt('a')).toBe('newest');
});

test('under a session: put again while that lasts, and ends with it; others of the session stay', async () => {
  const session = await client.session({ ttl: '10s' });
  const one = await client.register('one', 'x', { session });
  const two = await client.register('two', 'y', { session });
  expect([one.lease, two.lease]).toEqual([session.id, session.id]);
  const events = eventsOf(two);
  await other.delete('two');
  await until(() => events.length === 2, 'it is put again');
  expect((await other.get('two'))?.lease).toBe(session.id);
  await one.close();
  expect(await valueAt('one')).toBeUndefined();
  expect(await valueAt('two')).toBe('y');
  await session.close();
  await until(() => events.length === 4, 'it is told');
  expect(events.slice(1)).toEqual(['registered', 'revoked', 'closed']);
  await expect(two.update('z')).rejects.toMatchObject({ code: 'closed' });
  await expect(client.register('two', 'y', { session })).rejects.toMatchObject({ code: 'lease_lost' });
  await expect(client.register('two', 'y', { session, ttl: '5s' })).rejects.toMatchObject({ code: 'invalid_argument' });
  expect(await other.count({ all: true })).toBe(0);
});

test('what cannot be registered is refused, and leaves nothing', async () => {
  const before = (await client.leases()).length;
  await expect(client.register('', 'x')).rejects.toMatchObject({ code: 'invalid_argument' });
  await expect(client.register('a', 'x', { ttl: 0 })).rejects.toMatchObject({ code: 'invalid_argument' });
  const gone = AbortSignal.abort();
  await expect(client.register('a', 'x', { signal: gone })).rejects.toMatchObject({ code: 'cancelled' });
  await expect.poll(async () => (await client.leases()).length, { timeout: 10_000 }).toBe(before);
  expect(await client.count({ all: true })).toBe(0);
});

test('it ends with its client, and says so', async () => {
  const me = await client.register('a', 'x', { ttl: '10s' });
  const events = eventsOf(me);
  await client.close();
  await until(() => events.length > 0, 'it is told');
  expect(events).toEqual(['closed']);
  await expect(me.update('y')).rejects.toMatchObject({ code: 'closed' });
  await me.close();
});

/** Of the next txns, so many are answered to nobody. */
function forgetful(): { lose: number; readonly connect: Connect } {
  const state = {
    lose: 0,
    connect: meddled((path, pass) => {
      if (path !== txnPath || state.lose === 0) return undefined;
      state.lose--;
      return pass().then(() => Promise.reject(lost()));
    }),
  };
  return state;
}

test('answers that are lost: what was written is known by what it left, and is written once', async () => {
  const net = forgetful();
  const namespace = `/registration${spaces - 1}/`;
  await using cut = new Client({ endpoints: target.endpoints, namespace, connect: net.connect });
  net.lose = 2;
  await using me = await cut.register('a', 'one', { ttl: '10s' });
  const events = eventsOf(me);
  expect(net.lose).toBe(0);
  expect((await other.get('a'))?.version).toBe(1n);
  net.lose = 2;
  await me.update('two');
  expect(net.lose).toBe(0);
  expect((await other.get('a'))?.version).toBe(2n);
  expect([me.registered, events]).toEqual([true, []]);
});

test('a first registering that fails leaves nothing, though it was written', async () => {
  const net = forgetful();
  const namespace = `/registration${spaces - 1}/`;
  await using cut = new Client({ endpoints: target.endpoints, namespace, connect: net.connect });
  await using session = await cut.session({ ttl: '60s' });
  for (const settings of [{ ttl: '60s' }, { session }]) {
    net.lose = 1_000;
    const written: string[] = [];
    await using watch = other.watch('a');
    await watch.started();
    const registering = cut.register('a', 'x', { ...settings, timeout: 500 });
    await expect(registering).rejects.toMatchObject({ code: 'unavailable', mayHaveApplied: true });
    net.lose = 0;
    for await (const event of watch) {
      written.push(event.type);
      if (event.type === 'delete') break;
    }
    expect(written).toEqual(['put', 'delete']);
    expect(session.held()).toBe(true);
  }
});
