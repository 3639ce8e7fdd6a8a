/**
 * One client process that keeps many leases: what that costs it and the members, whether the cost stays where it is, and what becomes of
 * the leases when the member dies that leads and that the client talks to. Ends with checks that pass or fail.
 */
import { metric, ProcessCluster, pause } from '../../test/cluster/processes.ts';
import { EtcdCluster } from '../../test/support/etcd-cluster.ts';
import { flatness, herd, type Sample } from './client-hold-checks.ts';
import { leasesHeld } from './client-hold-members.ts';
import { HoldingClient } from './client-hold-process.ts';
import { type Check, cpuSeconds, progress, quantile, type Row, residentMib, writeCalls } from './row.ts';

export interface ClientHoldOptions {
  readonly leases: number;
  readonly ttlSeconds: number;
  readonly minutes: number;
  readonly members: number;
  /** What the client asks renewals on. A real etcd has no batches. */
  readonly streams: 'batch' | 'etcd';
  readonly target: 'leasehold' | 'etcd';
  /** What keeps each lease: a `Lease` that is listened to, or a loop over `keepAlive`. */
  readonly api: 'lease' | 'keepAlive';
}

/** Of what is left after a collection, between a third of the time and its end; 1 MiB besides. */
const heapGrowthMax = 1.02;
const sampleMsMax = 30_000;

/** Returns the checks; figures go to `found`. */
export async function clientHold(options: ClientHoldOptions, found: (row: Row) => void): Promise<readonly Check[]> {
  const { leases, ttlSeconds, members, target } = options;
  progress(`starting ${members} members of ${target}`);
  const cluster = await start(target, members);
  let client: HoldingClient | undefined;
  const interrupted = (): void => {
    client?.end();
    void cluster.stop().then(() => process.exit(130));
  };
  process.once('SIGINT', interrupted);
  try {
    const leader = await leaderOf(cluster);
    client = new HoldingClient({ ...options, endpoints: cluster.endpoints, leader: cluster.endpoints[leader] });
    const how = `${options.api}, ${options.streams} streams, ${members} members of ${target}`;
    const road = `client-hold: ${leases} leases, TTL ${ttlSeconds} s, ${how}`;
    const secondsToMake = await client.made();
    progress(`made ${leases} leases in ${secondsToMake.toFixed(1)} s`);
    const steady = await steadily(client, cluster, options);
    found({ road: `${road}: steady`, figures: { secondsToMake, ...steady.figures } });
    const killed = await killLeader(client, cluster, options);
    found({ road: `${road}: the leader was killed`, figures: killed.figures });
    return [...steady.checks, ...killed.checks];
  } finally {
    process.off('SIGINT', interrupted);
    client?.end();
    await cluster.stop();
  }
}

interface Part {
  readonly figures: Readonly<Record<string, number>>;
  readonly checks: readonly Check[];
}

/** A period, so that phases are drawn and what the making left is collected; then samples for as long as was asked for. */
async function steadily(client: HoldingClient, cluster: Cluster, options: ClientHoldOptions): Promise<Part> {
  const { leases, ttlSeconds, minutes } = options;
  await pause((ttlSeconds * 1_000) / 3);
  const count = Math.max(6, Math.ceil((minutes * 60_000) / sampleMsMax));
  const sampleMs = (minutes * 60_000) / count;
  const samples: Sample[] = [];
  let heapFirstMib = 0;
  let before = await client.counts();
  let mark = marks(client, cluster);
  for (let i = 0; i < count; i++) {
    const writeCallsPerSecond = await medianWrites(client, sampleMs);
    const now = await client.counts();
    const next = marks(client, cluster);
    const seconds = (next.ms - mark.ms) / 1_000;
    const each = (late: number, early: number): number => (late - early) / seconds;
    const sample: Sample = {
      clientCpuPercent: 100 * each(next.clientCpu, mark.clientCpu),
      membersCpuPercent: 100 * each(next.membersCpu, mark.membersCpu),
      clientRssMib: residentMib(client.pid),
      clientHeapMib: now.heapMib,
      renewalsPerSecond: each(now.sent, before.sent),
      answersPerSecond: each(now.answered, before.answered),
      messagesOutPerSecond: each(now.messagesOut, before.messagesOut),
      messagesInPerSecond: each(now.messagesIn, before.messagesIn),
      writeCallsPerSecond,
    };
    samples.push(sample);
    progress(`${Math.round(((i + 1) * sampleMs) / 1_000)} s: ${line(sample)}, lost ${now.lost}`);
    before = now;
    mark = next;
    if (i + 1 !== Math.floor(count / 3)) continue;
    heapFirstMib = await client.collected();
    before = await client.counts();
    mark = marks(client, cluster);
  }
  const heapLastMib = await client.collected();
  const flat = flatness(samples);
  const held = await leasesHeld(cluster.endpoints, await client.ids(), ttlSeconds);
  const { lost, gone, streamsOpened } = await client.counts();
  const expected = leases / (ttlSeconds / 3);
  const rate = flat.figures['renewalsPerSecond'] ?? 0;
  return {
    figures: {
      ...flat.figures,
      heapCollectedMib_first: heapFirstMib,
      heapCollectedMib_last: heapLastMib,
      lost,
      streamsOpened,
      ...held,
    },
    checks: [
      ...flat.checks,
      {
        name: 'the heap is flat',
        ok: heapLastMib <= heapFirstMib * heapGrowthMax + 1,
        seen: heapLastMib - heapFirstMib,
      },
      {
        name: 'renewals per second are those of a period',
        ok: rate < 1.3 * expected && rate > 0.8 * expected,
        seen: rate,
      },
      { name: 'no lease is lost', ok: lost === 0 && gone === 0, seen: lost + gone },
      {
        name: 'members hold every lease',
        ok: held.missing === 0 && held.expired === 0,
        seen: held.missing + held.expired,
      },
    ],
  };
}

