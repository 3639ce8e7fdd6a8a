/**
 * Maintenance.Alarm: looking at alarms, raising and disarming them (etcd: EtcdServer.Alarm). As in etcd an answer has no header, any
 * member id may be named, and a disarm is of exactly that member and kind. Unlike etcd, only kinds that exist are raised, and an
 * action that does not exist is refused (decision 0014).
 */
import { unreachable } from '../base/assert.ts';
import type { RaisedAlarm } from '../state/alarm-record.ts';
import type { AlarmKind } from '../state/command.ts';
import type { Sparse } from './codec.ts';
import { rpcError } from './errors.ts';
import { bigintOf, int64Of } from './int64.ts';
import { write } from './kv.ts';
import type { Member } from './member.ts';
import { type AlarmRequest, type AlarmResponse, wire } from './messages.ts';
import { unary } from './method.ts';
import type { CallContext, Method } from './transport.ts';

/** etcd's AlarmType and AlarmAction. */
const NONE = 0;
const actions = ['get', 'activate', 'deactivate'] as const;
const kinds: readonly (AlarmKind | undefined)[] = [undefined, 'noSpace', 'corrupt'];
/** As etcd's enumeration spells them. */
export const alarmNames: Readonly<Record<AlarmKind, string>> = { noSpace: 'NOSPACE', corrupt: 'CORRUPT' };

export function alarmMethod(member: Member): Method {
  return unary(wire.AlarmRequest, wire.AlarmResponse, async (message, ctx, bytes): Promise<Sparse<AlarmResponse>> => {
    return { alarms: (await alarmsFor(member, message, ctx, bytes)).map(alarmMessage) };
  });
}

/** What etcd lists in StatusResponse.errors for an alarm: its message in protobuf's text form, which leaves zeros out. */
export function alarmText({ member, kind }: RaisedAlarm): string {
  return `${member === 0n ? '' : `memberID:${member} `}alarm:${alarmNames[kind]} `;
}

async function alarmsFor(
  member: Member,
  { action: actionNumber, alarm, memberID }: AlarmRequest,
  ctx: CallContext,
  requestBytes: number,
): Promise<readonly RaisedAlarm[]> {
  const action = actions[actionNumber];
  const kind = kinds[alarm];
  if (action === undefined) throw rpcError('invalidAlarm');
  if (action === 'get') {
    // As etcd's, which asks through the log: a disarm that was answered anywhere is seen.
    await member.barrier(ctx);
    return member.status().alarms.filter((raised) => alarm === NONE || raised.kind === kind);
  }
  const about = BigInt.asUintN(64, bigintOf(memberID));
  if (kind === undefined) {
    if (action === 'activate') throw rpcError('invalidAlarm');
    return [];
  }
  const command = { type: 'alarm', action, member: about, kind } as const;
  const { result } = await write(member, command, 'done', ctx, requestBytes);
  switch (action) {
    case 'activate':
      return [{ member: about, kind }];
    case 'deactivate':
      return result.touched > 0 ? [{ member: about, kind }] : [];
    default:
      return unreachable(action);
  }
}

function alarmMessage({ member, kind }: RaisedAlarm): AlarmResponse['alarms'][number] {
  return { memberID: int64Of(member), alarm: kinds.indexOf(kind) };
}
