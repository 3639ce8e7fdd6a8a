/**
 * The stock etcdctl 3.4 against a three-member cluster of ours, through each member, and the same command lines against a real
 * etcd: same output, same exit code, but for ids. Skipped, and said so, where Debian's etcd-server and etcd-client are missing.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePorts, ProcessCluster, pause } from '../cluster/processes.ts';

const installed = spawnSync('etcd', ['--version']).status === 0 && spawnSync('etcdctl', ['version']).status === 0;
if (!installed) console.log('skipped: etcdctl against a cluster; install etcd-server and etcd-client to run it');

interface Run {
  readonly out: string;
  readonly code: number | null;
}

function etcdctl(endpoint: string, args: readonly string[]): Run {
  const { stdout, stderr, status } = spawnSync('etcdctl', ['--endpoints', endpoint, ...args], {
    encoding: 'utf8',
    timeout: 15_000,
    env: { PATH: process.env['PATH'] ?? '', ETCDCTL_API: '3' },
  });
  return { out: stdout + stderr.replace(/^\{"level":"warn".*\n/gm, ''), code: status };
}

/**
 * One script, its lines through the endpoints in turn. `$L` is the id of the lease granted by the last `lease grant`. Ids are masked,
 * and so is the second that timetolive may be off by.
 */
function transcript(endpoints: readonly string[], lines: readonly string[]): string[] {
  let lease = '';
  return lines.map((line, i) => {
    const args = line.replaceAll('$L', lease).split(' ');
    const { out, code } = etcdctl(endpoints[i % endpoints.length] as string, args);
    lease = /^lease ([0-9a-f]{16}) granted/.exec(out)?.[1] ?? lease;
    return `${line}\n${out.replaceAll(lease || ' ', '<lease>').replace(/remaining\(\d+s\)/, 'remaining(<s>)')}exit ${code}`;
  });
}

const script = [
  'lease grant 60',
  'put foo bar --lease=$L',
  'put other x',
  'lease timetolive $L',
  'lease timetolive $L --keys',
  'lease keep-alive --once $L',
  'lease list',
  'get foo',
  'get --prefix f --keys-only',
  'get foo --print-value-only',
  'put foo baz --ignore-lease',
  'put foo --ignore-value --lease=$L',
  'put foo qux --prev-kv --lease=$L',
  'put nolease x --lease=7',
  'lease revoke $L',
  'get foo',
  'get other',
  'lease revoke $L',
  'lease timetolive $L --keys',
  'lease keep-alive --once $L',
  'lease list',
  'lease grant 0',
  'lease timetolive 123456789 --keys',
  'del other --prev-kv',
  'del other',
  'lease grant 9000000001',
];

describe.skipIf(!installed)('etcdctl', () => {
  let cluster: ProcessCluster | undefined;
  let etcd: ChildProcess | undefined;
  let directory = '';
  let reference = '';

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'etcd-'));
    const [client, peer] = await freePorts(2);
    reference = `127.0.0.1:${client}`;
    const urls = ['--listen-client-urls', '--advertise-client-urls'].map((flag) => `${flag}=http://${reference}`);
    const peers = ['--listen-peer-urls', '--initial-advertise-peer-urls'].map(
      (flag) => `${flag}=http://127.0.0.1:${peer}`,
    );
    const name = ['--name=e', `--initial-cluster=e=http://127.0.0.1:${peer}`];
    etcd = spawn('etcd', [...name, `--data-dir=${directory}`, ...urls, ...peers], { stdio: 'ignore' });
    cluster = await ProcessCluster.start({ proxied: false });
    await cluster.ready();
    for (let tries = 0; etcdctl(reference, ['get', 'x']).code !== 0 && tries < 100; tries++) await pause(100);
  });

  afterAll(async () => {
    await cluster?.stop();
    etcd?.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  });

  test('the same command lines give the same output and exit codes, each through another member', () => {
    const endpoints = (cluster as ProcessCluster).endpoints;
    expect(transcript(endpoints, script)).toEqual(transcript([reference], script));
  });

  test.each([0, 1, 2])('a lease of 2 s ends through member %i, and its key with it, within 2.5 s', async (i) => {
    const endpoint = (cluster as ProcessCluster).endpoints[i] as string;
    const lease = /^lease ([0-9a-f]{16})/.exec(etcdctl(endpoint, ['lease', 'grant', '2']).out)?.[1] ?? '';
    expect(etcdctl(endpoint, ['put', `short${i}`, 'v', `--lease=${lease}`]).out).toBe('OK\n');
    expect(etcdctl(endpoint, ['get', `short${i}`]).out).toBe(`short${i}\nv\n`);
    await pause(2_500);
    expect(etcdctl(endpoint, ['get', `short${i}`]).out).toBe('');
    expect(etcdctl(endpoint, ['lease', 'timetolive', lease]).out).toBe(`lease ${lease} already expired\n`);
  });

  test('commands about single endpoints take URLs: etcdctl dials each under its own', async () => {
    const endpoints = (cluster as ProcessCluster).endpoints.map((endpoint) => `http://${endpoint}`);
    const all = endpoints.join(',');
    const one = endpoints[0] as string;
    const names = (out: string): string[] => [...out.matchAll(/^http:\/\/[^, ]+/gm)].map(([name]) => name).sort();
    for (const [given, args] of [
      [all, ['endpoint', 'status']],
      [one, ['endpoint', 'status', '--cluster']],
      [all, ['endpoint', 'hashkv']],
      [one, ['endpoint', 'hashkv', '--cluster']],
      [all, ['endpoint', 'health']],
      [one, ['endpoint', 'health', '--cluster']],
    ] as const) {
      const { out, code } = etcdctl(given, args);
      expect(code, out).toBe(0);
      expect(names(out), args.join(' ')).toEqual([...endpoints].sort());
    }
    expect(names(etcdctl(one, ['endpoint', 'status']).out)).toEqual([one]);
    const hashes = etcdctl(all, ['endpoint', 'hashkv']).out.trim().split('\n');
    expect(new Set(hashes.map((line) => line.split(', ')[1])).size).toBe(1);
    // Not supported yet, and said by the member itself: the call has reached it.
    expect(etcdctl(one, ['defrag']).out).toContain('leasehold: ');
  });

  test('a watch prints the put and the end of the lease as it does against etcd', async () => {
    const ours = await watched((cluster as ProcessCluster).endpoints[1] as string);
    expect(ours).toEqual(await watched(reference));
    expect(ours).toContain('DELETE\nseen\nv');
  });
});

/** What `watch --prev-kv` prints while a key is put on a lease of 2 s and the lease ends. */
async function watched(endpoint: string): Promise<string> {
  const lease = /^lease ([0-9a-f]{16})/.exec(etcdctl(endpoint, ['lease', 'grant', '2']).out)?.[1] ?? '';
  const watch = spawn('etcdctl', ['--endpoints', endpoint, 'watch', 'seen', '--prev-kv'], {
    env: { PATH: process.env['PATH'] ?? '', ETCDCTL_API: '3' },
  });
  let out = '';
  watch.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  await pause(700);
  etcdctl(endpoint, ['put', 'seen', 'v', `--lease=${lease}`]);
  for (let tries = 0; !out.includes('DELETE') && tries < 200; tries++) await pause(50);
  await pause(100);
  watch.kill('SIGKILL');
  return out;
}
