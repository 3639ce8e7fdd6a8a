/** What a test does to a client's process: it stands still, its clocks go wrong, its network fails. */
import { expect, test } from 'vitest';
import { TestCluster } from '../../../src/client/testing/test-cluster.ts';

const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : new TextDecoder().decode(value);

test('a lease is held for as long as its process runs, and not a TTL longer', async () => {
  await using cluster = await TestCluster.start();
  const process = cluster.process();
  const other = cluster.client();
  await cluster.until(
    async () => {
      const lease = await process.client().lease({ ttl: '10s' });
      await lease.put('k', 'v');
      await cluster.advance('2m');
      expect(lease.held()).toBe(true);
      process.kill();
      await cluster.advance('5s');
      expect(await other.get('k')).toBeDefined();
      await cluster.advance('6s');
      expect(await other.get('k')).toBeUndefined();
    },
    { within: '1h' },
  );
});

test.each(['timers', 'messages'] as const)(
  'a process that stood still for longer than its lease finds out at once (%s first)',
  async (first) => {
    await using cluster = await TestCluster.start();
    const process = cluster.process();
    await cluster.until(async () => {
      const lease = await process.client().lease({ ttl: '10s' });
      const { signal } = lease;
      await cluster.advance('1m');
      process.pause();
      await cluster.advance('5s');
      process.resume({ first });
      await cluster.advance('5s');
      expect(lease.held()).toBe(true);
      process.pause();
      await cluster.advance('12s');
      expect(signal.aborted).toBe(false);
      expect(await cluster.client().leases()).toEqual([]);
      process.resume({ first });
      expect(lease.held()).toBe(false);
      await cluster.advance('1s');
      expect(signal.aborted).toBe(true);
    });
  },
);

test('a machine that slept: the monotonic clock stood still, the wall clock tells', async () => {
  await using cluster = await TestCluster.start();
  const process = cluster.process();
  await cluster.until(
    async () => {
      const lease = await process.client().lease({ ttl: '10s' });
      const before = process.clock.monotonicMs();
      const wallBefore = process.clock.wallMs();
      process.suspend();
      await cluster.advance('1h');
      expect(process.clock.monotonicMs()).toBe(before);
      process.resume();
      expect(process.clock.wallMs() - wallBefore).toBe(3_600_000);
      expect(lease.held()).toBe(false);
      await cluster.advance('1s');
      expect(process.clock.monotonicMs() - before).toBeCloseTo(1_000, 3);
    },
    { within: '2h' },
  );
});

test('clocks drift and jump as they are told, and timers go by their own', async () => {
  await using cluster = await TestCluster.start({ members: 1 });
  const fast = cluster.process({ drift: 0.01 });
  const monotonicMs = fast.clock.monotonicMs();
  const wallMs = fast.clock.wallMs();
  const rang: number[] = [];
  fast.clock.after(10_000, () => rang.push(fast.clock.monotonicMs() - monotonicMs));
  fast.clock.after(20_000, () => rang.push(Number.NaN)).cancel();
  await cluster.advance('9900ms');
  expect(rang).toEqual([]);
  await cluster.advance('10100ms');
  expect(rang).toEqual([10_000]);
  expect(fast.clock.monotonicMs() - monotonicMs).toBeCloseTo(20_200, 3);
  fast.jumpWall(-60_000);
  expect(fast.clock.wallMs() - wallMs).toBeCloseTo(20_200 - 60_000, -1);
  expect(cluster.clock.monotonicMs()).not.toBeCloseTo(fast.clock.monotonicMs(), -3);
});

test('a call to a member that cannot be reached lasts as long as its deadline; healed, what was sent arrives late', async () => {
  await using cluster = await TestCluster.start({ members: 1 });
  const process = cluster.process();
  const client = process.client();
  await cluster.until(async () => {
    await client.put('k', '0');
    for (const [way, fate] of [
      ['requests', 'late'],
      ['answers', 'applied'],
    ] as const) {
      process.cut(0, way);
      const begun = process.clock.monotonicMs();
      const failed = client.put('k', way, { timeout: '3s' });
      await expect(failed).rejects.toMatchObject({ code: 'timeout', mayHaveApplied: true });
      expect(process.clock.monotonicMs() - begun).toBeCloseTo(3_000, -1);
      const there = text((await cluster.client().get('k'))?.value);
      expect(there === way, fate).toBe(fate === 'applied');
      process.heal(0);
      await cluster.advance('2s');
      expect(text((await client.get('k'))?.value)).toBe(way);
    }
  });
});

test('a connection that breaks takes along what is on its way', async () => {
  await using cluster = await TestCluster.start({ members: 1 });
  const process = cluster.process();
  const client = process.client();
  await cluster.until(async () => {
    await client.put('k', '0');
    process.cut(0, 'requests');
    const lost = client.put('k', 'lost', { timeout: '3s' });
    await cluster.advance('10ms');
    process.disconnect();
    process.heal();
    await expect(lost).rejects.toMatchObject({ code: 'unavailable', mayHaveApplied: true });
    expect(text((await client.get('k'))?.value)).toBe('0');
  });
});

test('a member that dies ends its calls; one that is down refuses; another one is asked', async () => {
  await using cluster = await TestCluster.start();
  await cluster.until(async () => {
    const leader = await cluster.untilLeader();
    const follower = (leader + 1) % 3;
    const one = cluster.client({ endpoints: [cluster.endpoints[follower] as string] });
    await one.get('k');
    cluster.cut(follower, leader);
    cluster.cut(follower, (leader + 2) % 3);
    const waiting = one.put('k', 'v', { timeout: '10s' });
    await cluster.advance('10ms');
    cluster.kill(follower);
    await expect(waiting).rejects.toMatchObject({ code: 'unavailable', mayHaveApplied: true });
    await expect(one.put('k', 'v', { timeout: '2s' })).rejects.toMatchObject({
      code: 'unavailable',
      mayHaveApplied: false,
    });
    const all = cluster.client();
    await all.put('k', 'v');
    cluster.heal();
    cluster.restart(follower);
    expect(text((await one.get('k', { timeout: '20s' }))?.value)).toBe('v');
  });
});

test('a member that stands still is found out by pings, and renewals go on elsewhere', async () => {
  await using cluster = await TestCluster.start();
  const client = cluster.client();
  await cluster.until(async () => {
    const lease = await client.lease({ ttl: '30s' });
    for (const index of [0, 1, 2]) {
      cluster.pause(index);
      await cluster.advance('40s');
      cluster.resume(index);
      await cluster.advance('5s');
    }
    expect(lease.lost).toBeUndefined();
    expect(lease.held()).toBe(true);
  });
});
