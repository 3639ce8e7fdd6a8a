/** Leases that are kept alive, against real members: held while renewed, and lost for the reason they were lost for. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Client, json } from '../../../src/client/client.ts';
import { until } from '../../rpc/wire-client.ts';
import { type ClientTarget, startTarget } from '../target.ts';

let target: ClientTarget;
let client: Client;

beforeAll(async () => {
  target = await startTarget();
  client = new Client({ endpoints: target.endpoints });
});
afterAll(async () => {
  await client.close();
  await target.stop();
});

test('a lease is held beyond its TTL, owns keys, and deletes them when it is revoked', async () => {
  const lease = await client.lease({ ttl: '2s', label: 'worker' });
  expect(lease.held()).toBe(true);
  expect(lease.ttl).toBe(2_000);
  expect(lease.remaining).toBeLessThan(1_950);
  await lease.put('workers/7', 'here');
  const { signal } = lease;
  const endMs = performance.now() + 4_500;
  await until(() => performance.now() > endMs, 'more than two TTLs have passed');
  expect(lease.held()).toBe(true);
  expect(signal.aborted).toBe(false);
  const { keys } = await client.timeToLive(lease.id, { keys: true });
  expect(keys.map((key) => new TextDecoder().decode(key))).toEqual(['workers/7']);
  expect((await lease.delete('workers/7')).deleted).toBe(true);
  expect((await lease.delete('workers/7')).deleted).toBe(false);
  const reasons: string[] = [];
  lease.addEventListener('lost', ({ reason }) => reasons.push(reason));
  await lease.revoke();
  expect(reasons).toEqual(['revoked']);
  expect(signal.aborted).toBe(true);
  expect(signal.reason).toMatchObject({ code: 'lease_lost' });
  await expect(lease.put('workers/7', 'here')).rejects.toMatchObject({ code: 'lease_lost', mayHaveApplied: false });
  expect((await client.timeToLive(lease.id)).ttl).toBe(-1n);
});

test('revoked by somebody else: seen at the next renewal', async () => {
  const lease = await client.lease({ ttl: '2s' });
  await client.revoke(lease.id);
  const lost = new Promise((resolve) => lease.addEventListener('lost', resolve));
  expect(await lost).toMatchObject({ reason: 'revoked' });
  expect(lease.lost).toBe('revoked');
});

test('revoked by somebody else: seen at once by a put', async () => {
  const lease = await client.lease({ ttl: '60s' });
  await client.revoke(lease.id);
  await expect(lease.put('a', 'b')).rejects.toMatchObject({ code: 'lease_not_found' });
  expect(lease.lost).toBe('revoked');
});

test('keepAlive: answers while the lease lives, and an end when it is gone', async () => {
  const { id } = await client.grant('2s');
  const answers: unknown[] = [];
  for await (const answer of client.keepAlive(id)) {
    answers.push(answer);
    if (answers.length === 3) await client.revoke(id);
  }
  expect(answers).toEqual(Array.from({ length: 3 }, () => ({ id, ttlMs: 2_000 })));
});

test('keepAlive and keepAliveOnce of a lease that is not there', async () => {
  await expect(client.keepAliveOnce('0x7fff')).rejects.toMatchObject({ code: 'lease_not_found', retryable: false });
  await expect(client.keepAlive('0x7fff')[Symbol.asyncIterator]().next()).rejects.toMatchObject({
    code: 'lease_not_found',
  });
});

test('keepAliveOnce, over and over for one lease, and once for each of many', async () => {
  const { id } = await client.grant('60s');
  for (let i = 0; i < 200; i++) expect((await client.keepAliveOnce(id)).ttlMs).toBe(60_000);
  const granted = await Promise.all(Array.from({ length: 1_000 }, () => client.grant('60s')));
  const renewed = await Promise.all(granted.map((each) => client.keepAliveOnce(each.id)));
  expect(renewed.map((each) => each.id)).toEqual(granted.map((each) => each.id));
});

test('an object with its codec, under a lease, and gone with its scope', async () => {
  let id: bigint;
  {
    await using lease = await client.lease({ ttl: '10s' });
    id = lease.id;
    const { revision } = await lease.put('workers/8', { port: 1 }, json<{ port: number }>());
    const kv = await client.get('workers/8', { codec: json<{ port: number }>() });
    expect(kv).toMatchObject({ value: { port: 1 }, lease: id, modRevision: revision });
    expect((await client.txn().if(lease.guard('workers/8')).commit()).succeeded).toBe(true);
  }
  expect(await client.get('workers/8')).toBeUndefined();
  await expect(client.keepAliveOnce(id)).rejects.toMatchObject({ code: 'lease_not_found' });
});

test('the guard of a key that another lease has taken over does not hold, and delete leaves it alone', async () => {
  await using mine = await client.lease({ ttl: '10s' });
  await using other = await client.lease({ ttl: '10s' });
  await mine.put('shared', '1');
  await other.put('shared', '2');
  expect((await client.txn().if(mine.guard('shared')).commit()).succeeded).toBe(false);
  expect((await mine.delete('shared')).deleted).toBe(false);
  expect((await other.delete('shared')).deleted).toBe(true);
});
