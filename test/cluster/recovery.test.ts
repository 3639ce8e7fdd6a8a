/**
 * Members that lost something come back: an image, a stretch of the log, their power; and one that lost everything does not come
 * back as itself. Real processes, real files; the others take writes meanwhile, and at the end all have one state.
 * S1, S2, S3, S6, R11, R13, D1, D3. By environment: MISSED (entries a member misses), POWER_ROUNDS, SEED.
 */
import {
  closeSync,
  cpSync,
  existsSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { clientOf, PutStream } from './load.ts';
import { type MemberProcess, ProcessCluster, pause } from './processes.ts';
import { Caller, disksOf, insist, type Line, lineTo, runProgram, settledDigests } from './wire.ts';

const missed = Number(process.env['MISSED'] ?? 3_000);
const powerRounds = Number(process.env['POWER_ROUNDS'] ?? 1);
const seed = Number(process.env['SEED'] ?? 20_261_122);
const mebibyte = 1024 * 1024;
/** More than the tail of the log that is kept for slow members (`logTrailingBytesMax`) and two segments. */
const passingMebibytes = 100;

const open: { stop(): Promise<void> }[] = [];
const lines: Line[] = [];
afterEach(async () => {
  for (const line of lines.splice(0)) line.close();
  for (const cluster of open.splice(0)) await cluster.stop();
});

async function startCluster(): Promise<ProcessCluster> {
  const cluster = await ProcessCluster.start({ proxied: false });
  open.push(cluster);
  await cluster.ready(60_000);
  return cluster;
}

function callerOf(member: MemberProcess): Caller {
  const line = lineTo(member.endpoint);
  lines.push(line);
  return new Caller(line.client);
}

/** Leases with two keys each, far from their end, and one without keys. */
async function grantLeases(caller: Caller, count: number): Promise<ReadonlyMap<bigint, readonly string[]>> {
  const leases = new Map<bigint, readonly string[]>();
  for (let i = 0; i < count; i++) {
    const id = await insist(() => caller.grant(3_600));
    const keys = i === 0 ? [] : [`lease/${i}/a`, `lease/${i}/b`];
    for (const key of keys) await insist(() => caller.put(key, 'held', id));
    leases.set(id, keys);
  }
  return leases;
}

async function expectLeases(member: MemberProcess, leases: ReadonlyMap<bigint, readonly string[]>): Promise<void> {
  const caller = callerOf(member);
  const there = await insist(() => caller.leases());
  expect(new Set(there)).toEqual(new Set(leases.keys()));
  for (const [id, keys] of leases) {
    const found = await insist(() => caller.timeToLive(id));
    expect(found.keys).toEqual(keys);
    expect(found.granted).toBe(3_600);
    expect(found.ttl).toBeGreaterThan(3_000);
  }
}

async function expectPuts(member: MemberProcess, puts: PutStream): Promise<void> {
  expect(puts.acknowledged.length).toBeGreaterThan(0);
  const client = clientOf([member.endpoint]);
  try {
    const there = new Set(await insist(() => client.getAll().prefix('put/').keys()));
    expect(puts.acknowledged.filter((key) => !there.has(key))).toEqual([]);
  } finally {
    client.close();
  }
}

/** Puts that one stopped member misses: many, and as many bytes as the leader keeps no log for. */
async function passBy(caller: Caller, entries: number): Promise<void> {
  const large = Buffer.alloc(mebibyte, 'large');
  await inLanes(passingMebibytes, 4, (i) => insist(() => caller.put(`large/${i}`, large)));
  await inLanes(entries, 64, (i) => insist(() => caller.put(`missed/${i}`, 'y')));
}

async function inLanes(count: number, lanes: number, step: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      while (next < count) await step(next++);
    }),
  );
}

async function aFollower(cluster: ProcessCluster): Promise<MemberProcess> {
  const leader = await cluster.leader();
  return cluster.members.find((member) => member !== leader) as MemberProcess;
}

/** What the member said in its log since `from`. */
function saidSince(member: MemberProcess, from: number): string {
  return member.logTail(100_000).slice(from);
}
const logLength = (member: MemberProcess): number => member.logTail(100_000).length;

