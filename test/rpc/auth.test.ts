/** Auth of a cluster without users: texts and codes compared with an etcd 3.4.23 whose authentication was never set up. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { declaredMethods } from '../../src/rpc/codec.ts';
import { numberOf } from '../../src/rpc/int64.ts';
import { wire } from '../../src/rpc/messages.ts';
import { Fixture } from './wire-client.ts';

let fixture: Fixture;
beforeEach(async () => {
  fixture = await Fixture.start();
});
afterEach(async () => {
  await fixture.stop();
  expect(fixture.bugs).toEqual([]);
});

test('there is nobody, and nobody can be made', async () => {
  const client = fixture.client();
  const answers = new Map<string, string>();
  for (const name of declaredMethods().keys()) {
    const [, method] = /^\/etcdserverpb\.Auth\/(\w+)$/.exec(name) ?? [];
    if (method === undefined) continue;
    const answer = await client.raw(name, new Uint8Array(0));
    answers.set(method, 'code' in answer ? `${answer.code} ${answer.text}` : 'OK');
  }
  const refused = '12 leasehold: users and roles are not supported in 0.1; they come with authentication';
  const noUser = '9 etcdserver: user name not found';
  const noRole = '9 etcdserver: role name not found';
  expect(Object.fromEntries(answers)).toEqual({
    AuthEnable: refused,
    AuthDisable: 'OK',
    AuthStatus: 'OK',
    Authenticate: '9 etcdserver: authentication is not enabled',
    UserAdd: refused,
    UserGet: noUser,
    UserList: 'OK',
    UserDelete: noUser,
    UserChangePassword: noUser,
    UserGrantRole: noUser,
    UserRevokeRole: noUser,
    RoleAdd: refused,
    RoleGet: noRole,
    RoleList: 'OK',
    RoleDelete: noRole,
    RoleGrantPermission: noRole,
    RoleRevokePermission: noRole,
  });
  const path = '/etcdserverpb.Auth/AuthStatus';
  const status = await client.call(path, wire.AuthStatusRequest, wire.AuthStatusResponse, {});
  expect([status.enabled, numberOf(status.authRevision)]).toEqual([false, 1]);
});
