/** A cluster that holds many leases: the memory of each member, and how soon it serves again after SIGKILL. */
import { type MemberProcess, metric, type ProcessCluster, pause } from '../../test/cluster/processes.ts';
import { Line } from './client.ts';
import { Connection } from './load/connection.ts';
import { paths, requests } from './load/messages.ts';
import { callAll } from './load/prepared.ts';
import { measurePauses, pauseMsMax } from './pauses.ts';
import { progress, type Row, residentMib } from './row.ts';

const ttlSeconds = 36_000;
/** Memory is read this long after the last work. */
const settleMs = 15_000;
const restartMsMax = 120_000;
const connectionCount = 24;
const megabytesMax = 300;
const againSecondsMax = 3;

export async function hold(cluster: ProcessCluster, leases: number): Promise<Row> {
  const empty = largestRssBytes(cluster);
  const seconds = await grantAll(cluster.endpoints, leases);
  const figures: Record<string, number> = { leases, grantsPerSecond: leases / seconds };

  await pause(settleMs);
  note(figures, 'rssMibHolding', cluster);
  const holding = largestRssBytes(cluster);
  figures['bytesPerLeaseMost'] = (holding - empty) / leases;
  // One member at a time dies, the leader last; then all at once.
  const leader = await cluster.leader();
  if (cluster.members.length > 1) {
    const follower = cluster.members.find((member) => member !== leader) as MemberProcess;
    await again(figures, 'follower', [follower], follower, leases, cluster.members);
    await again(figures, 'leader', [leader], leader, leases, cluster.members);
  }
  await again(figures, 'all', cluster.members, cluster.members[0] as MemberProcess, leases, cluster.members);
  await pause(settleMs);
  note(figures, 'rssMibAfterRestart', cluster);
  const megabytes = holding / 1e6;
  const slowest = Math.max(
    ...Object.entries(figures).flatMap(([name, value]) =>
      /^secondsToGrant_(follower|leader)$/.test(name) ? [value] : [],
    ),
  );
  const pauseMs = Math.max(
    ...Object.entries(figures).flatMap(([name, value]) => (name.startsWith('longestPauseMs_') ? [value] : [])),
  );
  return {
    road: `hold: ${leases} leases, ${cluster.members.length} members`,
    figures,
    checks: [
      { name: `no member takes more than ${megabytesMax} MB`, ok: megabytes <= megabytesMax, seen: megabytes },
      {
        name: `a member that was killed grants again within ${againSecondsMax} s of its start`,
        ok: slowest <= againSecondsMax,
        seen: slowest,
      },
      {
        name: `no member pauses for more than ${pauseMsMax} ms while it is promoted or starts again`,
        ok: pauseMs <= pauseMsMax,
        seen: pauseMs,
      },
    ],
  };
}

/** Through all endpoints, many at a time. Returns the seconds that it took. */
export async function grantAll(endpoints: readonly string[], leases: number): Promise<number> {
  const connections = Array.from({ length: connectionCount }, (_, n) => {
    return new Connection(endpoints[n % endpoints.length] as string);
  });
  try {
    await Promise.all(connections.map(({ ready }) => ready));
    const grant = requests.grant(ttlSeconds);
    const startMs = performance.now();
    for (let granted = 0; granted < leases; ) {
      const now = Math.min(leases - granted, 50_000);
      await callAll(connections, paths.grant, () => grant, now);
      granted += now;
      progress(`granted ${granted} leases`, granted === leases);
    }
    return (performance.now() - startMs) / 1_000;
  } finally {
    for (const connection of connections) connection.close();
  }
}

function largestRssBytes(cluster: ProcessCluster): number {
  return Math.max(...cluster.members.map(({ pid }) => residentMib(pid))) * 2 ** 20;
}

/** Kills, starts, and waits until `asked` answers a linearizable read and a grant, and has every lease. */
async function again(
  figures: Record<string, number>,
  who: string,
  killed: readonly MemberProcess[],
  asked: MemberProcess,
  leases: number,
  everybody: readonly MemberProcess[],
): Promise<void> {
  const pausesSince = await measurePauses(everybody);
  await Promise.all(killed.map((member) => member.stop('SIGKILL')));
  const startMs = performance.now();
  for (const member of killed) member.start();
  const line = new Line(asked.endpoint);
  const since = async (step: () => Promise<unknown>): Promise<number> => {
    await untilDone(step, startMs + restartMsMax);
    return (performance.now() - startMs) / 1_000;
  };
  figures[`secondsToRead_${who}`] = await since(() => line.read(1_000));
  let n = leases + 10 * Object.keys(figures).length;
  figures[`secondsToGrant_${who}`] = await since(() => line.grant(n++, 60));
  line.close();
  // Of those that were not killed as well: one of them was promoted perhaps.
  const pauses = await pausesSince();
  figures[`longestPauseMs_${who}`] = pauses.longestMs;
  figures[`loopsCpuMs_${who}`] = pauses.cpuMs;
  figures[`loopsWaitedForCpuMs_${who}`] = pauses.waitedMs;
  const held = (await metric(asked, 'lease_active')) ?? 0;
  if (held < leases) throw new Error(`${asked.name} holds ${held} of ${leases} leases after the restart`);
  progress(`${who} killed: read after ${figures[`secondsToRead_${who}`]?.toFixed(2)} s`);
}

async function untilDone(step: () => Promise<unknown>, endMs: number): Promise<void> {
  for (;;) {
    try {
      await step();
      return;
    } catch (error) {
      if (performance.now() > endMs) throw error;
      await pause(10);
    }
  }
}

function note(figures: Record<string, number>, name: string, cluster: ProcessCluster): void {
  for (const member of cluster.members) figures[`${name}_${member.name}`] = residentMib(member.pid);
}
