/**
 * `leasectl alarm …`, `defrag` and `move-leader`: what an operator does to members. Lines and exit codes are etcdctl's.
 */
import { CallError, type Connection } from './connection.ts';
import { badArgs, type Command, Exit, exitCodes, switchFlag } from './context.ts';
import { parseUint64 } from './go-text.ts';
import type { AlarmMember, AlarmResponse } from './wire.ts';

/** etcd's AlarmAction. */
const [get, deactivate] = [0, 2];

const alarmList: Command = {
  name: 'alarm list',
  usage: 'alarm list',
  summary: 'Lists all alarms',
  flags: [],
  async run(context) {
    if (context.args.length > 0) throw badArgs('alarm list command accepts no arguments');
    const printer = context.printer('answer');
    printer.alarms(await context.connection().unary('Alarm', { action: get }, 'read'));
  },
};

const alarmDisarm: Command = {
  name: 'alarm disarm',
  usage: 'alarm disarm',
  summary: 'Disarms all alarms, and prints them',
  flags: [],
  async run(context) {
    if (context.args.length > 0) throw badArgs('alarm disarm command accepts no arguments');
    const printer = context.printer('answer');
    const connection = context.connection();
    const { header, alarms } = await connection.unary('Alarm', { action: get }, 'read');
    const disarmed: AlarmMember[] = [];
    for (const { memberID, alarm } of alarms) disarmed.push(...(await disarm(connection, memberID, alarm)).alarms);
    printer.alarms({ header, alarms: disarmed });
  },
};

function disarm(connection: Connection, memberID: bigint, alarm: number): Promise<AlarmResponse> {
  return connection.unary('Alarm', { action: deactivate, memberID, alarm }, 'write');
}

const defrag: Command = {
  name: 'defrag',
  usage: 'defrag',
  summary: 'Defragments the storage of the members at the given endpoints',
  flags: [switchFlag('cluster', 'Use all endpoints from the cluster member list')],
  async run(context) {
    let failed = false;
    for (const endpoint of await context.endpoints()) {
      try {
        await context.connectionTo(endpoint).unary('Defragment', {}, 'write');
        context.sink.out(`Finished defragmenting etcd member[${endpoint}]\n`);
      } catch (error) {
        if (!(error instanceof CallError)) throw error;
        failed = true;
        context.sink.err(`Failed to defragment etcd member[${endpoint}] (${error.message})\n`);
      }
    }
    if (failed) throw new Exit(exitCodes.error, '');
  },
};

const moveLeader: Command = {
  name: 'move-leader',
  usage: 'move-leader <transferee-member-id>',
  summary: 'Transfers leadership to another member, whose ID is given in hex',
  flags: [],
  async run(context) {
    const [text, ...more] = context.args;
    if (text === undefined || more.length > 0) throw badArgs('move-leader command needs 1 argument');
    const target = parseUint64(text, 16);
    if (!target.ok) throw badArgs(target.why);
    const printer = context.printer('answer');
    // Of all endpoints, as it must be asked of the leader.
    const endpoints = await context.endpoints();
    for (const endpoint of endpoints) {
      const connection = context.connectionTo(endpoint);
      const status = await connection.unary('Status', {}, 'read');
      if (status.header.member_id !== status.leader) continue;
      const answer = await connection.unary('MoveLeader', { targetID: target.value }, 'write');
      printer.leaderMoved(status.leader, target.value, answer);
      return;
    }
    throw badArgs(`no leader endpoint given at [${endpoints.join(' ')}]`);
  },
};

/** All commands that change something about members. */
export const maintenanceCommands: readonly Command[] = [alarmDisarm, alarmList, defrag, moveLeader];
