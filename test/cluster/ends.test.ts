/**
 * How members end: told to stop before they serve, with a disk that fails on the way out, while a snapshot goes from one to another;
 * and that a member's life does not hang on what its wall clock says. Real processes. S1, S4, S6, R11, L1.
 */
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type ClusterSettings, type MemberProcess, ProcessCluster, pause } from './processes.ts';
import { Caller, insist, type Line, lineTo, settledDigests } from './wire.ts';

const inTimeMs = 5_000;
const mebibyte = 1024 * 1024;

let home = '';
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'leasehold-ends-'));
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

const open: ProcessCluster[] = [];
const lines: Line[] = [];
afterEach(async () => {
  for (const line of lines.splice(0)) line.close();
  for (const cluster of open.splice(0)) await cluster.stop();
});

async function start(settings: ClusterSettings): Promise<ProcessCluster> {
  const cluster = await ProcessCluster.start({ proxied: false, ...settings });
  open.push(cluster);
  return cluster;
}

async function startOne(): Promise<[ProcessCluster, MemberProcess]> {
  const cluster = await start({ members: 1 });
  await cluster.ready(60_000);
  return [cluster, cluster.members[0] as MemberProcess];
}

function callerOf(member: MemberProcess): Caller {
  const line = lineTo(member.endpoint);
  lines.push(line);
  return new Caller(line.client);
}

async function see(what: () => boolean, why: string): Promise<void> {
  const endMs = performance.now() + 30_000;
  for (; !what(); await pause(2)) if (performance.now() > endMs) throw new Error(`in vain waited until ${why}`);
}

/** Tells it to stop; returns how it ended, which must be in time. */
async function told(member: MemberProcess): Promise<string | undefined> {
  const fromMs = performance.now();
  await member.stop('SIGTERM');
  expect(performance.now() - fromMs, member.logTail()).toBeLessThan(inTimeMs);
  return member.exits.at(-1);
}

const said = (member: MemberProcess, text: string): number => member.logTail(100_000).split(text).length - 1;

test('told to stop while it asks the others before its first start: exit 0, and no data directory', async () => {
  const cluster = await start({});
  const [asking, ...others] = cluster.members as [MemberProcess, ...MemberProcess[]];
  for (const member of cluster.members) await member.stop('SIGKILL');
  for (const { dataDir } of cluster.members) rmSync(dataDir, { recursive: true, force: true });
  const before = said(asking, 'waiting for an answer');
  asking.start();
  await see(() => said(asking, 'waiting for an answer') > before, 'it asks');
  expect(await told(asking)).toBe('0');
  expect(existsSync(asking.dataDir)).toBe(false);
  for (const member of [asking, ...others]) member.start();
  await cluster.ready(60_000);
});

test('told to stop at any moment of its start: exit 0, and what it left behind starts', async () => {
  const [cluster, member] = await startOne();
  await callerOf(member).put('kept');
  for (const fresh of [true, false]) {
    await member.stop('SIGKILL');
    if (fresh) rmSync(member.dataDir, { recursive: true });
    for (let afterMs = 100; afterMs <= 900; afterMs += 100) {
      const silentLog = member.logTail(100_000).length;
      member.start();
      await pause(afterMs);
      const end = await told(member);
      // Before its own first line of code nobody listens to signals, and nothing is done.
      if (end === 'SIGTERM') expect(member.logTail(100_000).length).toBe(silentLog);
      else expect(end).toBe('0');
    }
    member.start();
    await cluster.ready(60_000);
    await insist(() => callerOf(member).put('kept'));
  }
});

test('told to stop while its disk hangs at the start: exit 0 in time, and the next start goes on', async () => {
  const [cluster, member] = await startOne();
  await callerOf(member).put('kept');
  await member.stop('SIGKILL');
  const identity = readdirSync(join(member.dataDir, 'member')).filter((name) => name.startsWith('IDENTITY'));
  member.start({ STRANGE_BOOT: '1' });
  await see(() => readdirSync(join(member.dataDir, 'member')).includes('IDENTITY.new'), 'it raises its boot');
  expect(identity).toEqual(['IDENTITY']);
  expect(await told(member)).toBe('0');
  member.start();
  await cluster.ready(60_000);
  expect(await insist(() => callerOf(member).count('kept'))).toBe(1);
});

