/**
 * What etcd's alerts, its Grafana dashboards and its tools read from /metrics, on real members that were given something to do: there,
 * of the type and with the labels of a real etcd (compared where one is installed), and moved by what happened.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { int64Of } from '../../src/rpc/int64.ts';
import { wire } from '../../src/rpc/messages.ts';
import { bytes } from '../rpc/wire-client.ts';
import { etcdInstalled, RealEtcd } from '../support/real-etcd.ts';
import { ProcessCluster, pause } from './processes.ts';
import { Caller, insist, type Line, lineTo } from './wire.ts';

type Type = 'counter' | 'gauge' | 'histogram';
const rpc = ['grpc_method', 'grpc_service', 'grpc_type'];

/** Name, type, labels, and whether a cluster at work has one that is not zero. `le` of histograms is left out. */
const read: readonly (readonly [string, Type, readonly string[], boolean])[] = [
  ['etcd_server_has_leader', 'gauge', [], true],
  ['etcd_server_is_leader', 'gauge', [], true],
  ['etcd_server_is_learner', 'gauge', [], false],
  ['etcd_server_id', 'gauge', ['server_id'], true],
  ['etcd_server_version', 'gauge', ['server_version'], true],
  ['etcd_cluster_version', 'gauge', ['cluster_version'], true],
  ['etcd_server_leader_changes_seen_total', 'counter', [], true],
  ['etcd_server_proposals_committed_total', 'gauge', [], true],
  ['etcd_server_proposals_applied_total', 'gauge', [], true],
  ['etcd_server_proposals_pending', 'gauge', [], false],
  ['etcd_server_proposals_failed_total', 'counter', [], false],
  ['etcd_server_quota_backend_bytes', 'gauge', [], true],
  ['etcd_server_health_success', 'counter', [], true],
  ['etcd_server_health_failures', 'counter', [], false],
  ['etcd_disk_wal_fsync_duration_seconds', 'histogram', [], true],
  ['etcd_disk_backend_commit_duration_seconds', 'histogram', [], true],
  ['etcd_mvcc_db_total_size_in_bytes', 'gauge', [], true],
  ['etcd_mvcc_db_total_size_in_use_in_bytes', 'gauge', [], true],
  ['etcd_debugging_mvcc_db_total_size_in_bytes', 'gauge', [], true],
  ['etcd_debugging_mvcc_keys_total', 'gauge', [], true],
  ['etcd_debugging_mvcc_current_revision', 'gauge', [], true],
  ['etcd_debugging_mvcc_compact_revision', 'gauge', [], true],
  ['etcd_debugging_mvcc_db_compaction_keys_total', 'counter', [], true],
  ['etcd_debugging_mvcc_watcher_total', 'gauge', [], true],
  ['etcd_debugging_mvcc_watch_stream_total', 'gauge', [], true],
  ['etcd_debugging_mvcc_slow_watcher_total', 'gauge', [], false],
  ['etcd_debugging_mvcc_events_total', 'counter', [], true],
  ['etcd_debugging_mvcc_put_total', 'counter', [], true],
  ['etcd_debugging_mvcc_delete_total', 'counter', [], true],
  ['etcd_debugging_mvcc_range_total', 'counter', [], true],
  ['etcd_debugging_mvcc_txn_total', 'counter', [], true],
  ['etcd_mvcc_put_total', 'counter', [], true],
  ['etcd_mvcc_delete_total', 'counter', [], true],
  ['etcd_mvcc_range_total', 'counter', [], true],
  ['etcd_mvcc_txn_total', 'counter', [], true],
  ['etcd_debugging_lease_granted_total', 'counter', [], true],
  ['etcd_debugging_lease_revoked_total', 'counter', [], true],
  ['etcd_debugging_lease_renewed_total', 'counter', [], true],
  ['etcd_debugging_lease_ttl_total', 'histogram', [], true],
  ['etcd_debugging_server_lease_expired_total', 'counter', [], true],
  ['etcd_network_client_grpc_received_bytes_total', 'counter', [], true],
  ['etcd_network_client_grpc_sent_bytes_total', 'counter', [], true],
  ['etcd_network_peer_sent_bytes_total', 'counter', ['To'], true],
  ['etcd_network_peer_received_bytes_total', 'counter', ['From'], true],
  ['etcd_network_peer_sent_failures_total', 'counter', ['To'], false],
  ['etcd_network_peer_round_trip_time_seconds', 'histogram', ['To'], true],
  ['grpc_server_started_total', 'counter', rpc, true],
  ['grpc_server_handled_total', 'counter', ['grpc_code', ...rpc], true],
  ['grpc_server_msg_received_total', 'counter', rpc, true],
  ['grpc_server_msg_sent_total', 'counter', rpc, true],
  ['grpc_server_handling_seconds', 'histogram', rpc, true],
  ['process_resident_memory_bytes', 'gauge', [], true],
  ['process_virtual_memory_bytes', 'gauge', [], true],
  ['process_cpu_seconds_total', 'counter', [], true],
  ['process_start_time_seconds', 'gauge', [], true],
  ['process_open_fds', 'gauge', [], true],
  ['process_max_fds', 'gauge', [], true],
];

