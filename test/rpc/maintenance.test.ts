/** Maintenance, Cluster, health service, and `hasleader`. Texts compared with etcd 3.4.23 on 2026-11-22. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { alarmsMax } from '../../src/base/limits.ts';
import { bigintOf, int64Of, numberOf } from '../../src/rpc/int64.ts';
import { wire } from '../../src/rpc/messages.ts';
import { FakeMember, learner, memberId, otherMember } from './fake-member.ts';
import { bytes, Fixture, type WireClient } from './wire-client.ts';

let fixture: Fixture;
let client: WireClient;
const electionTimeoutMs = 20;

beforeEach(async () => {
  fixture = await Fixture.start({ member: new FakeMember({ electionTimeoutMs }) });
  client = fixture.client();
});
afterEach(async () => {
  await fixture.stop();
  expect(fixture.bugs).toEqual([]);
});

const status = () => client.call('/etcdserverpb.Maintenance/Status', wire.StatusRequest, wire.StatusResponse, {});
const hashKv = (revision: number) =>
  client.call('/etcdserverpb.Maintenance/HashKV', wire.HashKVRequest, wire.HashKVResponse, { revision });
const moveLeader = (target: bigint) =>
  client.call('/etcdserverpb.Maintenance/MoveLeader', wire.MoveLeaderRequest, wire.MoveLeaderResponse, {
    targetID: int64Of(target),
  });

describe('Maintenance', () => {
  test('Status: a version of digits and dots, ids, indexes, errors in etcd’s words', async () => {
    const healthy = await status();
    expect(healthy.version).toMatch(/^\d+\.\d+\.\d+$/);
    expect(bigintOf(healthy.leader)).toBe(memberId);
    expect(numberOf(healthy.raftTerm)).toBe(2);
    expect(healthy.errors).toEqual([]);
    fixture.member.leader = 0n;
    fixture.member.apply({ type: 'alarm', action: 'activate', member: memberId, kind: 'noSpace' });
    fixture.member.apply({ type: 'alarm', action: 'activate', member: 0n, kind: 'corrupt' });
    const ill = await status();
    expect(ill.errors).toEqual(['etcdserver: no leader', 'alarm:CORRUPT ', `memberID:${memberId} alarm:NOSPACE `]);
    expect(numberOf(ill.leader)).toBe(0);
  });

  test('HashKV: equal for equal states, -1 for never compacted, refusals', async () => {
    const first = await hashKv(0);
    expect(numberOf(first.compactRevision)).toBe(-1);
    fixture.member.apply({
      type: 'put',
      key: bytes('a'),
      value: bytes('1'),
      lease: 0n,
      prevKv: false,
      ignoreValue: false,
      ignoreLease: false,
    });
    expect((await hashKv(0)).hash).not.toBe(first.hash);
    expect((await hashKv(1)).hash).toBe(first.hash);
    await expect(hashKv(500)).rejects.toEqual({
      code: 11,
      text: 'etcdserver: mvcc: required revision is a future revision',
    });
  });

  test('MoveLeader: only the leader, only to a voter', async () => {
    for (const target of [5n, learner, 0n]) {
      await expect(moveLeader(target)).rejects.toEqual({ code: 9, text: 'etcdserver: bad leader transferee' });
    }
    await moveLeader(otherMember);
    await moveLeader(memberId);
    expect(fixture.member.moved).toEqual([otherMember]);
    fixture.member.moveSucceeds = false;
    await expect(moveLeader(otherMember)).rejects.toMatchObject({ code: 14 });
    fixture.member.leader = otherMember;
    await expect(moveLeader(otherMember)).rejects.toEqual({ code: 9, text: 'etcdserver: not leader' });
  });

  describe('Alarm', () => {
    const alarm = async (action: number, member = 0n, kind = 0): Promise<string[]> => {
      const message = { action, memberID: int64Of(member), alarm: kind };
      const answer = await client.call(
        '/etcdserverpb.Maintenance/Alarm',
        wire.AlarmRequest,
        wire.AlarmResponse,
        message,
      );
      // As etcd 3.4.23's: no header.
      expect(answer.header).toBeNull();
      return answer.alarms.map((raised) => `${bigintOf(raised.memberID)}/${raised.alarm}`);
    };
    const [get, activate, deactivate] = [0, 1, 2];

    test('is raised, listed by kind, disarmed exactly; again and again it is said the same', async () => {
      expect(await alarm(get)).toEqual([]);
      expect(await alarm(activate, otherMember, 1)).toEqual(['77/1']);
      expect(await alarm(activate, otherMember, 1)).toEqual(['77/1']);
      expect(await alarm(activate, 0xffff_ffff_ffff_ffffn, 2)).toEqual(['18446744073709551615/2']);
      expect(await alarm(get)).toEqual(['77/1', '18446744073709551615/2']);
      expect(await alarm(get, 5n, 1)).toEqual(['77/1']);
      expect(await alarm(get, 0n, 2)).toEqual(['18446744073709551615/2']);
      expect(await alarm(get, 0n, 9)).toEqual([]);
      expect(fixture.member.barriers).toBe(5);
      expect(await alarm(deactivate, otherMember, 2)).toEqual([]);
      expect(await alarm(deactivate, 5n, 1)).toEqual([]);
      expect(await alarm(deactivate, otherMember, 0)).toEqual([]);
      expect(await alarm(deactivate, otherMember, 1)).toEqual(['77/1']);
      expect(await alarm(deactivate, otherMember, 1)).toEqual([]);
      expect(await alarm(get)).toEqual(['18446744073709551615/2']);
    });

    test('C50: what it refuses, in etcd’s words', async () => {
      const grant = (ID: number) =>
        client.call('/etcdserverpb.Lease/LeaseGrant', wire.LeaseGrantRequest, wire.LeaseGrantResponse, { TTL: 60, ID });
      const revoke = (ID: number) =>
        client.call('/etcdserverpb.Lease/LeaseRevoke', wire.LeaseRevokeRequest, wire.LeaseRevokeResponse, { ID });
      await grant(7);
      await alarm(activate, otherMember, 1);
      await expect(grant(8)).rejects.toEqual({ code: 8, text: 'etcdserver: mvcc: database space exceeded' });
      await alarm(activate, otherMember, 2);
      await expect(grant(8)).rejects.toEqual({ code: 15, text: 'etcdserver: corrupt cluster' });
      await expect(revoke(7)).rejects.toEqual({ code: 15, text: 'etcdserver: corrupt cluster' });
      await alarm(deactivate, otherMember, 2);
      await revoke(7);
    });

    test('of a kind or by an action that does not exist is refused, where etcd would store it or end', async () => {
      const invalid = { code: 3, text: 'etcdserver: invalid alarm request' };
      await expect(alarm(activate, 5n, 0)).rejects.toEqual(invalid);
      await expect(alarm(activate, 5n, 7)).rejects.toEqual(invalid);
      await expect(alarm(3, 5n, 1)).rejects.toEqual(invalid);
      expect(await alarm(get)).toEqual([]);
    });

    test('of too many members is refused', async () => {
      for (let member = 1n; member <= BigInt(alarmsMax); member++)
        fixture.member.apply({ type: 'alarm', action: 'activate', member, kind: 'noSpace' });
      await expect(alarm(activate, 1_000n, 1)).rejects.toEqual({ code: 8, text: 'etcdserver: too many alarms' });
    });
  });

  test('Hash: of the whole state, leases and alarms too, equal for equal states', async () => {
    const hash = async () =>
      (await client.call('/etcdserverpb.Maintenance/Hash', wire.HashRequest, wire.HashResponse, {})).hash;
    const first = await hash();
    expect(first).toBe(Number.parseInt(fixture.member.state.digest().slice(0, 8), 16));
    fixture.member.apply({ type: 'grant', id: 5n, ttlMs: 1_000 });
    const second = await hash();
    expect(second).not.toBe(first);
    fixture.member.apply({ type: 'alarm', action: 'activate', member: 5n, kind: 'noSpace' });
    expect(await hash()).not.toBe(second);
  });

  test('Defragment answers when it is done, without a header', async () => {
    const path = '/etcdserverpb.Maintenance/Defragment';
    const answer = await client.call(path, wire.DefragmentRequest, wire.DefragmentResponse, {});
    expect(answer.header).toBeNull();
    expect(fixture.member.defragmented).toBe(1);
  });

  test('what is not there says so', async () => {
    for (const method of ['MemberAdd', 'MemberRemove', 'MemberUpdate', 'MemberPromote']) {
      const answer = await client.raw(`/etcdserverpb.Cluster/${method}`, bytes(''));
      expect(answer).toMatchObject({ code: 12, text: expect.stringContaining('it comes with membership changes') });
    }
    expect(await client.raw('/etcdserverpb.Maintenance/Downgrade', bytes(''))).toEqual({
      code: 12,
      text: 'unknown method Downgrade for service etcdserverpb.Maintenance',
    });
  });
});

test('Cluster.MemberList: names, URLs, learners; a barrier only when asked; no revision in the header', async () => {
  const list = (linearizable: boolean) =>
    client.call('/etcdserverpb.Cluster/MemberList', wire.MemberListRequest, wire.MemberListResponse, { linearizable });
  const answer = await list(false);
  expect(fixture.member.barriers).toBe(0);
  expect(answer.members.map((one) => [bigintOf(one.ID), one.name, one.isLearner])).toEqual([
    [otherMember, 'n2', false],
    [learner, 'n3', true],
    [memberId, 'n1', false],
  ]);
  expect(answer.members[0]?.clientURLs).toEqual(['http://127.0.0.1:2379']);
  expect(numberOf(answer.header?.revision ?? -1)).toBe(0);
  await list(true);
  expect(fixture.member.barriers).toBe(1);
});

describe('grpc.health.v1', () => {
  test('Check', async () => {
    const check = (service: string) =>
      client.call('/grpc.health.v1.Health/Check', wire.HealthCheckRequest, wire.HealthCheckResponse, { service });
    expect((await check('')).status).toBe(1);
    await expect(check('x')).rejects.toEqual({ code: 5, text: 'unknown service' });
    fixture.member.leader = 0n;
    expect((await check('')).status).toBe(2);
  });

  test('Watch says the status at once and every change', async () => {
    const stream = client.serverStream('/grpc.health.v1.Health/Watch', bytes(''));
    const next = async () => wire.HealthCheckResponse.decode(await stream.next()).status;
    expect(await next()).toBe(1);
    fixture.member.leader = 0n;
    expect(await next()).toBe(2);
    fixture.member.leader = otherMember;
    expect(await next()).toBe(1);
    stream.cancel();
    const unknown = client.serverStream(
      '/grpc.health.v1.Health/Watch',
      wire.HealthCheckRequest.encode({ service: 'x' }),
    );
    expect(wire.HealthCheckResponse.decode(await unknown.next()).status).toBe(3);
  });
});

describe('hasleader: true', () => {
  const wanted = { hasleader: 'true' };
  const noLeader = { code: 14, text: 'etcdserver: no leader' };

  test('unary: refused at once without a leader, and only with the metadata', async () => {
    const request = wire.RangeRequest.encode({ key: bytes('a') });
    expect(await client.raw('/etcdserverpb.KV/Range', request, wanted)).toBeInstanceOf(Uint8Array);
    fixture.member.leader = 0n;
    expect(await client.raw('/etcdserverpb.KV/Range', request, wanted)).toEqual(noLeader);
    expect(await client.raw('/etcdserverpb.KV/Range', request)).toBeInstanceOf(Uint8Array);
    expect(await client.raw('/etcdserverpb.KV/Range', request, { hasleader: 'false' })).toBeInstanceOf(Uint8Array);
  });

  test('C59: streams end after three election timeouts without, others stay', async () => {
    const ends = client.watch(wanted);
    const keepAlive = client.keepAlive(wanted);
    const stays = client.watch();
    for (const watch of [ends, stays]) {
      watch.send({ createRequest: { key: bytes('a') } });
      await watch.next();
    }
    keepAlive.send({ ID: 5 });
    await keepAlive.next();
    const from = performance.now();
    fixture.member.leader = 0n;
    expect(await ends.raw.status).toEqual(noLeader);
    expect(await keepAlive.raw.status).toEqual(noLeader);
    expect(performance.now() - from).toBeGreaterThanOrEqual(2 * electionTimeoutMs);
    expect(fixture.member.hub.count).toBe(1);
    stays.send({ progressRequest: {} });
    await stays.next();
    const refused = client.watch(wanted);
    expect(await refused.raw.status).toEqual(noLeader);
  });
});
