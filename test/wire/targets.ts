/** Where real clients are sent: three members of ours, and three of a real etcd beside them where there is one. */
import { spawnSync } from 'node:child_process';
import { type ClusterSettings, ProcessCluster } from '../cluster/processes.ts';
import { EtcdCluster, type Target } from '../support/etcd-cluster.ts';

/** What a suite needs and this machine lacks: the reason to skip it, or undefined. */
export function missing(packages: Readonly<Record<string, readonly string[]>>): string | undefined {
  const lacking = Object.entries(packages)
    .filter(([, [command = '', ...args]]) => spawnSync(command, args, { stdio: 'ignore' }).status !== 0)
    .map(([name]) => name);
  return lacking.length === 0 ? undefined : `not installed: ${lacking.join(', ')} (Debian packages)`;
}

/** Debian's packages, each with a command that tells whether it is there. */
export const debian = {
  'etcd-server': ['etcd', '--version'],
  'etcd-client': ['etcdctl', 'version'],
  'golang-go': ['go', 'version'],
  'golang-etcd-server-dev': ['test', '-d', '/usr/share/gocode/src/go.etcd.io/etcd/clientv3'],
  'python3-etcd3': ['/usr/bin/python3', '-c', 'import etcd3'],
} as const;

/** Three members of ours. */
export async function startOurs(
  settings: ClusterSettings = {},
): Promise<Target & { readonly cluster: ProcessCluster }> {
  const cluster = await ProcessCluster.start({ proxied: false, ...settings });
  try {
    await cluster.ready();
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  const member = (i: number) => cluster.members[i] as (typeof cluster.members)[number];
  return {
    cluster,
    endpoints: cluster.endpoints,
    kill: (i) => member(i).stop('SIGKILL'),
    freeze: (i) => member(i).signal('SIGSTOP'),
    thaw: (i) => member(i).signal('SIGCONT'),
    restart: async (i) => {
      member(i).start();
      await cluster.ready();
    },
    stop: () => cluster.stop(),
  };
}

/** Both, started together. */
export async function startBoth(
  flags: readonly string[] = [],
): Promise<{ readonly ours: Target & { readonly cluster: ProcessCluster }; readonly etcd: Target }> {
  const [ours, etcd] = await Promise.allSettled([startOurs({ flags }), EtcdCluster.start(flags)]);
  if (ours.status === 'fulfilled' && etcd.status === 'fulfilled') return { ours: ours.value, etcd: etcd.value };
  if (ours.status === 'fulfilled') await ours.value.stop();
  if (etcd.status === 'fulfilled') await etcd.value.stop();
  throw ours.status === 'rejected' ? ours.reason : (etcd as PromiseRejectedResult).reason;
}
