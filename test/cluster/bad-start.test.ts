/**
 * What the program is told wrongly: every mistake ends it at once with one line that names flag or file and the fix, and nothing is
 * created (reliability.md §6, CLI and configuration). And a member that runs out of its quota. Real processes.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ProcessCluster, pause } from './processes.ts';
import { Caller, type Ended, insist, type Line, lineTo, residentBytes, runProgram } from './wire.ts';

let home = '';
let taken: Server;
let takenUrl = '';
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'leasehold-start-'));
  taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  takenUrl = `http://127.0.0.1:${(taken.address() as { port: number }).port}`;
});
afterAll(async () => {
  await new Promise((resolve) => taken.close(resolve));
  rmSync(home, { recursive: true, force: true });
});

const open: ProcessCluster[] = [];
const lines: Line[] = [];
afterEach(async () => {
  for (const line of lines.splice(0)) line.close();
  for (const cluster of open.splice(0)) await cluster.stop();
});

const anyClient = '--listen-client-urls=http://127.0.0.1:0';
const somePeer = 'http://127.0.0.1:23801';
const anyPeer = [`--listen-peer-urls=http://127.0.0.1:0`, `--initial-advertise-peer-urls=${somePeer}`];
const three = (names: readonly string[]): string =>
  `--initial-cluster=${names.map((name, i) => `${name}=http://127.0.0.1:${23_801 + i}`).join(',')}`;

/** One line, that says this, and an exit code that is not 0. */
function expectRefused(ended: Ended, says: RegExp): void {
  expect(ended.lines, `exit ${ended.code}: ${ended.log.join('\n')}`).toHaveLength(1);
  expect(ended.lines[0]).toMatch(/^leasehold: /);
  expect(ended.lines[0]).toMatch(says);
  expect(ended.code).toBeGreaterThan(0);
}

describe('a mistake is refused in one line, and nothing is created', () => {
  const rows: readonly (readonly [string, () => readonly string[], RegExp, Record<string, string>?])[] = [
    ['unknown flag', () => ['--nmae=x'], /unknown flag --nmae \(did you mean --name\?\)/],
    ['missing value', () => ['--name'], /--name needs a value/],
    ['a word too many', () => ['start'], /"start" is no flag/],
    [
      'a URL without scheme',
      () => ['--listen-client-urls=localhost:2379'],
      /--listen-client-urls: .*http:\/\/host:port/,
    ],
    ['TLS', () => ['--listen-client-urls=https://127.0.0.1:2379'], /--listen-client-urls: .*TLS.*use http:/],
    ['a certificate', () => ['--cert-file=/a'], /--cert-file: .*leave the flag out/],
    ['a bad duration', () => ['--request-timeout=7 parsecs'], /--request-timeout: .*write it as 7s or 500ms/],
    ['a quota that is no number', () => ['--quota-backend-bytes=1k'], /--quota-backend-bytes: .*whole number from 1 /],
    [
      'election at the heartbeat',
      () => ['--heartbeat-interval=100', '--election-timeout=100'],
      /--election-timeout: 100 ms is less than five heartbeats .*--election-timeout=500/,
    ],
    ['a tick too small', () => ['--heartbeat-interval=1'], /--heartbeat-interval: "1" is not a whole number from 10/],
    [
      'from the environment',
      () => [],
      /--election-timeout \(from ETCD_ELECTION_TIMEOUT\)/,
      { ETCD_ELECTION_TIMEOUT: '7' },
    ],
    [
      'duplicate names',
      () => ['--name=n1', ...anyPeer, three(['n1', 'n2', 'n2'])],
      /--initial-cluster: names n2 twice/,
    ],
    [
      'an even cluster',
      () => ['--name=n1', ...anyPeer, three(['n1', 'n2'])],
      /--initial-cluster: names 2 members.*use 1 or 3/,
    ],
    ['not in the list', () => ['--name=n9', ...anyPeer, three(['n1', 'n2', 'n3'])], /--initial-cluster: .*n9/],
    [
      'to join a cluster with nothing',
      () => ['--initial-cluster-state=existing', anyClient, ...anyPeer],
      /--initial-cluster-state: existing, but .*default\.leasehold holds no member.*start a new cluster with new/,
    ],
    [
      'client port in use',
      () => [`--listen-client-urls=${takenUrl}`, ...anyPeer],
      /--listen-client-urls: .* is in use.*another port/,
    ],
    [
      'peer port in use',
      () => [anyClient, `--listen-peer-urls=${takenUrl}`],
      /--listen-peer-urls: .* is in use.*another port/,
    ],
    [
      'metrics port in use',
      () => [anyClient, ...anyPeer, `--listen-metrics-urls=${takenUrl}`],
      /--listen-metrics-urls: .* is in use/,
    ],
    [
      'not our address',
      () => ['--listen-client-urls=http://192.0.2.1:1', '--advertise-client-urls=http://192.0.2.1:1', ...anyPeer],
      /--listen-client-urls: .* is no address of this machine/,
    ],
    [
      'beyond loopback',
      () => ['--listen-peer-urls=http://0.0.0.0:0'],
      /--listen-peer-urls: .*--insecure-peer-transport/,
    ],
  ];
  for (const [name, flags, says, env] of rows) {
    test(name, async () => {
      const cwd = mkdtempSync(join(home, 'cwd-'));
      const ended = await runProgram(flags(), { cwd, ...(env === undefined ? {} : { env }) });
      expectRefused(ended, says);
      expect(readdirSync(cwd)).toEqual([]);
    });
  }

  test('the data directory is a file, or lies below one', async () => {
    const file = join(home, 'file');
    writeFileSync(file, 'mine');
    expectRefused(
      await runProgram([anyClient, ...anyPeer, `--data-dir=${file}`]),
      /--data-dir: .* is not a directory; name another/,
    );
    expectRefused(
      await runProgram([anyClient, ...anyPeer, `--data-dir=${file}/below`]),
      /--data-dir: .* is not a directory/,
    );
    expect(readFileSync(file, 'utf8')).toBe('mine');
  });

  test('no data directory can be made there', async () => {
    expectRefused(
      await runProgram([anyClient, ...anyPeer, '--data-dir=/proc/x']),
      /--data-dir: .*\(ENOENT\); name another/,
    );
  });

  test('the data directory cannot be written', async ({ skip }) => {
    if (process.getuid?.() === 0) skip('root may write everywhere');
    const closed = join(home, 'closed');
    mkdirSync(closed, { mode: 0o500 });
    expectRefused(
      await runProgram([anyClient, ...anyPeer, `--data-dir=${closed}`]),
      /--data-dir: .* cannot be written/,
    );
  });
});

