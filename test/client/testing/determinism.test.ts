/** The same seed is the same run, whatever real time does; and nothing is left of a cluster that was stopped. */
import { expect, test } from 'vitest';
import { TestCluster } from '../../../src/client/testing/test-cluster.ts';

async function history(seed: number, pause: () => Promise<void>): Promise<string> {
  await using cluster = await TestCluster.start({ members: 3, seed });
  const processes = [cluster.process(), cluster.process({ drift: 0.002 })];
  await cluster.until(async () => {
    const leases = await Promise.all(processes.map((process) => process.client().lease({ ttl: '5s' })));
    for (const [i, lease] of leases.entries()) await lease.put(`k${i}`, 'v');
    await cluster.killLeader();
    processes[0]?.pause();
  });
  await pause();
  await cluster.advance('8s');
  processes[0]?.resume({ first: 'messages' });
  await pause();
  await cluster.advance('3s');
  const { count } = await cluster.until(cluster.client().list({ prefix: 'k' }));
  return `${count} ${cluster.fingerprint}`;
}

test('same seed, same history; another seed, another', async () => {
  const first = await history(7, () => Promise.resolve());
  expect(first).toMatch(/^1 [0-9a-f]{16}$/);
  const turnsOfTheLoop = async (): Promise<void> => {
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  expect(await history(7, turnsOfTheLoop)).toBe(first);
  expect(await history(8, () => Promise.resolve())).not.toBe(first);
});

test('a cluster that was stopped leaves nothing behind', async () => {
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => /Time|Immediate/.test(name)).length;
  await new Promise((resolve) => setImmediate(resolve));
  const before = timers();
  const cluster = await TestCluster.start({ members: 3 });
  const client = cluster.process().client();
  const lease = await cluster.until(client.lease({ ttl: '1m' }));
  const forever = expect(client.put('k', 'v', { timeout: '1h' })).rejects.toThrow();
  cluster.isolate(0);
  await cluster.stop();
  await forever;
  expect(lease.held()).toBe(false);
  expect(cluster.status(0).up).toBe(false);
  await new Promise((resolve) => setImmediate(resolve));
  expect(timers()).toBeLessThanOrEqual(before);
  await cluster.stop();
});

test('a call that nobody lets time pass for is warned of', async () => {
  await using cluster = await TestCluster.start({ members: 1 });
  const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
  const call = cluster.client().get('k');
  expect((await warned).message).toContain('time stands still');
  expect(await cluster.until(call)).toBeUndefined();
});
