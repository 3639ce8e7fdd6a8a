/** Leases that are kept alive, against real members: held while renewed, and lost for the reason they were lost for. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Client } from '../../../src/client/client.ts';
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
