/** The pages on the client port (etcd 3.5's JSON and words). */
import { request } from 'node:http';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Fixture } from '../rpc/wire-client.ts';

let fixture: Fixture;
beforeEach(async () => {
  fixture = await Fixture.start();
});
afterEach(async () => {
  await fixture.stop();
  expect(fixture.bugs).toEqual([]);
});

const ask = (path: string, method = 'GET', body = ''): Promise<[number, string, string]> =>
  new Promise((resolve, reject) => {
    const call = request({ port: fixture.port, path, method }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve([response.statusCode ?? 0, text, response.headers['content-type'] ?? '']));
    });
    call.on('error', reject);
    call.end(body);
  });

test('/version: digits and dots for etcd’s, ours beside them', async () => {
  expect(await ask('/version')).toEqual([
    200,
    '{"etcdserver":"3.5.21","etcdcluster":"3.5.0","leasehold":"0.1.0"}',
    'application/json',
  ]);
});

test('/health: true, and every reason', async () => {
  const healthy = '{"health":"true","reason":""}';
  expect(await ask('/health')).toEqual([200, healthy, 'application/json']);
  fixture.member.apply({ type: 'alarm', action: 'activate', member: 5n, kind: 'noSpace' });
  expect((await ask('/health')).slice(0, 2)).toEqual([503, '{"health":"false","reason":"ALARM NOSPACE"}']);
  expect((await ask('/health?exclude=NOSPACE')).slice(0, 2)).toEqual([200, healthy]);
  fixture.member.apply({ type: 'alarm', action: 'activate', member: 6n, kind: 'corrupt' });
  expect((await ask('/health?exclude=NOSPACE')).slice(0, 2)).toEqual([
    503,
    '{"health":"false","reason":"ALARM CORRUPT"}',
  ]);
  expect((await ask('/readyz/data_corruption')).slice(0, 2)).toEqual([
    503,
    '[-]data_corruption failed: alarm activated: CORRUPT\n',
  ]);
  expect((await ask('/livez'))[0]).toBe(200);
  expect((await ask('/health?exclude=NOSPACE&exclude=CORRUPT')).slice(0, 2)).toEqual([200, healthy]);
  fixture.member.apply({ type: 'alarm', action: 'deactivate', member: 5n, kind: 'noSpace' });
  fixture.member.apply({ type: 'alarm', action: 'deactivate', member: 6n, kind: 'corrupt' });
  fixture.member.refuseWith = 'timedOut';
  expect((await ask('/health')).slice(0, 2)).toEqual([
    503,
    '{"health":"false","reason":"RANGE ERROR:etcdserver: request timed out"}',
  ]);
  fixture.member.leader = 0n;
  expect((await ask('/health')).slice(0, 2)).toEqual([503, '{"health":"false","reason":"RAFT NO LEADER"}']);
  expect((await ask('/health?serializable=true')).slice(0, 2)).toEqual([200, healthy]);
  expect((await ask('/health', 'POST', 'x'))[0]).toBe(405);
});

test('/livez and /readyz: ok, verbose, one check, excluded ones, what failed', async () => {
  expect((await ask('/livez')).slice(0, 2)).toEqual([200, 'ok\n']);
  expect((await ask('/readyz?verbose')).slice(0, 2)).toEqual([
    200,
    '[+]data_corruption ok\n[+]serializable_read ok\n[+]linearizable_read ok\n[+]non_learner ok\nok\n',
  ]);
  fixture.member.refuseWith = 'noLeader';
  expect((await ask('/livez')).slice(0, 2)).toEqual([200, 'ok\n']);
  const [status, body] = await ask('/readyz');
  expect(status).toBe(503);
  expect(body).toContain('[-]linearizable_read failed: etcdserver: no leader\n');
  expect((await ask('/readyz/serializable_read'))[0]).toBe(200);
  expect((await ask('/readyz/linearizable_read'))[0]).toBe(503);
  expect((await ask('/readyz?exclude=linearizable_read'))[0]).toBe(200);
  expect((await ask('/readyz/nothing'))[0]).toBe(404);
  fixture.member.apply({ type: 'alarm', action: 'activate', member: 5n, kind: 'corrupt' });
  expect((await ask('/readyz/data_corruption'))[1]).toBe('[-]data_corruption failed: alarm activated: CORRUPT\n');
  expect((await ask('/livez'))[0]).toBe(200);
  fixture.member.isLearner = true;
  expect((await ask('/readyz/non_learner'))[1]).toContain('failed: local member is learner');
});

test('/metrics: etcd’s names and ours', async () => {
  const [status, body, type] = await ask('/metrics');
  expect(status).toBe(200);
  expect(type).toContain('text/plain');
  for (const name of [
    'grpc_server_started_total',
    'etcd_debugging_lease_granted_total',
    'lease_expiry_lag_seconds_bucket',
  ]) {
    expect(body).toContain(name);
  }
});

test('what is no page', async () => {
  expect((await ask('/'))[0]).toBe(404);
  expect((await ask('/health/x'))[0]).toBe(404);
  expect((await ask('//'))[0]).toBe(404);
  expect((await ask('/%ff%zz?=&&'))[0]).toBe(404);
  expect((await ask('/version', 'DELETE'))[0]).toBe(405);
  expect((await ask('/v3/kv/range'))[0]).toBe(405);
});