/**
 * Write calls in the median second of so many milliseconds. Not the mean: a collection of V8's wakes its own process by a thousand
 * writes to an eventfd within one second, and between collections there is hardly anything but the socket.
 */
async function medianWrites(client: HoldingClient, spanMs: number): Promise<number> {
  const perSecond: number[] = [];
  const endMs = performance.now() + spanMs;
  let before = writeCalls(client.pid);
  let markMs = performance.now();
  while (performance.now() < endMs) {
    await pause(Math.min(1_000, Math.max(1, endMs - performance.now())));
    const now = writeCalls(client.pid);
    const nowMs = performance.now();
    perSecond.push((1_000 * (now - before)) / (nowMs - markMs));
    before = now;
    markMs = nowMs;
  }
  return quantile(Float64Array.from(perSecond).sort(), 0.5);
}

async function killLeader(client: HoldingClient, cluster: Cluster, options: ClientHoldOptions): Promise<Part> {
  const { leases, ttlSeconds } = options;
  const victim = await leaderOf(cluster);
  const before = await client.counts();
  const onLeader = before.streamOn === cluster.endpoints[victim];
  progress(`SIGKILL to ${cluster.endpoints[victim]}, which leads${onLeader ? ' and has the stream' : ''}`);
  await cluster.kill(victim);
  const killTenth = before.tenth;
  // What is lost is noticed within its TTL.
  await pause(1_100 * ttlSeconds);
  const tenths = await client.tenths(killTenth);
  const spread = herd(tenths, killTenth, { leases, ttlSeconds });
  for (const second of spread.perSecond) progress(second);
  const after = await client.counts();
  const left = cluster.endpoints.filter((_, i) => i !== victim);
  const held = await leasesHeld(left, await client.ids(), ttlSeconds);
  const lost = after.lost - before.lost;
  const gone = after.gone - before.gone;
  if (lost > 0) progress(`lost: ${JSON.stringify(after.lostReasons)}`);
  return {
    figures: {
      clientWasOnLeader: Number(onLeader),
      lost,
      streamsOpened: after.streamsOpened - before.streamsOpened,
      ...spread.figures,
      ...held,
    },
    checks: [
      { name: 'the client was on the leader', ok: onLeader, seen: Number(onLeader) },
      { name: 'no lease is lost to the kill', ok: lost === 0 && gone === 0, seen: lost + gone },
      {
        name: 'members hold every lease after the kill',
        ok: held.missing === 0 && held.expired === 0,
        seen: held.missing + held.expired,
      },
      ...spread.checks,
    ],
  };
}

/** What the road needs of a cluster, ours or etcd's. */
interface Cluster {
  readonly endpoints: readonly string[];
  /** 0 where one does not run. */
  pids(): readonly { readonly pid: number }[];
  kill(member: number): Promise<void>;
  stop(): Promise<void>;
}

async function start(target: ClientHoldOptions['target'], members: number): Promise<Cluster> {
  if (target === 'etcd') return await EtcdCluster.start([], members);
  const cluster = await ProcessCluster.start({ members, proxied: false });
  try {
    await cluster.ready();
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return {
    endpoints: cluster.endpoints,
    pids: () => cluster.members.filter(({ running }) => running),
    kill: async (member) => await cluster.members[member]?.stop('SIGKILL'),
    stop: () => cluster.stop(),
  };
}

async function leaderOf({ endpoints }: Cluster, limitMs = 15_000): Promise<number> {
  const endMs = performance.now() + limitMs;
  while (performance.now() < endMs) {
    for (const [at, endpoint] of endpoints.entries())
      if ((await metric({ endpoint }, 'etcd_server_is_leader')) === 1) return at;
    await pause(25);
  }
  throw new Error(`no leader after ${limitMs} ms`);
}

function marks(client: HoldingClient, cluster: Cluster) {
  return {
    ms: performance.now(),
    clientCpu: cpuSeconds([client]),
    membersCpu: cpuSeconds(cluster.pids()),
  };
}

function line(sample: Sample): string {
  return Object.entries(sample)
    .map(([name, value]) => `${name} ${value.toFixed(1)}`)
    .join(', ');
}
