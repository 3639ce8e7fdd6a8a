/** Registrations in trouble, on time that the test moves: processes that stop, members that are away, meddlers. */
import { expect, test } from 'vitest';
import type { Registration, RegistrationLostReason } from '../../../src/client/client.ts';
import { TestCluster } from '../../../src/client/testing/test-cluster.ts';

function eventsOf(registration: Registration<string | Uint8Array>): string[] {
  const events: string[] = [];
  registration.addEventListener('lost', ({ reason }) => events.push(reason satisfies RegistrationLostReason));
  registration.addEventListener('registered', () => events.push('registered'));
  return events;
}

test('a process that was stopped too long knows at its first look, and registers again under another lease', async () => {
  await using cluster = await TestCluster.start({ members: 3 });
  const other = cluster.client();
  await cluster.until(async () => {
    const process = cluster.process();
    const me = await process.client().register('a', 'x', { ttl: '5s' });
    const events = eventsOf(me);
    const first = me.lease;
    process.pause();
    await cluster.advance('8s');
    expect(await other.get('a')).toBeUndefined();
    process.resume();
    expect(me.registered).toBe(false);
    expect(me.lease).toBeUndefined();
    await cluster.advance('2s');
    expect(me.registered).toBe(true);
    const kv = await other.get('a');
    expect(kv?.lease).toBe(me.lease);
    expect(kv?.lease).not.toBe(first);
    expect(events.at(-1)).toBe('registered');
    await me.close();
    expect(await other.get('a')).toBeUndefined();
    expect(await other.leases()).toEqual([]);
  });
});

test('cut off, it is lost before the key can end, and put again as soon as members are back', async () => {
  await using cluster = await TestCluster.start({ members: 3 });
  const other = cluster.client();
  await cluster.until(async () => {
    const process = cluster.process();
    const me = await process.client().register('a', 'x', { ttl: '5s' });
    const events = eventsOf(me);
    process.isolate();
    process.disconnect();
    for (let waitedMs = 0; me.registered; waitedMs += 50) {
      expect(waitedMs).toBeLessThan(5_000);
      await cluster.advance(50);
    }
    expect(await other.get('a')).toBeDefined();
    await cluster.advance('1m');
    expect(events).toEqual(['unreachable']);
    expect(me.failure?.retryable).toBe(true);
    expect(await other.get('a')).toBeUndefined();
    process.heal();
    await cluster.advance('10s');
    expect(events).toEqual(['unreachable', 'registered']);
    expect(me.failure).toBeUndefined();
    expect((await other.get('a'))?.lease).toBe(me.lease);
  });
});

test('all members away for minutes: there again when they are', async () => {
  await using cluster = await TestCluster.start({ members: 3 });
  await cluster.until(async () => {
    const me = await cluster.client().register('a', 'x', { ttl: '5s' });
    const events = eventsOf(me);
    for (const index of [0, 1, 2]) cluster.kill(index);
    await cluster.advance('3m');
    expect(me.registered).toBe(false);
    for (const index of [0, 1, 2]) cluster.restart(index);
    await cluster.advance('20s');
    expect(events).toEqual(['unreachable', 'registered']);
    expect((await cluster.client().get('a'))?.lease).toBe(me.lease);
  });
});

test('two that name one key do not fight, even when they lose their leases at once', async () => {
  await using cluster = await TestCluster.start({ members: 1 });
  const eyes = cluster.client();
  await cluster.until(
    async () => {
      const processes = [cluster.process(), cluster.process()];
      const names = ['old', 'young'];
      const registrations: Registration<string | Uint8Array>[] = [];
      for (const [i, process] of processes.entries())
        registrations.push(await process.client().register('a', names[i] as string, { ttl: '5s' }));
      await cluster.advance('10s');
      const before = cluster.status(0).revision;
      await cluster.advance('10m');
      expect(cluster.status(0).revision).toBe(before);
      expect((await eyes.get('a'))?.text).toBe('young');
      for (const process of processes) process.pause();
      await cluster.advance('20s');
      for (const process of processes) process.resume();
      await cluster.advance('1m');
      expect(registrations.filter(({ registered }) => registered)).toHaveLength(1);
      const settled = cluster.status(0).revision;
      await cluster.advance('10m');
      expect(cluster.status(0).revision).toBe(settled);
      await registrations.find(({ registered }) => registered)?.close();
      await cluster.advance('20s');
      expect(registrations.filter(({ registered }) => registered)).toHaveLength(1);
    },
    { within: '1h' },
  );
});

test('somebody deletes it again and again: it is put again less and less often', async () => {
  await using cluster = await TestCluster.start({ members: 1 });
  const foe = cluster.client();
  await cluster.until(async () => {
    const me = await cluster.process().client().register('a', 'x', { ttl: '5s' });
    const events = eventsOf(me);
    for (let passedMs = 0; passedMs < 120_000; passedMs += 100) {
      await foe.delete('a');
      await cluster.advance(100);
    }
    const puts = events.filter((event) => event === 'registered').length;
    expect(puts).toBeGreaterThan(15);
    expect(puts).toBeLessThan(60);
    await cluster.advance('10s');
    expect(me.registered).toBe(true);
    expect((await foe.get('a'))?.version).toBe(1n);
  });
});

test('closed under a session while nobody can be told: the key goes as soon as somebody can, the session stays', async () => {
  await using cluster = await TestCluster.start({ members: 3 });
  const eyes = cluster.client();
  await cluster.until(async () => {
    const process = cluster.process();
    const client = process.client({ timeout: '2s' });
    const session = await client.session({ ttl: '5m' });
    const me = await client.register('a', 'x', { session });
    process.isolate();
    process.disconnect();
    await me.close();
    expect(await eyes.get('a')).toBeDefined();
    await cluster.advance('30s');
    process.heal();
    await cluster.advance('20s');
    expect(await eyes.get('a')).toBeUndefined();
    expect(session.held()).toBe(true);
  });
});
