/**
 * S5, C50: a quota that is filled stops growth on every member, in etcd's words, and nothing else; compared step by step with a real
 * etcd whose quota is as small. Then what Maintenance does on a running cluster: snapshots, hashes, defragment. Real processes.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { readSnapshotHead } from '../../src/base/snapshot-head.ts';
import { bigintOf, int64Of, numberOf } from '../../src/rpc/int64.ts';
import { wire } from '../../src/rpc/messages.ts';
import { Machine } from '../../src/state/machine.ts';
import { loadMachine } from '../../src/state/machine-loader.ts';
import type { ImageRecord } from '../../src/store/image.ts';
import { tool } from '../cli/run-tool.ts';
import { bytes } from '../rpc/wire-client.ts';
import { etcdInstalled, RealEtcd } from '../support/real-etcd.ts';
import { type MemberProcess, ProcessCluster, pause } from './processes.ts';
import { Caller, insist, type Line, lineTo, settledDigests } from './wire.ts';

const quotaBytes = 100_000;
const open: (ProcessCluster | RealEtcd)[] = [];
const lines: Line[] = [];
let home = '';
afterEach(async () => {
  for (const line of lines.splice(0)) line.close();
  for (const target of open.splice(0)) await target.stop();
  if (home !== '') rmSync(home, { recursive: true, force: true });
  home = '';
});

function callerOf(endpoint: string): Caller {
  const line = lineTo(endpoint);
  lines.push(line);
  return new Caller(line.client);
}

async function start(flags: readonly string[] = []): Promise<ProcessCluster> {
  const cluster = await ProcessCluster.start({ proxied: false, flags: [...flags] });
  open.push(cluster);
  await cluster.ready(60_000);
  return cluster;
}

/** What a step came to, as a client hears it; ids and revisions left out. */
async function said(step: Promise<unknown>): Promise<unknown> {
  return step.then(
    () => 'OK',
    (error: unknown) => error,
  );
}

async function keepAlive(caller: Caller, id: bigint): Promise<number> {
  const stream = caller.client.keepAlive();
  stream.send({ ID: int64Of(id) });
  const { TTL } = await stream.next();
  stream.raw.cancel();
  return numberOf(TTL);
}

function alarm(caller: Caller, action: number, memberID: bigint, kind: number): Promise<string[]> {
  const request = { action, memberID: int64Of(memberID), alarm: kind };
  return caller.client
    .call('/etcdserverpb.Maintenance/Alarm', wire.AlarmRequest, wire.AlarmResponse, request)
    .then(({ header, alarms }) => [`header ${header !== null}`, ...alarms.map((one) => `alarm ${one.alarm}`)]);
}

/** A txn that puts, or one that only deletes. */
function txn(put: boolean) {
  const request = { key: bytes('small') };
  return { success: [put ? { requestPut: request } : { requestDeleteRange: request }] };
}

