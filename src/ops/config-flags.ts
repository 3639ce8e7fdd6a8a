/**
 * Every flag the member knows, in one table: those it uses, those of etcd that change nothing here, and those of etcd that
 * would make it safer or different and are therefore refused. Help, environment and parser all read this table.
 */
import { leaseTtlSecondsMax, requestBytesMax, streamsPerConnectionMax, txnOpsMax } from '../base/limits.ts';

/**
 * What becomes of a flag: `used`; `silent`, a switch accepted because it asks for what we do anyway; `warned`, accepted and said
 * to have no effect; `refused`, because to ignore it would be unsafe or start another cluster than was asked for.
 */
export type FlagFate = 'used' | 'silent' | 'warned' | 'refused';

/** A flag of the table. */
export interface MemberFlag {
  readonly name: string;
  readonly kind: 'value' | 'switch';
  readonly fate: FlagFate;
  /** Default as text; '' where it is worked out from others. */
  readonly fallback: string;
  /** Help, or for a flag that is not used why not. */
  readonly text: string;
  /** Values that ask for nothing: neither warned about nor refused. */
  readonly harmless: readonly string[];
}

const used = (name: string, fallback: string, text: string, kind: 'value' | 'switch' = 'value'): MemberFlag => ({
  name,
  kind,
  fate: 'used',
  fallback,
  text,
  harmless: [],
});
const others = (
  fate: FlagFate,
  text: string,
  kind: 'value' | 'switch',
  names: string,
  harmless: readonly string[] = [],
): readonly MemberFlag[] =>
  names.split(' ').map((name) => ({ name, kind, fate, fallback: '', text, harmless: ['', ...harmless] }));

const off: readonly string[] = ['false'];
const on: readonly string[] = ['true'];
const tls = 'TLS is not supported yet';

