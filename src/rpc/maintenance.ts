/** etcd's Maintenance service, as far as it goes now: status, hashes, moving the leader, and looking at alarms. */

import { etcdVersion } from '../ops/version.ts';
import { NO_MEMBER } from '../store/entry.ts';
import { errorText, refusalError, rpcError } from './errors.ts';
import { Headers } from './header.ts';
import { bigintOf, int64Of, numberOf } from './int64.ts';
import type { Member } from './member.ts';
import { wire } from './messages.ts';
import { refusing, unary } from './method.ts';
import type { ServiceTable } from './transport.ts';

const alarmGet = 0;
const alarmNoSpace = 1;

export function maintenanceService(member: Member): ServiceTable {
  const headers = new Headers(member);
  return {
    '/etcdserverpb.Maintenance/Status': unary(wire.StatusRequest, wire.StatusResponse, async () => {
      const status = member.status();
      return {
        header: headers.now(),
        version: etcdVersion,
        dbSize: status.sizeBytes,
        dbSizeInUse: status.sizeBytes,
        leader: int64Of(status.leader),
        raftIndex: status.lastIndex,
        raftTerm: status.term,
        raftAppliedIndex: status.appliedIndex,
        errors: statusErrors(member),
        isLearner: status.isLearner,
      };
    }),
    '/etcdserverpb.Maintenance/HashKV': unary(wire.HashKVRequest, wire.HashKVResponse, async (message) => {
      const hashed = member.state.hashKv(Math.max(0, numberOf(message.revision)));
      if (hashed.type === 'refused') throw refusalError(hashed.refusal);
      return {
        header: headers.now(),
        hash: hashed.hash,
        // etcd's way to say that nothing was ever compacted.
        compactRevision: hashed.compactRevision === 0 ? -1 : hashed.compactRevision,
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
        return { header: headers.now() };
      },
    ),
    // Newer etcdctl looks at the alarms when asked for a member's health.
    '/etcdserverpb.Maintenance/Alarm': unary(wire.AlarmRequest, wire.AlarmResponse, async (message) => {
      if (message.action !== alarmGet) throw rpcError('noMaintenance');
      const raised = member.status().noSpace && message.alarm <= alarmNoSpace;
      const memberID = int64Of(member.header().memberId);
      return { header: headers.now(), alarms: raised ? [{ memberID, alarm: alarmNoSpace }] : [] };
    }),
    '/etcdserverpb.Maintenance/Defragment': refusing('noMaintenance'),
    '/etcdserverpb.Maintenance/Hash': refusing('noMaintenance'),
    '/etcdserverpb.Maintenance/Snapshot': {
      kind: 'serverStream',
      call: (_request, outgoing) => outgoing.fail(rpcError('noMaintenance')),
    },
    '/etcdserverpb.Maintenance/Downgrade': refusing('noMaintenance'),
  };
}

/** What etcd lists in StatusResponse.errors, in its words. */
function statusErrors(member: Member): readonly string[] {
  const status = member.status();
  const errors: string[] = [];
  if (status.leader === NO_MEMBER) errors.push(errorText('noLeader'));
  if (status.noSpace) errors.push(`memberID:${member.header().memberId} alarm:NOSPACE `);
  return errors;
}
