/** Locks and elections over JSON: the captured shapes, calls that wait as long as they must, and nothing left of who has gone. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Fixture, until } from '../rpc/wire-client.ts';
import { ask, base64, HttpStream } from './http-client.ts';

const requestMs = 150;
let fixture: Fixture;
beforeEach(async () => {
  fixture = await Fixture.start({ http: { requestMs } });
  for (const id of [1n, 2n]) fixture.member.apply({ type: 'grant', id, ttlMs: 60_000 });
});
afterEach(async () => {
  await fixture.stop();
  expect(fixture.bugs).toEqual([]);
});

const ids = '"cluster_id":"12101053776118486841","member_id":"15985099378392235387"';
const header = (revision: number): string => `{${ids},"revision":"${revision}","raft_term":"2"}`;
const lock = (lease: number): string => `{"name":"${base64('m')}","lease":"${lease}"}`;
const unlock = (key: string): string => `{"key":"${base64(key)}"}`;

test('C70: a lock that waits longer than a request may take is answered all the same', async () => {
  const first = await ask(fixture.port, '/v3/lock/lock', lock(1));
  expect(first.body).toBe(`{"header":${header(2)},"key":"${base64('m/1')}"}`);
  const second = ask(fixture.port, '/v3/lock/lock', lock(2));
  await until(() => fixture.member.hub.count === 2, 'the second waits');
  const sinceMs = performance.now();
  await until(() => performance.now() - sinceMs > 2 * requestMs, 'it has waited longer than that');
  expect((await ask(fixture.port, '/v3/lock/unlock', unlock('m/1'))).body).toBe(`{"header":${header(4)}}`);
  expect((await second).body).toBe(`{"header":${header(4)},"key":"${base64('m/2')}"}`);
});

test('C58: a connection that breaks while its lock waits leaves no key', async () => {
  await ask(fixture.port, '/v3/lock/lock', lock(1));
  const second = HttpStream.post(fixture.port, '/v3/lock/lock', lock(2));
  await until(() => fixture.member.hub.count === 2, 'the second waits');
  second.destroy();
  await until(() => fixture.member.state.keyCount === 1, 'its key is gone');
  expect(fixture.member.hub.count).toBe(0);
});

test('C71: an election, observed line by line; every error is a 500 with code 2', async () => {
  const observer = HttpStream.post(fixture.port, '/v3/election/observe', `{"name":"${base64('e')}"}`);
  const campaign = `{"name":"${base64('e')}","lease":"1","value":"${base64('v')}"}`;
  const won = await ask(fixture.port, '/v3/election/campaign', campaign);
  const leader = `{"name":"${base64('e')}","key":"${base64('e/1')}","rev":"2","lease":"1"}`;
  expect(won.body).toBe(`{"header":${header(2)},"leader":${leader}}`);
  const proclaim = `{"leader":${leader},"value":"${base64('w')}"}`;
  expect((await ask(fixture.port, '/v3/election/proclaim', proclaim)).body).toBe(`{"header":${header(3)}}`);
  const kv = (mod: number, value: string): string =>
    `{"key":"${base64('e/1')}","create_revision":"2","mod_revision":"${mod}","version":"${mod - 1}","value":"${base64(value)}","lease":"1"}`;
  expect(await observer.chunk(2)).toEqual([
    `{"result":{"header":${header(2)},"kv":${kv(2, 'v')}}}\n`,
    `{"result":{"header":${header(3)},"kv":${kv(3, 'w')}}}\n`,
  ]);
  observer.destroy();
  await until(() => fixture.member.hub.count === 0, 'the stream leaves no watcher');
  await ask(fixture.port, '/v3/election/resign', `{"leader":${leader}}`);
  const late = await ask(fixture.port, '/v3/election/proclaim', proclaim);
  expect([late.status, late.body]).toEqual([
    500,
    '{"error":"election: not leader","message":"election: not leader","code":2}',
  ]);
  const missing = await ask(fixture.port, '/v3/election/resign', '{}');
  expect(missing.body).toBe(
    '{"error":"\\"leader\\" field must be provided","message":"\\"leader\\" field must be provided","code":2}',
  );
});
