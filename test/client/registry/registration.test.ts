/** Registrations against real members: there while their process is, again when they are lost, and never in a fight. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Client, json, type Registration } from '../../../src/client/client.ts';
import { until } from '../../rpc/wire-client.ts';
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