test('S4: a disk that fails while the member stops: no exit 0', async () => {
  const [cluster, member] = await startOne();
  await member.stop('SIGTERM');
  const disk = join(home, 'disk');
  member.start({ STRANGE_DISK: disk });
  await cluster.ready(60_000);
  const caller = callerOf(member);
  await insist(() => caller.put('before'));
  writeFileSync(`${disk}.hang`, '');
  const put = caller.put('after').then(
    () => 'acknowledged',
    () => 'unknown',
  );
  await pause(100);
  member.signal('SIGTERM');
  await see(() => said(member, '"stopping"') === 2, 'it stops');
  writeFileSync(`${disk}.fail`, '');
  await see(() => !member.running, 'it ends');
  expect(member.exits.at(-1)).toBe('1');
  expect(await put).toBe('unknown');
  expect(member.logTail()).toContain('leasehold: EIO');
});

test('told to stop with a long queue of large reads of one who has gone: exit 0 in time', async () => {
  const [, member] = await startOne();
  const caller = callerOf(member);
  await caller.put('big', new Uint8Array(mebibyte));
  const body = JSON.stringify({ key: Buffer.from('big').toString('base64') });
  const request = `POST /v3/kv/range HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  const [host, port] = member.endpoint.split(':');
  const sockets = Array.from({ length: 6 }, () => connect(Number(port), host));
  for (const socket of sockets) {
    socket.on('error', () => {});
    socket.write(request.repeat(600));
    socket.once('data', () => socket.pause());
  }
  await Promise.all(sockets.map((socket) => once(socket, 'data')));
  for (const socket of sockets) socket.destroy();
  expect(await told(member)).toBe('0');
});

test('told to stop while a snapshot comes, or goes: exit 0 in time, and it arrives another time', async () => {
  const cluster = await start({});
  await cluster.ready(60_000);
  const leader = await cluster.leader();
  const late = cluster.members.find((member) => member !== leader) as MemberProcess;
  await late.stop('SIGTERM');
  // More than the leader keeps log for (`logTrailingBytesMax`).
  const caller = callerOf(leader);
  const value = Buffer.alloc(mebibyte, 'large');
  for (let i = 0; i < 100; i += 4)
    await Promise.all([0, 1, 2, 3].map((j) => insist(() => caller.put(`large/${i + j}`, value))));

  const begun = said(late, 'receiving a snapshot');
  late.start();
  await see(() => said(late, 'receiving a snapshot') > begun, 'the snapshot comes');
  expect(await told(late)).toBe('0');
  expect(said(leader, '"sent a snapshot"'), 'it was under way').toBe(0);

  late.start();
  await see(() => said(late, 'receiving a snapshot') > begun + 1, 'it comes again');
  expect(await told(leader)).toBe('0');
  leader.start();
  await cluster.ready(60_000);
  expect((await settledDigests(cluster)).size).toBe(1);
});

test('wall clocks in 1970, 2100 and here, and each another after a restart: leases end when they should', async () => {
  const cluster = await start({});
  const years = ['0', String(Date.UTC(2100, 0)), String(Date.now())];
  const startAt = async (turn: number): Promise<void> => {
    await Promise.all(cluster.members.map((member) => member.stop('SIGKILL')));
    for (const [i, member] of cluster.members.entries())
      member.start({ STRANGE_NOW_MS: years[(i + turn) % 3] as string });
    await cluster.ready(60_000);
  };
  const kept: bigint[] = [];
  for (let turn = 0; turn < 2; turn++) {
    await startAt(turn);
    const ends = cluster.members.map(async (member) => {
      const caller = callerOf(member);
      const long = await insist(() => caller.grant(600));
      kept.push(long);
      await insist(() => caller.put(`long/${long}`, 'x', long));
      const fromMs = performance.now();
      const short = await insist(() => caller.grant(2));
      await insist(() => caller.put(`short/${member.name}`, 'x', short));
      while ((await insist(() => caller.count(`short/${member.name}`))) > 0) await pause(20);
      return performance.now() - fromMs;
    });
    for (const tookMs of await Promise.all(ends)) {
      expect(tookMs).toBeGreaterThan(2_000);
      expect(tookMs).toBeLessThan(6_000);
    }
  }
  expect(cluster.members.filter((member) => said(member, '"ts":"1970-01-01T') > 0)).toHaveLength(2);
  const caller = callerOf(cluster.members[0] as MemberProcess);
  for (const id of kept) {
    const { ttl, keys } = await insist(() => caller.timeToLive(id));
    expect(keys).toEqual([`long/${id}`]);
    expect(ttl).toBeGreaterThan(400);
  }
});
