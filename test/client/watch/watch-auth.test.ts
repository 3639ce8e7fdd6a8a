/**
 * A watch whose token the member no longer knows, and one that is not allowed, against a real etcd: ours has no users yet. etcd says
 * "permission denied" to both.
 */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Client } from '../../../src/client/client.ts';
import { EtcdCluster } from '../../support/etcd-cluster.ts';
import { etcdInstalled } from '../../support/real-etcd.ts';

describe.skipIf(!etcdInstalled)('etcd with users', () => {
  let etcd: EtcdCluster;
  let root: Client;
  let user: Client;

  const etcdctl = (...args: string[]): void => {
    const { status, stderr } = spawnSync('etcdctl', [`--endpoints=${etcd.endpoints[0]}`, ...args], {
      env: { ...process.env, ETCDCTL_API: '3' },
    });
    if (status !== 0) throw new Error(`etcdctl ${args.join(' ')}: ${stderr}`);
  };

  beforeAll(async () => {
    etcd = await EtcdCluster.start([], 1);
    etcdctl('user', 'add', 'root:r');
    etcdctl('user', 'grant-role', 'root', 'root');
    etcdctl('user', 'add', 'some:s');
    etcdctl('role', 'add', 'some');
    etcdctl('role', 'grant-permission', '--prefix', 'some', 'readwrite', 'mine/');
    etcdctl('user', 'grant-role', 'some', 'some');
    etcdctl('auth', 'enable');
    root = new Client({ endpoints: etcd.endpoints, auth: { user: 'root', password: 'r' }, timeout: '20s' });
    user = new Client({ endpoints: etcd.endpoints, auth: { user: 'some', password: 's' } });
  });
  afterAll(async () => {
    await user.close();
    await root.close();
    await etcd.stop();
  });

  test('what is not allowed throws; what is goes on with another token when the member has forgotten the one it had', async () => {
    const watch = user.watch({ prefix: 'mine/' });
    await watch.started();
    const mine = watch[Symbol.asyncIterator]();
    const { revision: first } = await root.put('mine/a', '1');
    await expect(user.watch('others/a')[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'permission_denied',
    });
    const told = await mine.next();
    expect(told.value).toMatchObject({ type: 'put', revision: first });
    // Tokens are in memory only: a member that was started again knows none.
    await etcd.kill(0);
    await etcd.restart(0);
    const { revision } = await root.put('mine/b', '2');
    expect((await mine.next()).value).toMatchObject({ type: 'put', keyText: 'mine/b', revision });
    await mine.return();
  });

  test('a password that is wrong throws', async () => {
    await using wrong = new Client({ endpoints: etcd.endpoints, auth: { user: 'some', password: 'x' } });
    await expect(wrong.watch('mine/')[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'auth_failed' });
  });
});
