/**
 * etcd's Auth service, of a cluster that has no users and no roles: what is asked about one is answered as an etcd answers whose
 * authentication was never set up (a client that is configured with a password goes on without a token then); what would make one is
 * refused, so that nobody takes a cluster for closed that is open.
 */
import { Headers } from './header.ts';
import type { Member } from './member.ts';
import { wire } from './messages.ts';
import { refusing, unary } from './method.ts';
import type { ServiceTable } from './transport.ts';

/** etcd's auth revision before the first change. */
const firstAuthRevision = 1;

export function authService(member: Member): ServiceTable {
  const headers = new Headers(member);
  const plainAnswer = async (): Promise<{ header: ReturnType<typeof headers.now> }> => ({ header: headers.now() });
  return {
    '/etcdserverpb.Auth/AuthEnable': refusing('noAuth'),
    '/etcdserverpb.Auth/AuthDisable': unary(wire.AuthDisableRequest, wire.AuthDisableResponse, plainAnswer),
    '/etcdserverpb.Auth/AuthStatus': unary(wire.AuthStatusRequest, wire.AuthStatusResponse, async () => ({
      header: headers.now(),
      authRevision: firstAuthRevision,
    })),
    '/etcdserverpb.Auth/Authenticate': refusing('authNotEnabled'),
    '/etcdserverpb.Auth/UserAdd': refusing('noAuth'),
    '/etcdserverpb.Auth/UserGet': refusing('userNotFound'),
    '/etcdserverpb.Auth/UserList': unary(wire.AuthUserListRequest, wire.AuthUserListResponse, plainAnswer),
    '/etcdserverpb.Auth/UserDelete': refusing('userNotFound'),
    '/etcdserverpb.Auth/UserChangePassword': refusing('userNotFound'),
    '/etcdserverpb.Auth/UserGrantRole': refusing('userNotFound'),
    '/etcdserverpb.Auth/UserRevokeRole': refusing('userNotFound'),
    '/etcdserverpb.Auth/RoleAdd': refusing('noAuth'),
    '/etcdserverpb.Auth/RoleGet': refusing('roleNotFound'),
    '/etcdserverpb.Auth/RoleList': unary(wire.AuthRoleListRequest, wire.AuthRoleListResponse, plainAnswer),
    '/etcdserverpb.Auth/RoleDelete': refusing('roleNotFound'),
    '/etcdserverpb.Auth/RoleGrantPermission': refusing('roleNotFound'),
    '/etcdserverpb.Auth/RoleRevokePermission': refusing('roleNotFound'),
  };
}