/** One story, told to a cluster whose quota is `quotaBytes`; each member is asked where it matters. */
async function story(endpoints: readonly string[]): Promise<unknown[]> {
  const heard: unknown[] = [];
  const callers = endpoints.map(callerOf);
  const [caller] = callers as [Caller];
  const everywhere = async (step: (each: Caller) => Promise<unknown>): Promise<void> => {
    const answers = await Promise.all(callers.map((each) => said(step(each))));
    heard.push(answers[0]);
    for (const answer of answers) expect(answer).toEqual(answers[0]);
  };
  const short = await insist(() => caller.grant(2));
  const long = await caller.grant(3_600);
  const revoked = await caller.grant(3_600);
  for (const [key, lease] of [['short', short] as const, ['long', long] as const, ['revoked', revoked] as const])
    await caller.put(`lease/${key}`, 'x', lease);

  // 1. CORRUPT: nothing of keys and leases changes, until it is disarmed; reads and keep-alives go on.
  heard.push(await alarm(caller, 1, 77n, 2));
  await pause(200);
  await everywhere((each) => each.put('small'));
  await everywhere((each) => each.delete('small'));
  await everywhere((each) => each.grant(60));
  await everywhere((each) => each.revoke(long));
  await everywhere((each) => each.client.call('/etcdserverpb.KV/Txn', wire.TxnRequest, wire.TxnResponse, txn(false)));
  heard.push([await caller.count('lease/long'), await keepAlive(caller, long)]);
  heard.push(await alarm(caller, 0, 0n, 2), await alarm(caller, 2, 78n, 2), await alarm(caller, 2, 77n, 2));
  heard.push(await alarm(caller, 2, 77n, 2), await said(caller.delete('lease/none')));

  // 2. It fills up; whoever was refused finds the alarm of the member it asked.
  let refusal: unknown = 'OK';
  for (let i = 0; i < 100 && refusal === 'OK'; i++) refusal = await said(caller.put(`fill/${i}`, Buffer.alloc(10_000)));
  heard.push(refusal);
  heard.push((await caller.alarms()).length);
  await pause(200);
  await everywhere((each) => each.put('small'));
  await everywhere((each) => each.grant(60));
  await everywhere((each) => each.alarms().then((all) => expect(all.length).toBeGreaterThan(0)));
  await everywhere((each) => each.client.call('/etcdserverpb.KV/Txn', wire.TxnRequest, wire.TxnResponse, txn(true)));
  await everywhere((each) => each.client.call('/etcdserverpb.KV/Txn', wire.TxnRequest, wire.TxnResponse, txn(false)));

  // 3. Everything else goes on, on every member.
  for (const each of callers) heard.push([await each.count('lease/long'), await keepAlive(each, long)]);
  await caller.revoke(revoked);
  heard.push(await caller.count('lease/revoked'));
  heard.push(await caller.delete('fill/0'));
  const endMs = performance.now() + 20_000;
  while ((await caller.count('lease/short')) > 0 && performance.now() < endMs) await pause(50);
  heard.push((await caller.leases()).length);

  // 4. Disarmed too early it is raised again by the next put.
  await caller.disarm();
  heard.push(await caller.alarms());
  heard.push(await said(caller.put('fill/more', Buffer.alloc(10_000))));
  heard.push((await caller.alarms()).length);
  await caller.disarm();

  // 5. What makes room for good: delete, compact, defragment; then disarm, and it grows again, on every member.
  heard.push(await said(caller.delete('fill/', 'fill0')));
  const { header } = await caller.client.call('/etcdserverpb.KV/Range', wire.RangeRequest, wire.RangeResponse, {
    key: bytes('lease/long'),
  });
  const compaction = { revision: header?.revision ?? 0, physical: true };
  await caller.client.call('/etcdserverpb.KV/Compact', wire.CompactionRequest, wire.CompactionResponse, compaction);
  await everywhere((each) =>
    each.client.call('/etcdserverpb.Maintenance/Defragment', wire.DefragmentRequest, wire.DefragmentResponse, {}),
  );
  await insist(async () => {
    await caller.disarm();
    for (const [i, each] of callers.entries()) await each.put(`again/${i}`, Buffer.alloc(10_000));
  });
  heard.push(await caller.alarms());
  return heard;
}

test('a filled quota: the same story as of a real etcd, on every member of three', { timeout: 240_000 }, async ({
  skip,
}) => {
  if (!etcdInstalled) skip('etcd is not installed');
  const etcd = await RealEtcd.start({ 'quota-backend-bytes': String(quotaBytes) });
  open.push(etcd);
  const theirs = await story([etcd.address]);
  const cluster = await start([`--quota-backend-bytes=${quotaBytes}`]);
  const ours = await story(cluster.endpoints);
  // Each of our members was asked for the key and the renewal, and of etcd only one.
  const each = JSON.stringify([1, 3_600]);
  expect(ours.filter((one) => JSON.stringify(one) === each)).toHaveLength(4);
  const once = (list: unknown[]) => list.filter((one) => JSON.stringify(one) !== each);
  expect(once(ours)).toEqual(once(theirs));
  expect((await settledDigests(cluster)).size).toBe(1);
});

test('an alarm outlives restarts, and a quota that is switched off is never met', { timeout: 240_000 }, async () => {
  const cluster = await start(['--quota-backend-bytes=-1']);
  const [member, other] = cluster.members as [MemberProcess, MemberProcess];
  const caller = callerOf(other.endpoint);
  await insist(() => caller.put('a', Buffer.alloc(200_000)));
  expect(await alarm(caller, 1, 5n, 1)).toEqual(['header false', 'alarm 1']);
  const status = await caller.client.call(
    '/etcdserverpb.Maintenance/Status',
    wire.StatusRequest,
    wire.StatusResponse,
    {},
  );
  expect(status.errors).toEqual(['memberID:5 alarm:NOSPACE ']);
  expect([numberOf(status.dbSizeQuota), numberOf(status.dbSize) > 200_000]).toEqual([-1, true]);
  await member.stop('SIGKILL');
  member.start();
  await cluster.ready(60_000);
  const again = callerOf(member.endpoint);
  expect(await insist(() => again.alarms())).toEqual(['5/1']);
  await expect(again.put('b')).rejects.toMatchObject({ code: 8 });
  expect(await (await fetch(`http://${member.endpoint}/health`)).json()).toEqual({
    health: 'false',
    reason: 'ALARM NOSPACE',
  });
  expect((await tool(['--endpoints', member.endpoint, 'alarm', 'disarm'])).out).toBe('memberID:5 alarm:NOSPACE \n');
  await again.put('b');
});

