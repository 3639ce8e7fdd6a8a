/**
 * The liveness phase: who is healed, and what they then owe (V1, V2, V3, V6, W11). Bounds are those of reliability.md §2. What the healed
 * say is for the observer's checks.
 */
import type { WatchRecord } from './history.ts';
import type { SimMember } from './member.ts';
import { Violation } from './violation.ts';
import type { World } from './world.ts';

const electionTimeoutsMax = 10;
const convergeMsMax = 30_000;
/** Of a log whose image is written every second, and of which little is kept behind it. */
const walBytesMax = 4 * 1024 * 1024;

/**
 * Who is healed: the schedule's core without the ruined, and as many healthy ones on top as a quorum takes. Undefined: damage left no
 * healthy quorum, which only the scorched profile does.
 */
export function coreOf({ schedule, members, scorched }: World): readonly SimMember[] | undefined {
  const healthy = members.filter((member) => !member.ruined && !member.suspect && !member.imageLost);
  const core = members.filter((member) => schedule.core.includes(member.index) && !member.ruined);
  const quorum = Math.floor(members.length / 2) + 1;
  for (const member of healthy) {
    if (core.filter((each) => healthy.includes(each)).length >= quorum) break;
    if (!core.includes(member)) core.push(member);
  }
  if (core.filter((each) => healthy.includes(each)).length >= quorum) return core;
  if (!scorched) throw new Error('the atlas left no healthy quorum');
  return undefined;
}

/** V1: a leader that serves within ten election timeouts. */
export function settle(world: World, core: readonly SimMember[]): void {
  const leads = (): boolean => core.some(({ node }) => node?.raft.role === 'leader' && node.raft.ownTermCommitted);
  if (!world.runUntil(leads, electionTimeoutsMax * world.electionTimeoutMs))
    throw new Violation('V1', `no leader of the core within ${electionTimeoutsMax} election timeouts`);
}

/** V2: equal applied index within 30 s, of all whose damage did not come to light when they were started. Equal states are the observer's to check. */
export function converge(world: World, core: readonly SimMember[]): void {
  const equal = (): boolean => {
    const living = core.filter(({ ruined }) => !ruined);
    const [first] = living;
    return living.every(
      ({ node, imageLost }) =>
        node !== undefined && !imageLost && node.machine.appliedIndex === first?.node?.machine.appliedIndex,
    );
  };
  if (!world.runUntil(equal, convergeMsMax)) {
    const where = core.map(({ name, node }) => `${name} ${node?.machine.appliedIndex ?? 'down'}`);
    throw new Violation('V2', `the core did not reach one applied index: ${where.join(', ')}`);
  }
}

/** W11: how long a watch may take to be told of what its member has applied. */
export const catchUpMsMax = 5_000;
/** A client slower than this lags by its own pace. */
const promptMsMax = 20;

/** What all of the core have applied by now: leases go on expiring, and of what comes later there is no saying yet. 0: nobody is healed. */
export function appliedByAll(core: readonly SimMember[]): number {
  return core.length === 0 ? 0 : Math.min(...core.map(({ node }) => node?.machine.revision ?? 0));
}

/** W11: the open watches of prompt clients at members of the core, told of what all of it had applied `catchUpMsMax` ago. */
export function catchUp({ clients, observer }: World, core: readonly SimMember[], revision: number): void {
  const isDue = ({ endedMs, slowMs, connections }: WatchRecord): boolean => {
    const last = connections.at(-1);
    if (endedMs !== undefined || slowMs > promptMsMax || last === undefined) return false;
    return core.some(({ index }) => index === last.member);
  };
  observer.watchesDue(clients.watches.filter(isDue), revision);
}

/** V3, V6: everything asked of a living member was answered, and nothing is left lying about. */
export function assertAtRest(world: World, core: readonly SimMember[]): void {
  const { open, watches } = world.clients;
  if (open > 0) throw new Violation('V3', `${open} calls never ended`);
  const watching = watches.filter(({ endedMs }) => endedMs === undefined).length;
  for (const { name, owed, node, disks } of core) {
    if (node === undefined) continue;
    const waits = [...world.waits].filter(({ member }) => member.name === name).length;
    if (waits > 0) throw new Violation('V3', `${waits} clients wait in a queue at ${name} for ever`);
    if (owed > 0) throw new Violation('V3', `${name} never answered ${owed} calls`);
    if (node.waiting > 0) throw new Violation('V6', `${name} still holds ${node.waiting} requests`);
    if (node.hub.count > watching) throw new Violation('V6', `${name} keeps ${node.hub.count} of ${watching} watchers`);
    const { heldMessages, refusedMessages, lastRefusal, uncommittedBytes } = node.raft.describe();
    // A write may be under way, and an expiry.
    if (heldMessages > 64 || uncommittedBytes > 64 * 1024)
      throw new Violation('V6', `${name} holds ${heldMessages} messages`);
    // A member that lost a group it had vouched for meets words about it.
    if (refusedMessages > 0 && !world.faults.counts.has('walFlipLast'))
      throw new Violation('R1', `${name} refused what no correct member says: ${lastRefusal}`);
    if (disks.wal.sizeBytes > walBytesMax)
      throw new Violation('V6', `the log of ${name} has ${disks.wal.sizeBytes} bytes`);
  }
}
