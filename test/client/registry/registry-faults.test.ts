/** Who follows a service while members, connections and history come and go: on time that the test moves. */
import { expect, test } from 'vitest';
import type { Client, Instance, LeaseError } from '../../../src/client/client.ts';
import { TestCluster } from '../../../src/client/testing/test-cluster.ts';

/** The newest list of a watch, read as soon as there is one. */
function followed(client: Client, signal?: AbortSignal) {
  const seen = { lists: 0, addrs: undefined as readonly string[] | undefined, troubles: [] as LeaseError[] };
  const troubled = (error: LeaseError): void => void seen.troubles.push(error);
  const lists = client.registry().watch('users', { signal, troubled });
  const read = async (): Promise<void> => {
    for await (const instances of lists) {
      seen.lists++;
      seen.addrs = instances.map(({ addr }: Instance) => addr);
    }
  };
  return Object.assign(seen, { over: read() });
}

test('connections break, members die, history is compacted: the last list holds, and the next is right', async () => {
  await using cluster = await TestCluster.start({ members: 3 });
  const other = cluster.client();
  await cluster.until(
    async () => {
      const process = cluster.process();
      const stop = new AbortController();
      const seen = followed(process.client(), stop.signal);
      const registry = other.registry({ ttl: '60s' });
      const first = await registry.register('users', { addr: 'h:1' });
      await cluster.advance('1s');
      expect(seen.addrs).toEqual(['h:1']);
      process.disconnect();
      await registry.register('users', { addr: 'h:2' });
      await cluster.advance('5s');
      expect(seen.addrs).toEqual(['h:1', 'h:2']);
      process.isolate();
      await first.close();
      await registry.register('users', { addr: 'h:3' });
      const { revision } = await other.put('elsewhere', 'x');
      await other.compact(revision, { physical: true });
      await cluster.advance('20s');
      expect(seen.addrs).toEqual(['h:1', 'h:2']);
      process.disconnect();
      process.heal();
      await cluster.advance('10s');
      expect(seen.addrs).toEqual(['h:2', 'h:3']);
      const { lists } = seen;
      for (const index of [0, 1, 2]) cluster.kill(index);
      await cluster.advance('20s');
      expect(seen.addrs).toEqual(['h:2', 'h:3']);
      for (const index of [0, 1, 2]) cluster.restart(index);
      await cluster.advance('20s');
      await registry.register('users', { addr: 'h:4' });
      await cluster.advance('1s');
      expect(seen.addrs).toEqual(['h:2', 'h:3', 'h:4']);
      expect(seen.lists).toBe(lists + 1);
      stop.abort();
      await seen.over;
    },
    { within: '1h' },
  );
});

test('begun while nobody is there: it says so, and goes on until somebody is', async () => {
  await using cluster = await TestCluster.start({ members: 1 });
  await cluster.until(async () => {
    await cluster.client().put('users/a', '{"Addr":"h:1"}');
    cluster.kill(0);
    const client = cluster.process().client();
    const seen = followed(client);
    await cluster.advance('30s');
    expect(seen.lists).toBe(0);
    expect(seen.troubles.length).toBeGreaterThan(1);
    expect(seen.troubles.every(({ retryable }) => retryable)).toBe(true);
    cluster.restart(0);
    await cluster.advance('10s');
    expect(seen.addrs).toEqual(['h:1']);
    const over = expect(seen.over).rejects.toMatchObject({ code: 'closed' });
    await client.close();
    await over;
  });
});

test('a thousand that come and go at once are a few lists', async () => {
  await using cluster = await TestCluster.start({ members: 1 });
  await cluster.until(async () => {
    const other = cluster.client();
    const { id } = await other.grant('10s');
    const stop = new AbortController();
    const seen = followed(cluster.process().client(), stop.signal);
    await cluster.advance('1s');
    for (let i = 0; i < 1_000; i += 100)
      await other
        .txn()
        .then((t) =>
          Array.from({ length: 100 }, (_, j) => t.put(`users/${i + j}`, `{"Addr":"h:${i + j}"}`, { lease: id })),
        )
        .commit();
    await cluster.advance('1s');
    expect(seen.addrs).toHaveLength(1_000);
    expect(seen.lists).toBeLessThanOrEqual(12);
    const { lists } = seen;
    await cluster.advance('15s');
    expect(seen.addrs).toEqual([]);
    expect(seen.lists).toBe(lists + 1);
    stop.abort();
    await seen.over;
  });
});
