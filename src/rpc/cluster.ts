/** etcd's Cluster service: the list. Changing it comes with membership changes. */
import { Headers } from './header.ts';
import { int64Of } from './int64.ts';
import type { Member } from './member.ts';
import { wire } from './messages.ts';
import { refusing, unary } from './method.ts';
import type { ServiceTable } from './transport.ts';

export function clusterService(member: Member): ServiceTable {
  const headers = new Headers(member);
  return {
    '/etcdserverpb.Cluster/MemberList': unary(wire.MemberListRequest, wire.MemberListResponse, async (message, ctx) => {
      if (message.linearizable) await member.barrier(ctx);
      return {
        // As etcd's: the member list is not of any revision of the store.
        header: headers.at(0),
        members: member.members().map((entry) => ({
          ID: int64Of(entry.id),
          name: entry.name,
          peerURLs: entry.peerUrls,
          clientURLs: entry.clientUrls,
          isLearner: entry.isLearner,
        })),
      };
    }),
    '/etcdserverpb.Cluster/MemberAdd': refusing('noMembership'),
    '/etcdserverpb.Cluster/MemberRemove': refusing('noMembership'),
    '/etcdserverpb.Cluster/MemberUpdate': refusing('noMembership'),
    '/etcdserverpb.Cluster/MemberPromote': refusing('noMembership'),
  };
}
