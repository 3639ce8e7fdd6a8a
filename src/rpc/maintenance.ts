/** etcd's Maintenance service: status, hashes, moving the leader. Alarms are `alarm.ts`'s, snapshots `snapshot.ts`'s. */

import { etcdVersion } from '../ops/version.ts';
import { NO_MEMBER } from '../store/entry.ts';
import { alarmMethod, alarmText } from './alarm.ts';
import { errorText, refusalError, rpcError } from './errors.ts';
import { Headers } from './header.ts';
import { bigintOf, int64Of, numberOf } from './int64.ts';
import type { Member, MemberStatus } from './member.ts';
import { wire } from './messages.ts';
import { refusing, unary } from './method.ts';
import { snapshotMethod } from './snapshot.ts';
import type { ServiceTable } from './transport.ts';

/** `onBug`: see `toRpcError`. */
export function maintenanceService(member: Member, onBug: (error: unknown) => void): ServiceTable {
  const headers = new Headers(member);
  return {
    '/etcdserverpb.Maintenance/Status': unary(wire.StatusRequest, wire.StatusResponse, async () => {
      const status = member.status();
      return {
        header: headers.now(),
        version: etcdVersion,
        // One number: memory has no free pages, and a compaction gives back at once (decision 0014).
        dbSize: status.sizeBytes,
        dbSizeInUse: status.sizeBytes,
        leader: int64Of(status.leader),
        raftIndex: status.commitIndex,
        raftTerm: status.term,
        raftAppliedIndex: status.appliedIndex,
        errors: statusErrors(status),
        isLearner: status.isLearner,
        dbSizeQuota: status.quotaBytes,
      };
    }),
    '/etcdserverpb.Maintenance/HashKV': unary(wire.HashKVRequest, wire.HashKVResponse, async (message) => {
      const hashed = member.state.hashKv(Math.max(0, numberOf(message.revision)));
      if (hashed.type === 'refused') throw refusalError(hashed.refusal);
      return {
        header: headers.now(),
        hash: hashed.hash,
        compactRevision: hashed.compactRevision,
        hashRevision: hashed.revision,
      };
    }),
    '/etcdserverpb.Maintenance/MoveLeader': unary(
      wire.MoveLeaderRequest,
      wire.MoveLeaderResponse,
      async (message, ctx) => {
        if (!member.status().isLeader) throw rpcError('notLeader');
        const target = bigintOf(message.targetID);
        const known = member.members().find((entry) => entry.id === target);
        if (known === undefined || known.isLearner) throw rpcError('badLeaderTransferee');
        if (target !== member.header().memberId && !(await member.moveLeader(target, ctx))) {
          throw rpcError('transferTimedOut');
        }
        // Without a header, as etcd's.
        return {};
      },
    ),
    '/etcdserverpb.Maintenance/Alarm': alarmMethod(member),
    // Without a header, as etcd's.
    '/etcdserverpb.Maintenance/Defragment': unary(wire.DefragmentRequest, wire.DefragmentResponse, async (_, ctx) => {
      await member.defragment(ctx);
      return {};
    }),
    '/etcdserverpb.Maintenance/Hash': unary(wire.HashRequest, wire.HashResponse, async () => {
      // Of all there is, leases and alarms too: equal on members that have applied the same (D1).
      const { digest, revision } = member.digest();
      return { header: headers.at(revision), hash: Number.parseInt(digest.slice(0, 8), 16) };
    }),
    '/etcdserverpb.Maintenance/Snapshot': snapshotMethod(member, onBug),
    '/etcdserverpb.Maintenance/Downgrade': refusing('noDowngrade'),
  };
}

/** What etcd lists in StatusResponse.errors, in its words. */
function statusErrors(status: MemberStatus): readonly string[] {
  const unled = status.leader === NO_MEMBER ? [errorText('noLeader')] : [];
  return [...unled, ...status.alarms.map(alarmText)];
}
