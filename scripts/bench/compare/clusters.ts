/**
 * The two clusters that are compared, started alike: three members on free loopback ports, data below the same folder for temporary
 * files.
 */
import { metric, ProcessCluster, pause } from '../../../test/cluster/processes.ts';
import { EtcdCluster } from '../../../test/support/etcd-cluster.ts';
import type { Target } from './arguments.ts';

export interface Cluster {
  readonly endpoints: readonly string[];
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

/** etcd's default of 2 GiB is soon full of history at this rate. */
const etcdFlags = ['--quota-backend-bytes=8000000000'];
const leaderTriesMax = 400;

export async function start(target: Target): Promise<Cluster> {
  if (target === 'etcd') {
    const cluster = await EtcdCluster.start(etcdFlags);
    return { endpoints: cluster.endpoints, pids: cluster.pids().map(({ pid }) => pid), stop: () => cluster.stop() };
  }
  const cluster = await ProcessCluster.start({ members: 3, proxied: false });
  try {
    await cluster.ready();
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return { endpoints: cluster.endpoints, pids: cluster.members.map(({ pid }) => pid), stop: () => cluster.stop() };
}

/** The endpoint whose member says that it leads. */
export async function leaderOf({ endpoints }: Cluster): Promise<string> {
  for (let tries = 0; tries < leaderTriesMax; tries++) {
    for (const endpoint of endpoints) if ((await metric({ endpoint }, 'etcd_server_is_leader')) === 1) return endpoint;
    await pause(25);
  }
  throw new Error(`none of ${endpoints.join(', ')} leads`);
}
