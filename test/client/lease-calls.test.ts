/** The unary calls about leases, against a member. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Client } from '../../src/client/client.ts';
import { type ClientTarget, startTarget } from './target.ts';

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

test('grant, ask, list, revoke', async () => {
  const { id, ttl } = await client.grant('10s');
  expect(ttl).toBe(10n);
  expect(await client.timeToLive(id)).toMatchObject({ id, grantedTtl: 10n });
  expect(await client.leases()).toContain(id);
  await client.revoke(id);
  expect(await client.leases()).not.toContain(id);
  await expect(client.revoke(id)).rejects.toMatchObject({
    code: 'lease_not_found',
    retryable: false,
    mayHaveApplied: false,
  });
});

test('an id that is taken is refused; what is no id, no TTL, no endpoint is refused before anything is sent', async () => {
  const { id } = await client.grant(5_000, { id: '0x123' });
  expect(id).toBe(0x123n);
  await expect(client.grant(5_000, { id })).rejects.toMatchObject({ code: 'lease_exists' });
  await expect(client.grant('5 parsecs')).rejects.toMatchObject({ code: 'invalid_argument' });
  await expect(client.revoke('12ab')).rejects.toThrow(/hexadecimal after 0x/);
  expect(() => new Client({ endpoints: ['127.0.0.1'] })).toThrow(/names no port/);
});

test('a member that is not there: unavailable in time, and nothing has happened', async () => {
  await using lost = new Client({ endpoints: ['127.0.0.1:1'], timeout: '300ms' });
  await expect(lost.grant('10s')).rejects.toMatchObject({
    code: 'unavailable',
    retryable: true,
    mayHaveApplied: false,
  });
});
