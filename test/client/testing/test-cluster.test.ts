/** `leasehold/client/testing` as its users have it: leases end at their time, members and their network fail, and no real time passes. */
import { expect, test } from 'vitest';
import { LeaseError } from '../../../src/client/errors.ts';
import { TestCluster } from '../../../src/client/testing/test-cluster.ts';

test('what the documentation shows: a lease outlives its leader, and nobody else', async () => {
  await using cluster = await TestCluster.start({ members: 3 });
  const client = cluster.client({ namespace: '/app/' });
  await cluster.until(async () => {
    const { id } = await client.grant('10s');
    await client.put('k', 'v', { lease: id });
    const killed = await cluster.killLeader();
    expect(await cluster.untilLeader()).not.toBe(killed);
    expect((await client.timeToLive(id)).ttl).toBeGreaterThanOrEqual(9n);
    expect(await client.get('k')).toBeDefined();
    await cluster.advance('15s');
    expect((await client.timeToLive(id)).ttl).toBe(-1n);
    expect(await client.get('k')).toBeUndefined();
    cluster.restart(killed);
    await cluster.advance('2s');
    const [first, ...others] = [0, 1, 2].map((index) => cluster.status(index).digest);
    expect(others).toEqual([first, first]);
  });
});

test('a lease ends at its time, to the tick, and minutes of it are no time', async () => {
  await using cluster = await TestCluster.start({ members: 1 });
  const client = cluster.client();
  const { id, sent } = await cluster.until(client.grant('10m'));
  await cluster.advance(600_000 + sent.monotonicMs - cluster.clock.monotonicMs());
  expect((await cluster.until(client.timeToLive(id))).ttl).toBeGreaterThanOrEqual(0n);
  // A five-hundredth more, as clocks may run, and a few ticks.
  await cluster.advance(1_200 + 100);
  expect((await cluster.until(client.timeToLive(id))).ttl).toBe(-1n);
});

test('a leader that is cut off from the others loses its place; clients that reach it are told so', async () => {
  await using cluster = await TestCluster.start({ members: 3 });
  await cluster.until(async () => {
    const old = await cluster.untilLeader();
    const [endpoint] = cluster.endpoints.slice(old, old + 1);
    const near = cluster.client({ endpoints: [endpoint as string] });
    const far = cluster.client({ endpoints: cluster.endpoints.filter((each) => each !== endpoint) });
    cluster.isolate(old);
    await far.put('k', 'of the many', { timeout: '20s' });
    await expect(near.put('k', 'of the one', { timeout: '3s' })).rejects.toBeInstanceOf(LeaseError);
    expect(cluster.leader).not.toBe(old);
    cluster.heal();
    await cluster.advance('3s');
    expect(String((await near.get('k'))?.value)).toBe('of the many');
  });
});

test('a member that is far behind gets a snapshot', async () => {
  await using cluster = await TestCluster.start({ members: 3 });
  await cluster.until(async () => {
    const late = ((await cluster.untilLeader()) + 1) % 3;
    cluster.kill(late);
    const client = cluster.client();
    for (let i = 0; i < 700; i++) await client.put(`k${i % 7}`, `v${i}`);
    await cluster.advance('3s');
    cluster.restart(late);
    await cluster.advance('5s');
    const [first, ...others] = [0, 1, 2].map((index) => cluster.status(index).digest);
    expect(others).toEqual([first, first]);
  });
});

test('until says when nothing came of it; what is no member is refused; a stopped cluster says so', async () => {
  const cluster = await TestCluster.start({ members: 1 });
  const never = new Promise<void>(() => {});
  await expect(cluster.until(never, { within: '2s' })).rejects.toMatchObject({ code: 'timeout' });
  await expect(cluster.until(Promise.reject(new Error('mine')))).rejects.toThrow('mine');
  expect(() => cluster.kill(1)).toThrow(/counted from 0/);
  expect(() => cluster.client({ endpoints: ['elsewhere:2379'] })).toThrow(/no member of the cluster/);
  await expect(TestCluster.start({ members: 0 })).rejects.toMatchObject({ code: 'invalid_argument' });
  await cluster.stop();
  await expect(cluster.advance('1s')).rejects.toMatchObject({ code: 'closed' });
});
