import { expect, test } from 'vitest';
import { Metrics, type NodeFigures } from '../../src/ops/metrics.ts';

const figures: NodeFigures = {
  memberId: 0xddd6_7b31_2462_fd7bn,
  hasLeader: true,
  isLeader: false,
  isLearner: false,
  leaderChanges: 3,
  term: 5,
  firstIndex: 1,
  lastIndex: 20,
  commitIndex: 19,
  appliedIndex: 18,
  proposalsPending: 2,
  proposalsFailed: 1,
  quotaBytes: 1024,
  sizeBytes: 512,
  revision: 7,
  compactRevision: 0,
  keys: 4,
  watchers: 6,
  laggingWatchers: 2,
  eventsSent: 12,
  leases: 9,
  leaseKeys: 8,
  expiryBacklog: 11,
  stalledMs: 1500,
};

test('a scrape reads the member’s figures anew each time; counters do not add up', async () => {
  const metrics = new Metrics();
  let now = figures;
  metrics.observeNode(() => now);
  const lines = async () => (await metrics.page()).text.split('\n');
  for (const line of [
    'etcd_server_has_leader 1',
    'etcd_server_is_leader 0',
    'etcd_server_leader_changes_seen_total 3',
    'etcd_server_proposals_committed_total 19',
    'etcd_server_proposals_applied_total 18',
    'etcd_server_proposals_pending 2',
    'etcd_server_proposals_failed_total 1',
    'etcd_server_id{server_id="ddd67b312462fd7b"} 1',
    'etcd_server_version{server_version="3.5.21"} 1',
    'lease_active 9',
    'lease_expiry_backlog 11',
    'lease_clock_stalled_seconds 1.5',
    'raft_term 5',
    'raft_log_applied_index 18',
  ]) {
    expect(await lines()).toContain(line);
  }
  now = { ...figures, leaderChanges: 4 };
  expect(await lines()).toContain('etcd_server_leader_changes_seen_total 4');
});

test('what happened is counted and measured', async () => {
  const metrics = new Metrics();
  metrics.leaseGranted(60);
  metrics.leaseRevoked();
  metrics.leaseRenewed();
  metrics.leaseExpired(30);
  metrics.leasesCheckpointed(5);
  metrics.keepAliveMargin(500, 2_000);
  metrics.etcd.applied('sweep', { type: 'done', touched: 7 });
  metrics.etcd.applied('revoke', { type: 'done', touched: 1 });
  metrics.walSynced(0.0015);
  metrics.imageWritten(0.02);
  const meter = metrics.rpc('etcdserverpb.KV', 'Put', 'unary');
  meter.started();
  meter.received(40);
  meter.sent(2);
  meter.handled('NotFound', performance.now() - 20);
  metrics.peerRoundTrip(0xabcn, 0.3);
  metrics.observePeers(() => [
    { member: 0xabcn, outgoing: { sentBytes: 70, droppedMessages: 3 }, incoming: { receivedBytes: 80 } },
  ]);
  const lines = (await metrics.page()).text.split('\n');
  for (const line of [
    'etcd_debugging_lease_granted_total 1',
    'etcd_debugging_lease_ttl_total_bucket{le="32"} 0',
    'etcd_debugging_lease_ttl_total_bucket{le="64"} 1',
    'etcd_debugging_server_lease_expired_total 1',
    'lease_expiry_lag_seconds_bucket{le="0.05"} 1',
    'lease_checkpoint_total 5',
    'etcd_debugging_mvcc_db_compaction_keys_total 7',
    'lease_keepalive_margin_ratio_bucket{le="0.3"} 1',
    'lease_keepalive_margin_seconds_sum 0.5',
    'etcd_disk_wal_fsync_duration_seconds_bucket{le="0.001"} 0',
    'etcd_disk_wal_fsync_duration_seconds_bucket{le="0.002"} 1',
    'etcd_disk_backend_commit_duration_seconds_count 1',
    'grpc_server_started_total{grpc_service="etcdserverpb.KV",grpc_method="Put",grpc_type="unary"} 1',
    'grpc_server_handled_total{grpc_service="etcdserverpb.KV",grpc_method="Put",grpc_type="unary",grpc_code="NotFound"} 1',
    'grpc_server_handled_total{grpc_service="etcdserverpb.KV",grpc_method="Put",grpc_type="unary",grpc_code="OK"} 0',
    'grpc_server_handling_seconds_count{grpc_service="etcdserverpb.KV",grpc_method="Put",grpc_type="unary"} 1',
    'grpc_server_handling_seconds_bucket{le="0.01",grpc_service="etcdserverpb.KV",grpc_method="Put",grpc_type="unary"} 0',
    'etcd_network_client_grpc_received_bytes_total 40',
    'etcd_network_client_grpc_sent_bytes_total 2',
    'etcd_network_peer_sent_bytes_total{To="abc"} 70',
    'etcd_network_peer_received_bytes_total{From="abc"} 80',
    'etcd_network_peer_sent_failures_total{To="abc"} 3',
    'etcd_network_peer_round_trip_time_seconds_bucket{le="0.0004",To="abc"} 1',
  ]) {
    expect(lines).toContain(line);
  }
});

test('every name that etcd’s alerts and dashboards read is there, before anything has happened', async () => {
  const metrics = new Metrics({ processMetrics: true });
  metrics.observeNode(() => figures);
  metrics.observePeers(() => [
    { member: 1n, outgoing: { sentBytes: 0, droppedMessages: 0 }, incoming: { receivedBytes: 0 } },
  ]);
  metrics.rpc('etcdserverpb.Lease', 'LeaseKeepAlive', 'bidi_stream');
  const { text } = await metrics.page();
  const named = new Set(text.split('\n').flatMap((line) => /^# TYPE (\S+)/.exec(line)?.[1] ?? []));
  for (const name of [
    'etcd_server_has_leader',
    'etcd_server_is_leader',
    'etcd_server_id',
    'etcd_server_version',
    'etcd_cluster_version',
    'etcd_server_leader_changes_seen_total',
    'etcd_server_proposals_committed_total',
    'etcd_server_proposals_applied_total',
    'etcd_server_proposals_pending',
    'etcd_server_proposals_failed_total',
    'etcd_server_quota_backend_bytes',
    'etcd_mvcc_db_total_size_in_bytes',
    'etcd_mvcc_db_total_size_in_use_in_bytes',
    'etcd_debugging_mvcc_db_total_size_in_bytes',
    'etcd_debugging_mvcc_keys_total',
    'etcd_debugging_mvcc_watcher_total',
    'etcd_disk_wal_fsync_duration_seconds',
    'etcd_disk_backend_commit_duration_seconds',
    'etcd_network_client_grpc_received_bytes_total',
    'etcd_network_client_grpc_sent_bytes_total',
    'etcd_network_peer_sent_bytes_total',
    'etcd_network_peer_received_bytes_total',
    'etcd_network_peer_sent_failures_total',
    'etcd_network_peer_round_trip_time_seconds',
    'grpc_server_started_total',
    'grpc_server_handled_total',
    'grpc_server_msg_received_total',
    'grpc_server_msg_sent_total',
    'grpc_server_handling_seconds',
    'process_resident_memory_bytes',
    'process_cpu_seconds_total',
    'process_open_fds',
    'process_max_fds',
    'process_start_time_seconds',
  ]) {
    expect(named, name).toContain(name);
  }
});
