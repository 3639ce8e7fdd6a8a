/**
 * Where the library's tests are sent: members of ours as processes, or, with `LEASEHOLD_TEST_TARGET=etcd` in the environment, as many
 * of a real etcd. Ours run from `dist/`.
 */
import { EtcdCluster, type Target } from '../support/etcd-cluster.ts';
import { startOurs } from '../wire/targets.ts';

export interface ClientTarget extends Target {
  readonly kind: 'leasehold' | 'etcd';
}

/** Resolves when all members serve; one if not said. */
export async function startTarget({ members = 1 }: { readonly members?: number } = {}): Promise<ClientTarget> {
  const kind = process.env['LEASEHOLD_TEST_TARGET'] === 'etcd' ? 'etcd' : 'leasehold';
  const target = kind === 'etcd' ? await EtcdCluster.start([], members) : await startOurs({ members });
  return {
    kind,
    endpoints: target.endpoints,
    kill: (member) => target.kill(member),
    freeze: (member) => target.freeze(member),
    thaw: (member) => target.thaw(member),
    restart: (member) => target.restart(member),
    stop: () => target.stop(),
  };
}