/** Flips bits in every file of an image: tables, log, manifest. Returns how many files. */
function damage(directory: string, random: Prng): number {
  let files = 0;
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    const { size } = statSync(path);
    if (!/\.(ldb|log)$/.test(name) || size < 64) continue;
    const file = openSync(path, 'r+');
    for (let flips = 0; flips < 8; flips++) {
      const at = random.below(size);
      const byte = Buffer.alloc(1);
      readSync(file, byte, 0, 1, at);
      byte[0] = (byte[0] ?? 0) ^ (1 << random.below(8));
      writeSync(file, byte, 0, 1, at);
    }
    closeSync(file);
    files++;
  }
  return files;
}

/** The first member's flags with the second's data: refused, and nothing of it is touched. */
async function expectForeign(cluster: ProcessCluster): Promise<void> {
  const [first, second] = cluster.members as [MemberProcess, MemberProcess];
  const urlOf = (member: MemberProcess): string => `http://127.0.0.1:${member.peerPort}`;
  const ended = await runProgram([
    `--name=${first.name}`,
    `--data-dir=${second.dataDir}`,
    '--listen-client-urls=http://127.0.0.1:0',
    `--listen-peer-urls=${urlOf(first)}`,
    `--initial-cluster=${cluster.members.map((member) => `${member.name}=${urlOf(member)}`).join(',')}`,
    `--initial-cluster-token=${cluster.directory}`,
  ]);
  expect(ended.lines).toHaveLength(1);
  expect(ended.lines[0]).toMatch(/^leasehold: .*IDENTITY: belongs to member /);
  expect(ended.code).toBe(1);
}

async function back(member: MemberProcess, cluster: ProcessCluster): Promise<void> {
  member.start();
  await cluster.ready(120_000);
}

test('members that lost their image, damaged it, or missed much catch up while the others take writes', {
  timeout: 240_000 + missed * 4,
}, async () => {
  const random = new Prng(seed, 'damage');
  const cluster = await startCluster();
  const leases = await grantLeases(callerOf(await cluster.leader()), 12);
  const client = clientOf(cluster.endpoints);
  const puts = new PutStream();
  puts.start(client, 2);
  try {
    // 1. The image of a follower is gone, the log begins at 1: it needs nobody.
    const first = await aFollower(cluster);
    let said = logLength(first);
    await first.stop('SIGKILL');
    rmSync(disksOf(first).image, { recursive: true });
    await back(first, cluster);
    expect(saidSince(first, said)).toMatch(/image is lost \(.*\); it is rebuilt from the log/);

    // 2. A follower misses more than the leader keeps: its own log and image are whole, and no longer enough.
    const second = await aFollower(cluster);
    said = logLength(second);
    await second.stop('SIGKILL');
    const writer = callerOf(await cluster.leader());
    await passBy(writer, missed);
    const acknowledged = puts.acknowledged.length;
    await back(second, cluster);
    expect(saidSince(second, said)).toContain('receiving a snapshot');

    // 3. The leader's image is gone and the log no longer begins at 1: the others elect, write, and send theirs.
    const third = await cluster.leader();
    said = logLength(third);
    await third.stop('SIGKILL');
    rmSync(disksOf(third).image, { recursive: true });
    await back(third, cluster);
    expect(saidSince(third, said)).toMatch(/image is lost \(.*\); it is rebuilt from another member/);
    expect(saidSince(third, said)).toContain('receiving a snapshot');

    // 4. Flipped bits in the image: found at the start, never served.
    const fourth = await aFollower(cluster);
    said = logLength(fourth);
    await fourth.stop('SIGKILL');
    expect(damage(disksOf(fourth).image, random)).toBeGreaterThan(0);
    await back(fourth, cluster);
    expect(saidSince(fourth, said)).toMatch(/image is lost \(.*\); it is rebuilt/);

    expect(puts.acknowledged.length).toBeGreaterThan(acknowledged);
    await puts.stop();
    expect((await settledDigests(cluster)).size).toBe(1);
    for (const member of cluster.members) await expectLeases(member, leases);
    await expectPuts(cluster.members[0] as MemberProcess, puts);
    const caller = callerOf(cluster.members[1] as MemberProcess);
    expect(await insist(() => caller.count('missed/', 'missed0'))).toBe(missed);
    expect(await insist(() => caller.count('large/', 'large0'))).toBe(passingMebibytes);
  } finally {
    await puts.stop();
    client.close();
  }
});

