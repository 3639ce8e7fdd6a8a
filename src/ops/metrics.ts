/**
 * The member's metrics (ecosystem.md §4): etcd's names, so that its dashboards and alerts work, and our own. Owns the registry
 * and nothing else: rooms tell it what happened, and what is a state is asked for when somebody scrapes.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { diskBuckets, lagBuckets, powersOfTwo, shareBuckets } from './buckets.ts';
import { EtcdCounters } from './etcd-counters.ts';
import { type RpcMeter, RpcMetrics } from './rpc-metrics.ts';
import { type Distribution, distribution, type Tally, tally } from './tallies.ts';
import { etcdClusterVersion, etcdVersion } from './version.ts';

/** What a member is at the moment of a scrape. */
export interface NodeFigures {
  readonly memberId: bigint;
  readonly hasLeader: boolean;
  readonly isLeader: boolean;
  readonly isLearner: boolean;
  readonly leaderChanges: number;
  readonly term: number;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly proposalsPending: number;
  readonly proposalsFailed: number;
  readonly quotaBytes: number;
  readonly sizeBytes: number;
  readonly revision: number;
  readonly compactRevision: number;
  readonly keys: number;
  readonly watchers: number;
  /** Of these, those with events still to be sent; and events handed to watchers since the start. */
  readonly laggingWatchers: number;
  readonly eventsSent: number;
  readonly leases: number;
  readonly leaseKeys: number;
  /** Leases due and not yet gone; the primary's, 0 elsewhere. */
  readonly expiryBacklog: number;
  /** Lessor time cut off by stalls of this process. */
  readonly stalledMs: number;
}

/** What went to and came from one peer, since the process started. */
export interface PeerFigures {
  readonly member: bigint;
  readonly outgoing: { readonly sentBytes: number; readonly droppedMessages: number };
  readonly incoming: { readonly receivedBytes: number };
}

