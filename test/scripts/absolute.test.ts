/** The roads that something is wanted of whatever etcd does, in small. What they measure is no test's business. */
import { describe, expect, it } from 'vitest';
import { expiryLag } from '../../scripts/bench/expiry-lag.ts';
import { failover } from '../../scripts/bench/failover.ts';
import { grantAll } from '../../scripts/bench/hold.ts';
import { keepAliveCost } from '../../scripts/bench/keep-alive-cost.ts';
import { roadArguments } from '../../scripts/bench/road-arguments.ts';
import { markdownOf, type Row } from '../../scripts/bench/row.ts';
import { metric, ProcessCluster } from '../cluster/processes.ts';

async function on<T>(members: number, work: (cluster: ProcessCluster) => Promise<T>): Promise<T> {
  const cluster = await ProcessCluster.start({ members, proxied: false });
  try {
    await cluster.ready();
    await cluster.leader();
    return await work(cluster);
  } finally {
    await cluster.stop();
  }
}

describe('the absolute roads', () => {
  it('find the first grant of a newer term after either signal', { timeout: 120_000 }, async () => {
    const [killed, ended] = await on(3, async (cluster) => [
      await failover(cluster, 'SIGKILL', 1),
      await failover(cluster, 'SIGTERM', 1),
    ]);
    for (const row of [killed, ended]) {
      expect(row?.figures['firstGrantMsWorst'], row?.road).toBeGreaterThan(0);
      expect(row?.figures['firstGrantMsMedian'], row?.road).toBe(row?.figures['firstGrantMsWorst']);
      expect(row?.figures['gapMsWorst'], row?.road).toBeGreaterThan(0);
    }
    expect(killed?.checks?.map(({ name }) => name)).toHaveLength(2);
    expect(ended?.checks?.map(({ name }) => name)).toHaveLength(1);
  });

  it('see every lease end, and count renewals of few leases and of more', { timeout: 120_000 }, async () => {
    const rows: Row[] = [];
    await on(1, async (cluster) => {
      const lag = await expiryLag(cluster, 5);
      // From the sending on is too much: none can end before its due moment by that count.
      expect(lag.figures['lateMsMedian']).toBeGreaterThanOrEqual(0);
      expect(lag.figures['lateMsMax']).toBeGreaterThanOrEqual(lag.figures['lateMsMedian'] ?? Number.NaN);
      await keepAliveCost(cluster, [20, 40], 0.1, (row) => rows.push(row));
      expect(await grantAll(cluster.endpoints, 200)).toBeGreaterThan(0);
      expect(await metric(cluster.members[0] as { endpoint: string }, 'lease_active')).toBe(260);
    });
    expect(rows.map(({ checks }) => checks?.length)).toEqual([0, 1]);
    for (const { figures, road } of rows) expect(figures['renewalsPerSecond'], road).toBeGreaterThan(0);
  });

  it('are asked for together', () => {
    expect(roadArguments(['absolute', '-w', 'markdown', '--check'])).toMatchObject({
      roads: ['expiry-lag', 'failover-kill', 'failover-term', 'mass-expiry', 'keep-alive-cost', 'hold'],
      write: 'markdown',
      rounds: 20,
      check: true,
    });
  });

  it('make a table of what is wanted', () => {
    const check = { name: 'soon', ok: false, seen: 31.25 };
    expect(
      markdownOf([
        { road: 'lag', figures: { x: 1 }, checks: [check] },
        { road: 'none', figures: {} },
      ]),
    ).toBe('| road | wanted | seen | |\n| --- | --- | ---: | --- |\n| lag | soon | 31.25 | misses |\n');
  });
});
