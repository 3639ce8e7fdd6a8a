/**
 * What renewing many leases costs the members: one lease a message on etcd's stream, and many a message on ours. Every lease is renewed
 * once a round, all of a round at once, as a client does that holds them all.
 */
import { batchWire } from '../../src/rpc/keep-alive-batches.ts';
import { wire } from '../../src/rpc/messages.ts';
import type { ProcessCluster } from '../../test/cluster/processes.ts';
import { inFlight, Line, leaseId } from './client.ts';
import { cpuSeconds, progress, type Row } from './row.ts';

const perMessage = 1_000;
const ttlSeconds = 3_600;

/** A way to renew: what to send for leases `from` … `to` - 1, and how many leases an answer is for. */
interface Way {
  readonly name: string;
  readonly path: string;
  readonly requests: (from: number, to: number) => Uint8Array[];
  readonly answered: (answer: Uint8Array) => number;
}

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, at) => from + at);

const ways: readonly Way[] = [
  {
    name: 'one lease a message',
    path: '/etcdserverpb.Lease/LeaseKeepAlive',
    requests: (from, to) => numbers(from, to).map((n) => wire.LeaseKeepAliveRequest.encode({ ID: leaseId(n) })),
    answered: () => 1,
  },
  {
    name: `${perMessage} leases a message`,
    path: '/leasehold.v1.Lease/KeepAlive',
    requests: (from, to) => [batchWire.KeepAliveRequest.encode({ ids: numbers(from, to).map(leaseId) })],
    answered: (answer) => batchWire.KeepAliveResponse.decode(answer).ids.length,
  },
];

export async function renewals(
  cluster: ProcessCluster,
  leases: number,
  seconds: number,
  found: (row: Row) => void,
): Promise<void> {
  const leader = await cluster.leader();
  const line = new Line(leader.endpoint);
  try {
    await inFlight(leases, 400, (n) => line.grant(n, ttlSeconds));
    progress(`granted ${leases} leases`);
    for (const way of ways) {
      await round(line, way, leases);
      const cpuBefore = cpuSeconds(cluster.members);
      const ownBefore = process.cpuUsage();
      const startMs = performance.now();
      let rounds = 0;
      for (; performance.now() - startMs < seconds * 1_000; rounds++) await round(line, way, leases);
      const took = (performance.now() - startMs) / 1_000;
      const { user, system } = process.cpuUsage(ownBefore);
      const renewed = rounds * leases;
      found({
        road: `renewals: ${way.name}, ${leases} leases through the leader, ${cluster.members.length} members`,
        figures: {
          renewed,
          renewalsPerSecond: renewed / took,
          memberCpuMicrosPerRenewal: ((cpuSeconds(cluster.members) - cpuBefore) * 1e6) / renewed,
          loadCpuMicrosPerRenewal: (user + system) / renewed,
        },
      });
    }
  } finally {
    line.close();
  }
}

/** Renews every lease once, on a stream of its own. */
function round(line: Line, { path, requests, answered }: Way, leases: number): Promise<void> {
  const stream = line.stream(path);
  return new Promise((resolve, reject) => {
    let left = leases;
    stream.on('error', reject);
    stream.on('data', (bytes: Uint8Array) => {
      left -= answered(bytes);
      if (left === 0) stream.end();
    });
    stream.on('end', () => (left === 0 ? resolve() : reject(new Error(`${left} renewals are not answered`))));
    for (let from = 0; from < leases; from += perMessage)
      for (const request of requests(from, Math.min(leases, from + perMessage))) stream.write(request);
  });
}
