/** The benchmark in small, so that it still runs when its figures are wanted. The figures themselves are no test's business. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { clientHold } from '../../scripts/bench/client-hold.ts';
import { massExpiry } from '../../scripts/bench/mass-expiry.ts';
import { renewals } from '../../scripts/bench/renewals.ts';
import { roadArguments, roads } from '../../scripts/bench/road-arguments.ts';
import { quantile, type Row } from '../../scripts/bench/row.ts';
import { unary } from '../../scripts/bench/unary.ts';
import { watchFanout } from '../../scripts/bench/watch-fanout.ts';
import { ProcessCluster } from '../cluster/processes.ts';

const script = fileURLToPath(new URL('../../scripts/bench.ts', import.meta.url));

describe('bench', () => {
  it('keeps the leases of a client process over the death of the leader', { timeout: 120_000 }, async () => {
    const rows: Row[] = [];
    const options = {
      leases: 200,
      ttlSeconds: 6,
      minutes: 0.02,
      members: 3,
      target: 'leasehold',
      api: 'keepAlive',
    } as const;
    const checks = await clientHold({ ...options, streams: 'etcd' }, (row) => rows.push(row));
    expect(rows.map(({ figures }) => [figures['lost'], figures['missing'], figures['expired']])).toEqual([
      [0, 0, 0],
      [0, 0, 0],
    ]);
    expect(rows[1]?.figures['clientWasOnLeader']).toBe(1);
    expect(checks.length).toBeGreaterThan(10);
  });

  it('counts every lease that falls due, and none early', { timeout: 60_000 }, async () => {
    const cluster = await ProcessCluster.start({ members: 1, proxied: false });
    try {
      await cluster.ready();
      // Granting and renewing all of them fits into the TTL by far, on a busy machine too.
      const { figures } = await massExpiry(cluster, { leases: 200, ttlSeconds: 8 });
      expect(figures).toMatchObject({ leases: 200, notGone: 0, early: 0 });
      // Lateness counts from the answer, the member's deadline from the request's arrival: a client that is slow to read its answers
      // may see a little less than nothing. What is promised is `early: 0`, from the time of sending, and an end soon after (L4).
      expect(figures['lateMsMax']).toBeLessThan(2_000);
    } finally {
      await cluster.stop();
    }
  });

  it('renews every lease both ways', { timeout: 60_000 }, async () => {
    const cluster = await ProcessCluster.start({ members: 1, proxied: false });
    try {
      await cluster.ready();
      const rows: Row[] = [];
      await renewals(cluster, 2_500, 0.1, (row) => rows.push(row));
      expect(rows).toHaveLength(2);
      for (const { road, figures } of rows) {
        expect(figures['renewed'], road).toBeGreaterThan(0);
        expect((figures['renewed'] ?? 0) % 2_500, road).toBe(0);
      }
    } finally {
      await cluster.stop();
    }
  });

  it('asks every unary call, and brings every event to every watcher', {
    timeout: 120_000,
  }, async () => {
    const cluster = await ProcessCluster.start({ members: 1, proxied: false });
    try {
      await cluster.ready();
      const rows: Row[] = [];
      await unary(cluster, 0.1, (row) => rows.push(row));
      expect(rows).toHaveLength(22);
      for (const { road, figures } of rows) expect(figures['perSecond'], road).toBeGreaterThan(0);
      const { figures } = await watchFanout(cluster, { watchers: 50, streams: 3, putsPerSecond: 20, seconds: 1 });
      expect(figures).toMatchObject({ puts: 20, events: 1_000, missing: 0 });
    } finally {
      await cluster.stop();
    }
  });

  it.each([
    ['sideways'],
    ['--members=2'],
    ['--ttl=0'],
    ['-w', 'xml'],
    ['--rate=x'],
    ['--minutes=0'],
    ['--target=etcd', '--renew=both'],
    ['--sideways'],
  ])('refuses %s %s', (...args) => {
    expect(roadArguments(args)).toEqual({ mistake: expect.stringMatching(/./) });
  });

  it('says what it refuses, and shows what there is', () => {
    const run = (arg: string) => spawnSync(process.execPath, ['--import', 'tsx', script, arg], { encoding: 'utf8' });
    expect(run('sideways')).toMatchObject({ status: 2, stderr: 'bench: sideways is no road; --help lists all\n' });
    const { stdout, status } = run('--help');
    expect(status).toBe(0);
    for (const road of roads) expect(stdout).toContain(`\n  ${road}  `);
  });

  it('takes what is not said from the roads', () => {
    expect(roadArguments([])).toMatchObject({ roads: ['short', 'mass-expiry'], members: 3, leases: undefined });
    expect(roadArguments(['hold', '--leases=7', '-w', 'json'])).toMatchObject({
      roads: ['hold'],
      leases: 7,
      write: 'json',
    });
    expect(roadArguments(['--target=etcd'])).toMatchObject({ renew: 'etcd' });
  });

  it('takes quantiles of what is sorted', () => {
    expect([quantile([], 0.5), quantile([1, 2, 3, 4], 0.5), quantile([1, 2, 3], 1), quantile([7], 0)]).toEqual([
      0, 3, 3, 7,
    ]);
  });
});