export class Metrics {
  readonly registry = new Registry();
  readonly etcd = new EtcdCounters(this.registry);
  readonly #rpc = new RpcMetrics(this.registry, this.etcd);
  readonly #roundTrip: Histogram<string>;
  readonly #granted = this.#counter('etcd_debugging_lease_granted_total', 'Leases granted by this member.');
  readonly #revoked = this.#counter('etcd_debugging_lease_revoked_total', 'Leases revoked by clients of this member.');
  readonly #renewed = this.#counter('etcd_debugging_lease_renewed_total', 'Renewals answered by this member.');
  readonly #expired = this.#counter('etcd_debugging_server_lease_expired_total', 'Leases expired.');
  readonly #checkpoints = this.#counter('lease_checkpoint_total', 'Remaining TTLs written to the log.');
  readonly #ttl = this.#histogram('etcd_debugging_lease_ttl_total', 'TTLs granted, seconds.', powersOfTwo(1, 24));
  readonly #lag = this.#histogram('lease_expiry_lag_seconds', 'From deadline to the expiry applied.', lagBuckets);
  readonly #margin = this.#histogram(
    'lease_keepalive_margin_seconds',
    'What was left of a lease when its renewal was asked for, seconds.',
    powersOfTwo(0.125, 16),
  );
  readonly #marginShare = this.#histogram(
    'lease_keepalive_margin_ratio',
    'What was left of a lease when its renewal was asked for, as a share of its TTL.',
    shareBuckets,
  );
  readonly #fsync = this.#histogram('etcd_disk_wal_fsync_duration_seconds', 'Log write and sync.', diskBuckets);
  readonly #commit = this.#histogram('etcd_disk_backend_commit_duration_seconds', 'Image write and sync.', diskBuckets);

  /** `processMetrics`: also the process's own (memory, CPU, event loop lag); one per process. */
  constructor(options: { readonly processMetrics?: boolean } = {}) {
    const { registry } = this;
    this.#roundTrip = new Histogram({
      name: 'etcd_network_peer_round_trip_time_seconds',
      help: 'From a ping to a peer to its answer.',
      labelNames: ['To'],
      buckets: powersOfTwo(0.0001, 16),
      registers: [registry],
    });
    this.#constant('etcd_server_version', 'The etcd version spoken.', { server_version: etcdVersion });
    const clusterVersion = etcdClusterVersion.split('.').slice(0, 2).join('.');
    this.#constant('etcd_cluster_version', 'The etcd cluster version spoken.', { cluster_version: clusterVersion });
    if (options.processMetrics === true) collectDefaultMetrics({ register: registry });
  }

  /** The counters of a method, all series at zero from now on. */
  rpc(service: string, method: string, type: string): RpcMeter {
    return this.#rpc.meter(service, method, type);
  }

  /** A peer answered a ping. */
  peerRoundTrip(member: bigint, ms: number): void {
    this.#roundTrip.observe({ To: member.toString(16) }, ms / 1000);
  }

  leaseGranted(ttlSeconds: number): void {
    this.#granted.add(1);
    this.#ttl.observe(ttlSeconds);
  }

  leaseRevoked(): void {
    this.#revoked.add(1);
  }

  leaseRenewed(count = 1): void {
    this.#renewed.add(count);
  }

  /** The primary was asked to renew a lease that had `remainingMs` left of `grantedMs`. */
  keepAliveMargin(remainingMs: number, grantedMs: number): void {
    this.#margin.observe(remainingMs / 1000);
    this.#marginShare.observe(remainingMs / grantedMs);
  }

  /** An expiry was applied `lagMs` after the lease's deadline. */
  leaseExpired(lagMs: number): void {
    this.#expired.add(1);
    this.#lag.observe(lagMs / 1000);
  }

  leasesCheckpointed(count: number): void {
    this.#checkpoints.add(count);
  }

  walSynced(seconds: number): void {
    this.#fsync.observe(seconds);
  }

  imageWritten(seconds: number): void {
    this.#commit.observe(seconds);
  }

  /** Names where a scrape takes the traffic with other members from; call once. */
  observePeers(figures: () => readonly PeerFigures[]): void {
    const counter = (name: string, help: string, label: 'To' | 'From', read: (peer: PeerFigures) => number): void => {
      new Counter({
        name,
        help,
        labelNames: [label],
        registers: [this.registry],
        collect() {
          this.reset();
          for (const peer of figures()) this.inc({ [label]: peer.member.toString(16) }, read(peer));
        },
      });
    };
    counter('etcd_network_peer_sent_bytes_total', 'Bytes sent to a peer.', 'To', (peer) => peer.outgoing.sentBytes);
    const received = 'etcd_network_peer_received_bytes_total';
    counter(received, 'Bytes received from a peer.', 'From', (peer) => peer.incoming.receivedBytes);
    const failures = 'etcd_network_peer_sent_failures_total';
    counter(failures, 'Messages to a peer that never left.', 'To', (peer) => peer.outgoing.droppedMessages);
  }

  /** Names where a scrape takes the member's figures from; call once. */
  observeNode(figures: () => NodeFigures): void {
    const gauge = (name: string, help: string, read: (now: NodeFigures) => number | boolean): void => {
      new Gauge({
        name,
        help,
        registers: [this.registry],
        collect() {
          this.set(Number(read(figures())));
        },
      });
    };
    const counter = (name: string, help: string, read: (now: NodeFigures) => number): void => {
      new Counter({
        name,
        help,
        registers: [this.registry],
        collect() {
          this.reset();
          this.inc(read(figures()));
        },
      });
    };
    this.#constant('etcd_server_id', 'This member.', { server_id: figures().memberId.toString(16) });
    gauge('etcd_server_has_leader', 'A leader is known.', (now) => now.hasLeader);
    gauge('etcd_server_is_leader', 'This member leads.', (now) => now.isLeader);
    gauge('etcd_server_is_learner', 'This member does not vote.', (now) => now.isLearner);
    counter('etcd_server_leader_changes_seen_total', 'Leaders seen to change.', (now) => now.leaderChanges);
    gauge('etcd_server_proposals_committed_total', 'Log index committed.', (now) => now.commitIndex);
    gauge('etcd_server_proposals_applied_total', 'Log index applied.', (now) => now.appliedIndex);
    gauge('etcd_server_proposals_pending', 'Requests that wait for an outcome.', (now) => now.proposalsPending);
    counter('etcd_server_proposals_failed_total', 'Requests without an outcome.', (now) => now.proposalsFailed);
    gauge('etcd_server_quota_backend_bytes', 'Bytes of state above which growth is refused.', (now) => now.quotaBytes);
    gauge('etcd_mvcc_db_total_size_in_bytes', 'Bytes of state.', (now) => now.sizeBytes);
    gauge('etcd_mvcc_db_total_size_in_use_in_bytes', 'Bytes of state.', (now) => now.sizeBytes);
    // Its name before 3.4, which the dashboard in etcd's own guide still asks for.
    gauge('etcd_debugging_mvcc_db_total_size_in_bytes', 'Bytes of state.', (now) => now.sizeBytes);
    gauge('etcd_debugging_mvcc_keys_total', 'Keys.', (now) => now.keys);
    gauge('etcd_debugging_mvcc_watcher_total', 'Watchers.', (now) => now.watchers);
    gauge('etcd_debugging_mvcc_slow_watcher_total', 'Watchers that lag.', (now) => now.laggingWatchers);
    counter('etcd_debugging_mvcc_events_total', 'Events handed to watchers.', (now) => now.eventsSent);
    gauge('etcd_debugging_mvcc_current_revision', 'Revision of the store.', (now) => now.revision);
    gauge('etcd_debugging_mvcc_compact_revision', 'Revision compacted.', (now) => now.compactRevision);
    gauge('lease_active', 'Leases alive.', (now) => now.leases);
    gauge('lease_keys_attached', 'Keys attached to leases.', (now) => now.leaseKeys);
    gauge('lease_expiry_backlog', 'Leases due and not yet gone.', (now) => now.expiryBacklog);
    gauge('lease_clock_stalled_seconds', 'Lessor time cut off by stalls.', (now) => now.stalledMs / 1000);
    gauge('raft_term', 'Term.', (now) => now.term);
    gauge('raft_log_first_index', 'First index held.', (now) => now.firstIndex);
    gauge('raft_log_last_index', 'Last index held.', (now) => now.lastIndex);
    gauge('raft_log_commit_index', 'Index committed.', (now) => now.commitIndex);
    gauge('raft_log_applied_index', 'Index applied.', (now) => now.appliedIndex);
  }

  /** The page a scraper reads, and its content type. */
  async page(): Promise<{ readonly type: string; readonly text: string }> {
    return { type: this.registry.contentType, text: await this.registry.metrics() };
  }

  #counter(name: string, help: string): Tally {
    return tally(this.registry, name, help);
  }

  #histogram(name: string, help: string, buckets: readonly number[]): Distribution {
    return distribution(this.registry, name, help, buckets);
  }

  #constant(name: string, help: string, labels: Readonly<Record<string, string>>): void {
    const gauge = new Gauge({ name, help, labelNames: Object.keys(labels), registers: [this.registry] });
    gauge.set({ ...labels }, 1);
  }
}
