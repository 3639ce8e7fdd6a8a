/** Flags, environment and defaults; and every mistake of the bad-input catalogue in one line that names flag and fix. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { toolVersion } from '../../src/cli/cluster-commands.ts';
import { type MemberConfig, readConfig } from '../../src/ops/config.ts';
import { memberFlags } from '../../src/ops/config-flags.ts';
import { leaseholdVersion } from '../../src/ops/version.ts';

function config(argv: readonly string[], env: Record<string, string> = {}): MemberConfig {
  const read = readConfig(argv, env);
  if (read.type !== 'run') throw new Error(JSON.stringify(read));
  return read.config;
}
function refusal(argv: readonly string[], env: Record<string, string> = {}): string {
  const read = readConfig(argv, env);
  if (read.type !== 'refused') throw new Error(`not refused: ${argv.join(' ')}`);
  expect(read.line).not.toContain('\n');
  expect(read.exitCode).toBeGreaterThan(0);
  return read.line;
}

describe('what is read', () => {
  it('with nothing: one member on etcd’s ports, loopback', () => {
    expect(config([])).toEqual({
      name: 'default',
      dataDir: 'default.leasehold',
      listenPeerUrls: [{ host: '127.0.0.1', port: 2380, text: 'http://127.0.0.1:2380' }],
      listenClientUrls: [{ host: '127.0.0.1', port: 2379, text: 'http://127.0.0.1:2379' }],
      listenMetricsUrls: [],
      advertiseClientUrls: ['http://127.0.0.1:2379'],
      advertisePeerUrl: 'http://127.0.0.1:2380',
      initialCluster: [{ name: 'default', peerUrl: 'http://127.0.0.1:2380' }],
      initialClusterState: 'new',
      initialClusterToken: 'etcd-cluster',
      heartbeatMs: 100,
      electionMs: 1000,
      quotaBytes: 512 * 1024 * 1024,
      txnOpsMax: 128,
      requestBytesMax: 1_572_864,
      streamsMax: 10_000,
      requestTimeoutMs: 7_000,
      watchProgressMs: 600_000,
      logLevel: 'info',
      logFormat: 'json',
      peerDial: new Map(),
      warnings: [],
    });
  });

  it('a member of three, with the flags of an etcd Procfile', () => {
    const read = config(
      '--name n2 --listen-client-urls http://127.0.0.1:22379 --advertise-client-urls http://127.0.0.1:22379 --listen-peer-urls http://127.0.0.1:22380 --initial-advertise-peer-urls http://127.0.0.1:22380/ --initial-cluster-token t --initial-cluster n3=http://127.0.0.1:32380,n1=http://127.0.0.1:2380,n2=http://127.0.0.1:22380 --initial-cluster-state new --enable-pprof --logger=zap --log-outputs=stderr'.split(
        ' ',
      ),
    );
    expect(read.initialCluster.map((member) => member.name)).toEqual(['n1', 'n2', 'n3']);
    expect(read.dataDir).toBe('n2.leasehold');
    expect(read.warnings).toEqual(['--enable-pprof has no effect: not supported yet']);
  });

  it('flag over LEASEHOLD_ over ETCD_ over default; an empty variable is none', () => {
    const env = { ETCD_NAME: 'e', LEASEHOLD_NAME: 'l', ETCD_HEARTBEAT_INTERVAL: '50', LEASEHOLD_DATA_DIR: '' };
    expect(config([], env)).toMatchObject({ name: 'l', heartbeatMs: 50, dataDir: 'l.leasehold' });
    expect(config(['--name=f'], env).name).toBe('f');
    expect(config([], { ETCD_NAME: 'e' }).name).toBe('e');
  });

  it('peers may be dialled elsewhere than they say', () => {
    const cluster = 'n1=http://127.0.0.1:2380,n2=http://127.0.0.1:2,n3=http://127.0.0.1:3';
    const read = config([
      '--name=n1',
      `--initial-cluster=${cluster}`,
      '--peer-dial=n2=http://127.0.0.1:22,n3=http://127.0.0.1:33',
    ]);
    expect([...read.peerDial]).toEqual([
      ['n2', 'http://127.0.0.1:22'],
      ['n3', 'http://127.0.0.1:33'],
    ]);
  });

  it('several client URLs, IPv6, port 0', () => {
    const read = config([
      '--listen-client-urls=http://127.0.0.1:0,http://[::1]:2379',
      '--listen-peer-urls',
      'http://localhost:9',
    ]);
    expect(read.listenClientUrls.map((url) => [url.host, url.port])).toEqual([
      ['127.0.0.1', 0],
      ['::1', 2379],
    ]);
    expect(read.advertiseClientUrls).toEqual([]);
    expect(read.advertisePeerUrl).toBe('http://localhost:9');
  });

  it('numbers and durations', () => {
    const read = config('--quota-backend-bytes=0 --request-timeout=2500ms --max-txn-ops=5'.split(' '));
    expect(read).toMatchObject({ quotaBytes: 512 * 1024 * 1024, requestTimeoutMs: 2500, txnOpsMax: 5, warnings: [] });
    expect(config(['--quota-backend-bytes=-1']).quotaBytes).toBe(Number.POSITIVE_INFINITY);
    expect(config(['--quota-backend-bytes=20000']).quotaBytes).toBe(20_000);
  });

  it.each([
    ['', 600_000],
    ['--watch-progress-notify-interval=0', 600_000],
    ['--watch-progress-notify-interval=1m30s', 90_000],
    ['--experimental-watch-progress-notify-interval=5s', 5_000],
    ['--experimental-watch-progress-notify-interval=5ms', 100],
    ['--watch-progress-notify-interval=7s --experimental-watch-progress-notify-interval=5s', 7_000],
  ])('progress of watchers: %s', (flags, watchProgressMs) => {
    expect(config(flags === '' ? [] : flags.split(' '))).toMatchObject({ watchProgressMs, warnings: [] });
  });

  it.each([
    ['', undefined],
    ['--auto-compaction-retention=0', undefined],
    ['--auto-compaction-mode=revision', undefined],
    ['--auto-compaction-retention=5m', { mode: 'periodic', periodMs: 300_000 }],
    ['--auto-compaction-retention=8 --auto-compaction-mode=periodic', { mode: 'periodic', periodMs: 8 * 3_600_000 }],
    ['--auto-compaction-mode=revision --auto-compaction-retention=1000', { mode: 'revision', revisions: 1_000 }],
  ])('compaction by itself: %s', (flags, autoCompaction) => {
    expect(config(flags === '' ? [] : flags.split(' '))).toMatchObject({ autoCompaction, warnings: [] });
  });

  it.each([
    ['--auto-compaction-retention=soon', '"soon" is no time to keep, of 1s or more, as in 30m, or 8 for hours'],
    ['--auto-compaction-retention=-5', '"-5" is no time to keep, of 1s or more, as in 30m, or 8 for hours'],
    ['--auto-compaction-retention=5ms', '"5ms" is no time to keep, of 1s or more, as in 30m, or 8 for hours'],
    ['--auto-compaction-mode=period', '"period" is not one of periodic, revision'],
    [
      '--auto-compaction-mode=revision --auto-compaction-retention=1h',
      '"1h" is no number of revisions to keep, as in 1000',
    ],
  ])('compaction by itself, refused: %s', (flags, why) => {
    const read = readConfig(flags.split(' '), {});
    expect(read.type === 'refused' ? read.line : read.type).toContain(why);
  });

  it('warns of what has no effect, once each, and of clients beyond loopback', () => {
    const argv = [
      '--cors=*',
      '--auto-compaction-retention=0',
      '--listen-client-urls=http://10.0.0.1:2379',
      '--pre-vote=true',
    ];
    const { warnings } = config(argv, {
      LEASEHOLD_NAMES: 'x',
      ETCD_BCRYPT_COST: '10',
      ETCDCTL_API: '3',
      ETCD_SERVICE_HOST: 'k8s',
    });
    expect(warnings).toEqual([
      'unknown variable LEASEHOLD_NAMES in the environment (did you mean LEASEHOLD_NAME?)',
      '--cors has no effect: not supported yet',
      '--bcrypt-cost (from ETCD_BCRYPT_COST) has no effect: there are no users yet',
      'clients on http://10.0.0.1:2379 are neither encrypted nor authenticated; anybody who reaches it can do anything',
    ]);
  });

  it('a switch that asks for what we do is taken in silence, its opposite is warned of, and neither eats the next word', () => {
    const always = ['pre-vote', 'strict-reconfig-check', 'experimental-enable-lease-checkpoint'];
    expect(config(always.map((name) => `--${name}=1`)).warnings).toEqual([]);
    expect(config(always.map((name) => `--${name}=false`)).warnings).toEqual(
      always.map((name) => `--${name} has no effect: always so`),
    );
    expect(config(['--socket-reuse-port', '--name=n7', '--snapshot-count=10'])).toMatchObject({
      name: 'n7',
      warnings: [
        '--snapshot-count has no effect: decided by size here',
        '--socket-reuse-port has no effect: not supported yet',
      ],
    });
    expect(config(['--force-new-cluster=0', '--auto-tls=F']).warnings).toEqual([]);
  });

  it('help and version', () => {
    const help = readConfig(['--help'], {});
    expect(help.type === 'print' && help.text).toContain('--listen-client-urls');
    expect(readConfig(['--version'], {})).toEqual({ type: 'print', text: `leasehold Version: ${leaseholdVersion}\n` });
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect([leaseholdVersion, toolVersion]).toEqual([version, version]);
  });

  it('knows every flag of etcd 3.4, each once', () => {
    const names = memberFlags.map((flag) => flag.name);
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
    const etcd =
      'name data-dir wal-dir snapshot-count heartbeat-interval election-timeout initial-election-tick-advance listen-peer-urls listen-client-urls max-snapshots max-wals quota-backend-bytes backend-batch-interval backend-batch-limit max-txn-ops max-request-bytes max-concurrent-streams grpc-keepalive-min-time grpc-keepalive-interval grpc-keepalive-timeout initial-advertise-peer-urls initial-cluster initial-cluster-state initial-cluster-token advertise-client-urls discovery discovery-fallback discovery-proxy discovery-srv discovery-srv-name strict-reconfig-check pre-vote auto-compaction-retention auto-compaction-mode enable-v2 cert-file key-file client-cert-auth client-crl-file client-cert-allowed-hostname trusted-ca-file auto-tls peer-cert-file peer-key-file peer-client-cert-auth peer-trusted-ca-file peer-cert-allowed-cn peer-cert-allowed-hostname peer-auto-tls peer-crl-file cipher-suites cors host-whitelist auth-token bcrypt-cost auth-token-ttl enable-pprof metrics listen-metrics-urls logger log-outputs log-level proxy proxy-failure-wait proxy-refresh-interval proxy-dial-timeout proxy-write-timeout proxy-read-timeout experimental-initial-corrupt-check experimental-corrupt-check-time experimental-enable-v2v3 experimental-backend-bbolt-freelist-type experimental-enable-lease-checkpoint experimental-compaction-batch-limit experimental-peer-skip-client-san-verification experimental-watch-progress-notify-interval experimental-warning-apply-duration force-new-cluster debug log-package-levels config-file';
    expect(etcd.split(' ').filter((name) => !names.includes(name))).toEqual([]);
  });
});

describe('mistakes are one line that names the flag and the fix', () => {
  const three = 'n1=http://127.0.0.1:1001,n2=http://127.0.0.1:1002,n3=http://127.0.0.1:1003';
  it.each<[string, string]>([
    ['--nmae=x', 'unknown flag --nmae (did you mean --name?); leasehold --help lists all'],
    ['--listen-client-url=x', 'unknown flag --listen-client-url (did you mean --listen-client-urls?)'],
    ['--name', '--name needs a value, as in --name=…'],
    ['start', '"start" is no flag; leasehold takes flags only, see --help'],
    ['--name=', '--name: "" cannot name a member; use letters, digits, - and _'],
    ['--name=a,b', '--name: "a,b" cannot name a member'],
    ['--name=a/b', '--name: "a/b" cannot name a member'],
    ['--listen-client-urls=127.0.0.1:2379', '"127.0.0.1:2379" is no URL; write it as http://host:port'],
    ['--listen-client-urls=http://127.0.0.1', 'names no port; write it as http://host:port'],
    ['--listen-client-urls=http://:2379', 'names no host; write it as http://host:port'],
    ['--listen-client-urls=http://127.0.0.1:99999', 'has a port above 65535'],
    ['--listen-client-urls=http://127.0.0.1:1/x', 'has a path; end it after the port'],
    ['--listen-client-urls=https://127.0.0.1:1', 'asks for TLS, which is not supported yet; use http://'],
    ['--listen-client-urls=unix:///tmp/x', 'has scheme unix; use http://'],
    ['--listen-client-urls=http://example.com:1', 'names a host; to listen, give an IP address or localhost'],
    ['--listen-client-urls=,', '--listen-client-urls: "" is no URL'],
    [
      '--listen-client-urls=http://127.0.0.1:2380',
      '--listen-client-urls: http://127.0.0.1:2380 is taken by --listen-peer-urls',
    ],
    ['--insecure-peer-transport --listen-peer-urls=http://0.0.0.0:2379', 'is taken by --listen-peer-urls'],
    ['--listen-metrics-urls=http://[::]:2379', 'is taken by --listen-client-urls; give each its own port'],
    ['--pre-vote=maybe', '--pre-vote: "maybe" is neither true nor false'],
    ['--insecure-peer-transport=maybe', '--insecure-peer-transport: "maybe" is neither true nor false'],
    ['--listen-client-urls=http://0.0.0.0:2379', '--advertise-client-urls: is needed, as http://0.0.0.0:2379'],
    [
      '--advertise-client-urls=http://0.0.0.0:1',
      '--advertise-client-urls: http://0.0.0.0:1 is no address others can reach',
    ],
    ['--advertise-client-urls=http://h:0', '--advertise-client-urls: http://h:0 has port 0'],
    ['--listen-peer-urls=http://0.0.0.0:2380', '--listen-peer-urls: http://0.0.0.0:2380 is beyond loopback'],
    ['--listen-peer-urls=http://10.1.1.1:2380', 'on a network you trust add --insecure-peer-transport'],
    [
      '--insecure-peer-transport=maybe --listen-peer-urls=http://10.1.1.1:1',
      '--insecure-peer-transport: "maybe" is neither true nor false',
    ],
    ['--initial-cluster=n1', '--initial-cluster: "n1" is not name=http://host:port'],
    ['--initial-cluster==http://h:1', 'is not name=http://host:port'],
    [
      `--initial-cluster=${three}`,
      '--initial-cluster: does not name this member: --name is default, the list has n1, n2, n3',
    ],
    [
      `--name=n1 --initial-cluster=${three}`,
      'says n1 is at http://127.0.0.1:1001, but this member advertises http://127.0.0.1:2380',
    ],
    ['--name=a --initial-cluster=a=http://127.0.0.1:2380,a=http://h:2', '--initial-cluster: names a twice'],
    ['--name=a --initial-cluster=a=http://127.0.0.1:2380,b=http://localhost:2380', 'gives a and b the same URL'],
    [
      '--name=a --initial-cluster=a=http://127.0.0.1:2380,b=http://h:2',
      'names 2 members; an even number survives no more failures',
    ],
    ['--initial-advertise-peer-urls=http://h:1,http://h:2', '--initial-advertise-peer-urls: names several URLs'],
    ['--initial-cluster-state=old', '--initial-cluster-state: "old" is not one of new, existing'],
    [
      '--peer-dial=n9=http://127.0.0.1:1',
      '--peer-dial: "n9=http://127.0.0.1:1" does not name a member of --initial-cluster',
    ],
    ['--heartbeat-interval=1', '--heartbeat-interval: "1" is not a whole number from 10 to 10000'],
    ['--heartbeat-interval=1e2', '--heartbeat-interval: "1e2" is not a whole number'],
    [
      '--heartbeat-interval=300',
      '--election-timeout: 1000 ms is less than five heartbeats of 300 ms; use --election-timeout=1500 or more',
    ],
    ['--election-timeout=100 --heartbeat-interval=100', '--election-timeout: 100 ms is less than five heartbeats'],
    ['--election-timeout=60000', '--election-timeout: "60000" is not a whole number from 50 to 50000'],
    ['--quota-backend-bytes=-x', '--quota-backend-bytes: "-x" is not a whole number'],
    ['--max-txn-ops=0', '--max-txn-ops: "0" is not a whole number from 1'],
    ['--max-request-bytes=99999999', '--max-request-bytes: "99999999" is not a whole number from 1024 to 4194304'],
    [
      '--watch-progress-notify-interval=2h',
      '--watch-progress-notify-interval: "2h" is no duration from 1ms to 60m; write it as 7s or 500ms',
    ],
    ['--request-timeout=5', '--request-timeout: "5" is no duration from 1ms to 10m; write it as 7s or 500ms'],
    ['--log-level=loud', '--log-level: "loud" is not one of debug, info, warn, error, panic, fatal'],
    ['--log-format=xml', '--log-format: "xml" is not one of json, console'],
    ['--cert-file=x', '--cert-file: TLS is not supported yet; leave the flag out'],
    ['--client-cert-auth', '--client-cert-auth: TLS is not supported yet; leave the flag out'],
    ['--peer-auto-tls=true', '--peer-auto-tls: TLS is not supported yet; leave the flag out'],
    ['--auth-token=jwt,pub-key=x', '--auth-token: there are no users yet; leave the flag out'],
    ['--host-whitelist=example.com', '--host-whitelist: hosts cannot be restricted yet; use a firewall'],
    ['--config-file=x.yml', '--config-file: configuration files are not supported yet; use flags or LEASEHOLD_*'],
    ['--force-new-cluster', '--force-new-cluster: not supported'],
    ['--discovery=http://x', '--discovery: discovery is not supported; name the members with --initial-cluster'],
  ])('%s', (argv, line) => {
    expect(refusal(argv.split(' '))).toContain(line);
  });

  it('an unknown flag ends with 2, a bad value with 1', () => {
    expect(readConfig(['--nosuch'], {})).toMatchObject({ exitCode: 2 });
    expect(readConfig(['--log-level=x'], {})).toMatchObject({ exitCode: 1 });
  });

  it('says so when the value came from the environment', () => {
    expect(refusal([], { ETCD_HEARTBEAT_INTERVAL: 'x' })).toContain(
      '--heartbeat-interval (from ETCD_HEARTBEAT_INTERVAL): "x"',
    );
    expect(refusal([], { LEASEHOLD_CERT_FILE: 'x' })).toContain('--cert-file (from LEASEHOLD_CERT_FILE): TLS');
  });

  it('harmless values of refused flags pass', () => {
    expect(
      config(
        '--client-cert-auth=false --auth-token=simple --host-whitelist=* --proxy=off --force-new-cluster=false'.split(
          ' ',
        ),
      ).warnings,
    ).toEqual([]);
  });
});