test('a data directory in use, and one of another cluster', async () => {
  const cluster = await ProcessCluster.start({ members: 1, proxied: false });
  open.push(cluster);
  await cluster.ready(60_000);
  const [member] = cluster.members;
  if (member === undefined) throw new Error('a cluster of one has one member');
  const flags = (name: string, token: string): string[] => [
    `--name=${name}`,
    anyClient,
    '--listen-peer-urls=http://127.0.0.1:0',
    `--initial-advertise-peer-urls=http://127.0.0.1:${member.peerPort}`,
    `--initial-cluster-token=${token}`,
    `--data-dir=${member.dataDir}`,
  ];
  expectRefused(
    await runProgram(flags('n1', cluster.directory)),
    new RegExp(`in use by process ${member.pid}; stop it`),
  );
  const line = lineTo(member.endpoint);
  lines.push(line);
  await insist(() => new Caller(line.client).put('still'));
  await member.stop('SIGTERM');
  expectRefused(
    await runProgram(flags('n1', 'another')),
    /IDENTITY: belongs to cluster .* --initial-cluster-token, or /,
  );
  // None of them changed it: its own member starts.
  member.start();
  await cluster.ready(60_000);
  expect(await insist(() => new Caller(line.client).count('still'))).toBe(1);
});

test('out of quota: growth is refused in etcd’s words, what makes room is not, and the member says so', async () => {
  const cluster = await ProcessCluster.start({
    members: 1,
    proxied: false,
    flags: [`--quota-backend-bytes=${1024 * 1024}`],
  });
  open.push(cluster);
  await cluster.ready(60_000);
  const [member] = cluster.members;
  if (member === undefined) throw new Error('a cluster of one has one member');
  const line = lineTo(member.endpoint);
  lines.push(line);
  const caller = new Caller(line.client);
  const health = async (): Promise<unknown> => (await fetch(`http://${member.endpoint}/health`)).json();
  expect(await health()).toEqual({ health: 'true', reason: '' });
  const short = await caller.grant(2);
  const long = await caller.grant(3_600);
  await caller.put('short', 'x', short);
  await caller.put('long', 'x', long);
  const value = Buffer.alloc(100_000, 1);
  let puts = 0;
  let refusal: unknown;
  for (; puts < 20 && refusal === undefined; puts++) {
    refusal = await caller.put(`fill/${puts}`, value).then(
      () => undefined,
      (error: unknown) => error,
    );
  }
  const noSpace = { code: 8, text: 'etcdserver: mvcc: database space exceeded' };
  expect(refusal).toEqual(noSpace);
  expect(puts).toBeGreaterThan(8);
  expect(await health()).toEqual({ health: 'false', reason: 'ALARM NOSPACE' });
  expect((await fetch(`http://${member.endpoint}/livez`)).status).toBe(200);
  await expect(caller.grant(60)).rejects.toEqual(noSpace);

  // What makes room, and what only looks, goes on: reads, deletes, revokes, expiry.
  expect(await caller.count('fill/', 'fill0')).toBe(puts - 1);
  expect(await caller.delete('fill/0')).toBe(1);
  await caller.revoke(long);
  expect(await caller.count('long')).toBe(0);
  const endMs = performance.now() + 15_000;
  while ((await caller.count('short')) > 0 && performance.now() < endMs) await pause(50);
  expect(await caller.count('short')).toBe(0);
  expect(await caller.leases()).toEqual([]);

  // History counts until it is compacted: deleting every key makes no room yet.
  expect(await caller.delete('fill/', 'fill0')).toBe(puts - 2);
  await expect(caller.put('again')).rejects.toEqual(noSpace);
  expect(await health()).toEqual({ health: 'false', reason: 'ALARM NOSPACE' });
  // And it comes back so after a restart.
  await member.stop('SIGTERM');
  member.start();
  await cluster.ready(60_000);
  await expect(insist(() => caller.count('fill/', 'fill0'))).resolves.toBe(0);
  await expect(caller.put('again')).rejects.toEqual(noSpace);
  expect(residentBytes(member.pid)).toBeLessThan(600 * 1024 * 1024);
});