/** The table. */
export const memberFlags: readonly MemberFlag[] = [
  used('name', 'default', "This member's name"),
  used('data-dir', '', 'Where everything is kept (default <name>.leasehold)'),
  used('listen-peer-urls', 'http://127.0.0.1:2380', 'Where other members reach this one'),
  used('listen-client-urls', 'http://127.0.0.1:2379', 'Where clients reach this member'),
  used('listen-metrics-urls', '', 'More places that serve /metrics and /health'),
  used('advertise-client-urls', '', 'Client URLs told to the cluster (default: listen-client-urls)'),
  used('initial-advertise-peer-urls', '', 'Peer URL told to the cluster (default: listen-peer-urls)'),
  used('initial-cluster', '', 'All first members: n1=http://host:2380,n2=… (default: this member alone)'),
  used('peer-dial', '', 'Reach members elsewhere than at their peer URLs: n2=http://host:port,n3=… (tunnels, proxies)'),
  used('initial-cluster-state', 'new', 'new or existing'),
  used('initial-cluster-token', 'etcd-cluster', 'Keeps clusters with the same members apart'),
  used('heartbeat-interval', '100', 'Milliseconds between heartbeats of the leader'),
  used('election-timeout', '1000', 'Milliseconds without a leader before an election'),
  used(
    'quota-backend-bytes',
    String(512 * 1024 * 1024),
    'Bytes of keys and leases before writes are refused (0: the default, negative: never)',
  ),
  used('auto-compaction-mode', 'periodic', 'What the retention counts: periodic (time) or revision'),
  used(
    'auto-compaction-retention',
    '0',
    'History the leader keeps when it compacts by itself: 30m, 8 (hours), or revisions (0: all)',
  ),
  used('max-txn-ops', String(txnOpsMax), 'Operations in a transaction'),
  used('max-request-bytes', String(requestBytesMax), 'Bytes of a request'),
  used('max-concurrent-streams', String(streamsPerConnectionMax), 'Calls at a time on one connection'),
  used('request-timeout', '', 'How long a request may wait, as in 7s (default: 5 s and two election timeouts)'),
  used(
    'watch-progress-notify-interval',
    '',
    'How often idle watchers that want it are told how far they are (default 10m)',
  ),
  used('experimental-watch-progress-notify-interval', '', 'The same, by its name of etcd 3.4'),
  used('insecure-peer-transport', 'false', 'Let peers listen beyond loopback though there is no TLS yet', 'switch'),
  used('log-level', 'info', 'debug, info, warn, error, panic or fatal'),
  used('log-format', 'json', 'json or console'),
  ...others('silent', 'always so', 'switch', 'pre-vote strict-reconfig-check initial-election-tick-advance', on),
  ...others(
    'silent',
    'always so',
    'switch',
    'experimental-enable-lease-checkpoint experimental-enable-lease-checkpoint-persist',
    on,
  ),
  ...others('warned', 'decided by size here', 'value', 'snapshot-count experimental-snapshot-catchup-entries'),
  ...others('warned', 'logs go to stderr', 'value', 'log-outputs', ['default', 'stderr']),
  ...others('warned', 'logs are JSON lines or console', 'value', 'logger', ['zap', 'capnslog']),
  ...others('warned', 'there is one set of metrics', 'value', 'metrics', ['basic']),
  ...others('warned', 'the log is kept under --data-dir', 'value', 'wal-dir'),
  ...others(
    'warned',
    'not supported yet',
    'value',
    'grpc-keepalive-min-time grpc-keepalive-interval grpc-keepalive-timeout cors',
  ),
  ...others('warned', 'not supported yet', 'value', 'listen-client-http-urls'),
  ...others('warned', 'not supported yet', 'switch', 'socket-reuse-port socket-reuse-address', off),
  ...others(
    'warned',
    'not supported yet',
    'value',
    'experimental-warning-apply-duration warning-unary-request-duration',
  ),
  ...others(
    'warned',
    'not supported yet',
    'value',
    'experimental-corrupt-check-time experimental-compaction-batch-limit',
  ),
  ...others(
    'warned',
    'leasehold stores data its own way',
    'value',
    'backend-batch-interval backend-batch-limit max-snapshots max-wals',
  ),
  ...others(
    'warned',
    'leasehold stores data its own way',
    'value',
    'experimental-backend-bbolt-freelist-type backend-bbolt-freelist-type',
  ),
  ...others(
    'warned',
    'not supported yet',
    'switch',
    'enable-pprof enable-grpc-gateway experimental-initial-corrupt-check',
    off,
  ),
  ...others('warned', 'use --log-level=debug', 'switch', 'debug', off),
  ...others('warned', 'use --log-level', 'value', 'log-package-levels'),
  ...others('warned', 'there is no v2 API', 'switch', 'enable-v2', off),
  ...others('warned', 'there is no v2 API', 'value', 'experimental-enable-v2v3'),
  ...others('warned', 'data is always synced', 'switch', 'unsafe-no-fsync', off),
  ...others('warned', 'there are no users yet', 'value', 'bcrypt-cost auth-token-ttl'),
  ...others('warned', 'there is no proxy', 'value', 'proxy-failure-wait proxy-refresh-interval proxy-dial-timeout'),
  ...others('warned', 'there is no proxy', 'value', 'proxy-write-timeout proxy-read-timeout'),
  ...others('refused', 'configuration files are not supported yet; use flags or LEASEHOLD_*', 'value', 'config-file'),
  ...others(
    'refused',
    'not supported; to start over, restore a backup under a new --initial-cluster-token',
    'switch',
    'force-new-cluster',
    off,
  ),
  ...others(
    'refused',
    'discovery is not supported; name the members with --initial-cluster',
    'value',
    'discovery discovery-srv',
  ),
  ...others('warned', 'discovery is not supported', 'value', 'discovery-fallback discovery-proxy discovery-srv-name'),
  ...others('refused', 'there is no proxy', 'value', 'proxy', ['off']),
  ...others('refused', 'hosts cannot be restricted yet; use a firewall', 'value', 'host-whitelist', ['*']),
  ...others('refused', 'there are no users yet', 'value', 'auth-token', ['simple']),
  ...others('refused', tls, 'value', 'cert-file key-file trusted-ca-file client-crl-file client-cert-allowed-hostname'),
  ...others(
    'refused',
    tls,
    'value',
    'peer-cert-file peer-key-file peer-trusted-ca-file peer-crl-file peer-cert-allowed-cn',
  ),
  ...others(
    'refused',
    tls,
    'value',
    'peer-cert-allowed-hostname cipher-suites tls-min-version tls-max-version ca-file peer-ca-file',
  ),
  ...others(
    'refused',
    tls,
    'value',
    'peer-client-cert-file peer-client-key-file client-cert-file client-key-file self-signed-cert-validity',
  ),
  ...others('refused', tls, 'switch', 'client-cert-auth auto-tls peer-client-cert-auth peer-auto-tls', off),
  ...others(
    'refused',
    tls,
    'switch',
    'peer-skip-client-san-verification experimental-peer-skip-client-san-verification',
    off,
  ),
];

/** What `--help` prints. */
export function memberHelp(): string {
  const lines = memberFlags
    .filter((flag) => flag.fate === 'used')
    .map((flag) => {
      const shown = flag.fallback === '' ? '' : ` '${flag.fallback}'`;
      return `  --${`${flag.name}${shown}`.padEnd(52)} ${flag.text}\n`;
    });
  return `leasehold: a member of a lease cluster that speaks etcd v3

Usage:
  leasehold [flags]        with none: a cluster of one, clients on http://127.0.0.1:2379
  leasehold --version

Every flag is also read from LEASEHOLD_<FLAG> or ETCD_<FLAG> (--data-dir: LEASEHOLD_DATA_DIR); a flag wins over
LEASEHOLD_*, which wins over ETCD_*. Other flags of etcd are accepted with a warning, or refused where to ignore them would
be unsafe. TTLs: at most ${leaseTtlSecondsMax} seconds.

Flags and their defaults:
${lines.join('')}`;
}