function recordsOf(file: Buffer, recordBytes: number): ImageRecord[] {
  const records: ImageRecord[] = [];
  for (let at = 512; at < 512 + recordBytes; ) {
    const [keyEnd, valueLength] = [at + 8 + file.readUInt32BE(at), file.readUInt32BE(at + 4)];
    records.push({ key: file.subarray(at + 8, keyEnd), value: file.subarray(keyEnd, keyEnd + valueLength) });
    at = keyEnd + valueLength;
  }
  return records;
}

test('under load: a snapshot holds all that was acknowledged, hashes agree, and a defragment keeps nobody waiting', {
  timeout: 240_000,
}, async () => {
  home = mkdtempSync(join(tmpdir(), 'leasehold-snapshot-'));
  const cluster = await start();
  const follower = cluster.members.find((member) => member.endpoint !== undefined) as MemberProcess;
  const caller = callerOf(follower.endpoint);
  const lease = await insist(() => caller.grant(3_600));
  for (let i = 0; i < 40; i++) await caller.put(`k/${i}`, Buffer.alloc(50_000, i), lease);
  let writing = true;
  const writer = (async () => {
    for (let i = 0; writing; i++) await caller.put('busy', `${i}`);
  })();
  try {
    const file = join(home, 's.db');
    expect(await tool(['--endpoints', follower.endpoint, 'snapshot', 'save', file])).toMatchObject({ code: 0 });
    const saved = readFileSync(file);
    expect(saved.length % 512).toBe(32);
    const head = readSnapshotHead(saved.toString('latin1', 0, 512));
    if (typeof head === 'string') throw new Error(head);
    const restored = loadMachine(recordsOf(saved, head.bytes));
    if (!(restored instanceof Machine)) throw new Error(restored.what);
    expect([restored.digest(), restored.revision]).toEqual([head.digest, head.revision]);
    expect(restored.leaseKeys(lease)).toHaveLength(40);
    expect(createHash('sha256').update(saved.subarray(0, -32)).digest().equals(saved.subarray(-32))).toBe(true);
    expect((await tool(['snapshot', 'status', file])).out).toMatch(/^[0-9a-f]{1,8}, \d+, \d+, \d+(\.\d)? MB\n$/);

    const defrag = tool(['--endpoints', cluster.endpoints.join(','), 'defrag']);
    let [renewals, slowestMs] = [0, 0];
    const renewing = (async () => {
      for (let done = false; !done; renewals++) {
        const beganMs = performance.now();
        expect(await keepAlive(caller, lease)).toBe(3_600);
        slowestMs = Math.max(slowestMs, performance.now() - beganMs);
        done = await Promise.race([defrag.then(() => true), pause(1).then(() => false)]);
      }
    })();
    const { code, out } = await defrag;
    await renewing;
    expect([code, out.split('\n').length]).toEqual([0, 4]);
    expect(renewals).toBeGreaterThan(0);
    expect(slowestMs).toBeLessThan(2_000);
  } finally {
    writing = false;
    await writer;
  }
  await settledDigests(cluster);
  const hashes = await Promise.all(
    cluster.endpoints.map(async (endpoint) => {
      const path = '/etcdserverpb.Maintenance/Hash';
      return (await callerOf(endpoint).client.call(path, wire.HashRequest, wire.HashResponse, {})).hash;
    }),
  );
  expect(new Set(hashes).size).toBe(1);

  // Leadership goes where it is asked to go; the gateway has the same services.
  const post = async (path: string): Promise<string> =>
    (await fetch(`http://${follower.endpoint}/v3/maintenance/${path}`, { method: 'POST', body: '{}' })).text();
  expect(await post('defragment')).toBe('{}');
  expect(JSON.parse(await post('hash'))).toMatchObject({ hash: hashes[0] });
  const pieces = (await post('snapshot')).trim().split('\n');
  expect(JSON.parse(pieces.at(-1) ?? '')).toMatchObject({ result: { blob: expect.stringMatching(/^.{43}=$/) } });
  const leader = await cluster.leader();
  const target = cluster.members.find((member) => member !== leader) as MemberProcess;
  const { leader: before } = await statusOf(leader);
  const { header } = await statusOf(target);
  const targetId = bigintOf(header?.memberId ?? 0).toString(16);
  const moved = await tool(['--endpoints', cluster.endpoints.join(','), 'move-leader', targetId]);
  expect(moved.out).toBe(`Leadership transferred from ${bigintOf(before).toString(16)} to ${targetId}\n`);
  const after = await insist(async () => (await statusOf(target)).leader);
  expect(bigintOf(after).toString(16)).toBe(targetId);
});

function statusOf(member: MemberProcess) {
  const path = '/etcdserverpb.Maintenance/Status';
  return callerOf(member.endpoint).client.call(path, wire.StatusRequest, wire.StatusResponse, {});
}
