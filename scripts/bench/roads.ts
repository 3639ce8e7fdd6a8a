/** Measures the roads that were asked for, one after the other, each on fresh members of our own. */
import { spawn } from 'node:child_process';
import { ProcessCluster } from '../../test/cluster/processes.ts';
import { clientHold } from './client-hold.ts';
import { expiryLag } from './expiry-lag.ts';
import { failover } from './failover.ts';
import { hold } from './hold.ts';
import { keepAliveCost } from './keep-alive-cost.ts';
import { massExpiry } from './mass-expiry.ts';
import { renewals } from './renewals.ts';
import type { RoadOptions } from './road-arguments.ts';
import { type Check, markdownOf, print, printChecks, progress, type Row } from './row.ts';
import { short } from './short.ts';
import { soak } from './soak.ts';
import { unary } from './unary.ts';
import { watchFanout } from './watch-fanout.ts';

const massExpiryTtlSeconds = 100;

/** Prints what it finds; returns whether all checks hold. */
export async function measureRoads(options: RoadOptions): Promise<boolean> {
  const { leases, seconds, write } = options;
  const rows: Row[] = [];
  let ok = true;
  const found = (row: Row): void => {
    rows.push(row);
    if (write === 'markdown') progress(row.road);
    else print(row, write === 'json');
    if (options.check) ok = (row.checks ?? []).every((check) => check.ok) && ok;
  };
  const ttlSeconds = options.ttlSeconds ?? massExpiryTtlSeconds;
  for (const road of options.roads) {
    if (road === 'client-hold') {
      ok = (await holdByClient(options)) && ok;
      continue;
    }
    await onFreshCluster(options.members, async (cluster) => {
      if (road === 'short') await short(cluster, seconds, found);
      else if (road === 'unary') await unary(cluster, seconds, found);
      else if (road === 'watch-fanout') found(await watchFanout(cluster, { ...options, putsPerSecond: options.rate }));
      else if (road === 'renewals') await renewals(cluster, leases ?? 10_000, seconds, found);
      else if (road === 'failover-kill') found(await failover(cluster, 'SIGKILL', options.rounds));
      else if (road === 'failover-term') found(await failover(cluster, 'SIGTERM', options.rounds));
      else if (road === 'expiry-lag') found(await expiryLag(cluster, leases ?? 300));
      else if (road === 'keep-alive-cost') await keepAliveCost(cluster, sizesUpTo(leases ?? 1_000_000), seconds, found);
      else if (road === 'soak') found(await soak(cluster, options.minutes));
      else if (road === 'hold') found(await hold(cluster, leases ?? 1_000_000));
      else found(await massExpiry(cluster, { leases: leases ?? 100_000, ttlSeconds }));
    });
    const leasebench = process.env['LEASEBENCH'];
    if (road === 'mass-expiry' && leasebench !== undefined) {
      const amount = ['--leases', String(leases ?? 100_000), '--ttl', String(ttlSeconds)];
      await onFreshCluster(options.members, (cluster) => runGo(cluster, leasebench, amount));
    }
  }
  if (write === 'markdown') process.stdout.write(markdownOf(rows));
  return ok;
}

/** A thousand, and ten times as many each time, as far as it goes. */
function sizesUpTo(most: number): readonly number[] {
  const sizes: number[] = [];
  for (let size = 1_000; size < most; size *= 10) sizes.push(size);
  return [...sizes, most];
}

async function holdByClient(options: RoadOptions): Promise<boolean> {
  const { renew } = options;
  const json = options.write === 'json';
  const common = { ...options, leases: options.leases ?? 100_000, ttlSeconds: options.ttlSeconds ?? 60 };
  const checks: Check[] = [];
  for (const streams of renew === 'both' ? (['batch', 'etcd'] as const) : [renew])
    for (const check of await clientHold({ ...common, streams }, (row) => print(row, json)))
      checks.push({ ...check, name: `${streams}: ${check.name}` });
  return printChecks(checks, json);
}

async function onFreshCluster(members: number, work: (cluster: ProcessCluster) => Promise<void>): Promise<void> {
  progress(`starting ${members} ${members === 1 ? 'member' : 'members'}`);
  const cluster = await ProcessCluster.start({ members, proxied: false });
  // Ctrl-C ends the members too.
  const interrupted = (): void => void cluster.stop().then(() => process.exit(130));
  process.once('SIGINT', interrupted);
  try {
    await cluster.ready();
    await cluster.leader();
    await work(cluster);
  } finally {
    process.off('SIGINT', interrupted);
    await cluster.stop();
  }
}

async function runGo(cluster: ProcessCluster, binary: string, amount: readonly string[]): Promise<void> {
  const pids = cluster.members.map((member) => member.pid).join(',');
  const flags = ['--endpoints', cluster.endpoints.join(','), '--pids', pids];
  const child = spawn(binary, ['mass-expiry', ...flags, ...amount], { stdio: ['ignore', 'inherit', 'inherit'] });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
  if (code !== 0) throw new Error(`${binary} ended with ${code}`);
}