test('a member whose whole data directory is gone refuses to start under its old id', async () => {
  const cluster = await startCluster();
  const caller = callerOf(cluster.members[0] as MemberProcess);
  await insist(() => caller.put('a'));
  const lost = await aFollower(cluster);
  const length = logLength(lost);
  await lost.stop('SIGTERM');
  rmSync(lost.dataDir, { recursive: true });
  lost.start();
  const endMs = performance.now() + 30_000;
  while (lost.running && performance.now() < endMs) await pause(20);
  expect(lost.exits).toEqual(['0', '1']);
  const told = saidSince(lost, length)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('{'));
  expect(told).toHaveLength(1);
  expect(told[0]).toMatch(
    /^leasehold: --data-dir: .*is known to member .* with data .*restore its data directory, or /,
  );
  expect(existsSync(lost.dataDir)).toBe(false);
  // The other two go on.
  const other = cluster.members.find((member) => member.running) as MemberProcess;
  await insist(() => callerOf(other).put('b'));
});

test('a member that comes back as an older copy stays out, however often it is started', async () => {
  const cluster = await startCluster();
  const copied = await aFollower(cluster);
  const older = `${copied.dataDir}.older`;
  const restart = async (): Promise<void> => {
    await copied.stop('SIGTERM');
    copied.start();
    await cluster.ready(60_000);
  };
  await copied.stop('SIGTERM');
  cpSync(copied.dataDir, older, { recursive: true });
  copied.start();
  await cluster.ready(60_000);
  await restart();
  await copied.stop('SIGTERM');
  rmSync(copied.dataDir, { recursive: true });
  renameSync(older, copied.dataDir);
  const before = copied.exits.length;
  // More starts than the copy is behind: its boot would have passed the last one that was seen.
  for (let start = 0; start < 5; start++) {
    const length = logLength(copied);
    copied.start();
    const endMs = performance.now() + 20_000;
    while (copied.running && performance.now() < endMs) await pause(20);
    const told = start === 0 ? /its data directory is an older copy/ : /DISOWNED: other members knew a newer start/;
    expect(saidSince(copied, length)).toMatch(told);
  }
  expect(copied.exits.slice(before)).toEqual(['1', '1', '1', '1', '1']);
});

test(`a full restart, and ${powerRounds} of killing all at once under load, bring every lease back with its keys`, {
  timeout: 120_000 + powerRounds * 60_000,
}, async () => {
  const random = new Prng(seed, 'power');
  const cluster = await startCluster();
  const leases = await grantLeases(callerOf(await cluster.leader()), 30);

  await Promise.all(cluster.members.map((member) => member.stop('SIGTERM')));
  expect(cluster.members.map((member) => member.exits)).toEqual([['0'], ['0'], ['0']]);
  await expectForeign(cluster);
  for (const member of cluster.members) member.start();
  await cluster.ready(60_000);
  expect((await settledDigests(cluster)).size).toBe(1);
  await expectLeases(cluster.members[2] as MemberProcess, leases);

  const client = clientOf(cluster.endpoints);
  const puts = new PutStream();
  puts.start(client, 8);
  try {
    for (let round = 0; round < powerRounds; round++) {
      const target = puts.acknowledged.length + 200;
      while (puts.acknowledged.length < target) await pause(10);
      await pause(random.below(1_000));
      await Promise.all(cluster.members.map((member) => member.stop('SIGKILL')));
      for (const member of cluster.members) member.start();
      await cluster.ready(60_000);
    }
    await puts.stop();
    expect((await settledDigests(cluster)).size, `seed ${seed}`).toBe(1);
    for (const member of cluster.members) await expectLeases(member, leases);
    await expectPuts(cluster.members[0] as MemberProcess, puts);
  } finally {
    await puts.stop();
    client.close();
  }
});