/** Ours. */
const added: readonly (readonly [string, Type, readonly string[], boolean])[] = [
  ['lease_active', 'gauge', [], true],
  ['lease_keys_attached', 'gauge', [], true],
  ['lease_expiry_lag_seconds', 'histogram', [], true],
  ['lease_expiry_backlog', 'gauge', [], false],
  ['lease_keepalive_margin_seconds', 'histogram', [], true],
  ['lease_keepalive_margin_ratio', 'histogram', [], true],
  ['lease_checkpoint_total', 'counter', [], false],
  ['lease_clock_stalled_seconds', 'gauge', [], false],
  ['raft_term', 'gauge', [], true],
  ['raft_log_applied_index', 'gauge', [], true],
  ['nodejs_eventloop_lag_p99_seconds', 'gauge', [], true],
];

interface Family {
  readonly type: string;
  readonly labels: ReadonlySet<string>;
  /** Of all series together; of a histogram how many were observed. */
  readonly sum: number;
}

/** What a page says, by the names of its `# TYPE` lines. */
function parse(page: string): ReadonlyMap<string, Family> {
  const families = new Map<string, { type: string; labels: Set<string>; sum: number }>();
  for (const line of page.split('\n')) {
    const [, declared, type] = /^# TYPE (\S+) (\S+)/.exec(line) ?? [];
    if (declared !== undefined) families.set(declared, { type: type ?? '', labels: new Set(), sum: 0 });
    const [, sample = '', labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    const family = families.get(sample) ?? families.get(sample.replace(/_(bucket|sum|count)$/, ''));
    if (family === undefined) continue;
    for (const [, label = ''] of labels.matchAll(/(\w+)="/g)) if (label !== 'le') family.labels.add(label);
    if (family.type !== 'histogram' || sample.endsWith('_count')) family.sum += Number(value);
  }
  return families;
}

const scrape = async (endpoint: string): Promise<ReadonlyMap<string, Family>> =>
  parse(await (await fetch(`http://${endpoint}/metrics`)).text());

let cluster: ProcessCluster;
let line: Line;
beforeAll(async () => {
  cluster = await ProcessCluster.start({ proxied: false });
  await cluster.ready(60_000);
});
afterAll(async () => {
  line.close();
  await cluster.stop();
});

test('all of it is there, and moves', { timeout: 120_000 }, async () => {
  const leader = await cluster.leader();
  line = lineTo(leader.endpoint);
  const caller = new Caller(line.client);
  const watch = line.client.watch();
  watch.send({ createRequest: { key: bytes('m/'), rangeEnd: bytes('m0') } });
  await watch.next();
  const lease = await insist(() => caller.grant(60));
  await caller.grant(1);
  await caller.put('m/leased', 'x', lease);
  await caller.put('m/gone');
  await caller.delete('m/gone');
  await caller.count('m/', 'm0');
  await caller.revoke(await caller.grant(60));
  const success = [{ requestPut: { key: bytes('m/1') } }, { requestPut: { key: bytes('m/2') } }];
  const { header } = await line.client.call('/etcdserverpb.KV/Txn', wire.TxnRequest, wire.TxnResponse, { success });
  const compaction = { revision: header?.revision ?? 0, physical: true };
  await line.client.call('/etcdserverpb.KV/Compact', wire.CompactionRequest, wire.CompactionResponse, compaction);
  const renewals = line.client.keepAlive();
  renewals.send({ ID: int64Of(lease) });
  await renewals.next();
  await fetch(`http://${leader.endpoint}/health`);
  // An image is written, a lease expires and peers are pinged within seconds.
  const stillZero = (families: ReadonlyMap<string, Family>): string[] =>
    [...read, ...added].flatMap(([name, , , moves]) => (moves && !((families.get(name)?.sum ?? 0) > 0) ? [name] : []));
  const endMs = performance.now() + 60_000;
  let families = await scrape(leader.endpoint);
  while (stillZero(families).length > 0 && performance.now() < endMs) {
    await pause(200);
    families = await scrape(leader.endpoint);
  }
  expect(stillZero(families)).toEqual([]);
  for (const [name, type, labels] of [...read, ...added]) {
    const family = families.get(name);
    expect([name, family?.type, [...(family?.labels ?? [])].sort()]).toEqual([name, type, [...labels].sort()]);
  }
  const another = cluster.members.find((member) => member !== leader);
  if (another === undefined) throw new Error('three members');
  const followed = await scrape(another.endpoint);
  expect(followed.get('etcd_server_is_leader')?.sum).toBe(0);
  expect(followed.get('etcd_mvcc_put_total')?.sum).toBe(families.get('etcd_mvcc_put_total')?.sum);
  renewals.raw.cancel();
  watch.raw.cancel();
});

test.skipIf(!etcdInstalled)('types and labels are those of a real etcd', async () => {
  const etcd = await RealEtcd.start();
  try {
    const theirs = await scrape(etcd.address);
    let compared = 0;
    for (const [name, type, labels] of read) {
      const family = theirs.get(name);
      if (family === undefined) continue;
      compared++;
      expect([name, family.type], name).toEqual([name, type]);
      if (family.labels.size > 0) expect([name, ...[...family.labels].sort()]).toEqual([name, ...[...labels].sort()]);
    }
    // A lone member has no peers, and 3.4 measures how long calls take only when told to.
    expect(compared).toBeGreaterThan(45);
  } finally {
    etcd.stop();
  }
});
