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

/** Who owes answers from when on: the boot that each whole member was in, by its index. */
export interface Serving {
  readonly fromMs: number;
  readonly boots: ReadonlyMap<number, number>;
}

/** A leader is there and all links are whole: from soon on the core serves, but for who waits for an image. */
export function serving(world: World, core: readonly SimMember[]): Serving {
  const whole = core.filter(({ up, imageLost }) => up && !imageLost);
  return {
    fromMs: world.nowMs + 2 * world.electionTimeoutMs,
    boots: new Map(whole.map(({ index, boot }) => [index, boot])),
  };
}

/** V1: what a whole member took in since then it did not leave until the client's deadline. */
export function served({ clients, members }: World, { fromMs, boots }: Serving): void {
  for (const { number, member: index, call, sentMs, receivedMs, outcome, result } of clients.calls) {
    const member = members[index];
    if (sentMs < fromMs || receivedMs === undefined || member?.boot !== boots.get(index) || !member?.up) continue;
    const left = result === undefined || (result.type === 'unavailable' && result.why === 'timedOut');
    if (outcome === 'unknown' && left)
      throw new Violation('V1', `${member.name}, whole, left call #${number} of ${sentMs}, a ${call.type}, unanswered`);
  }
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

/** By member's index: what its image reflects; only of those that send no image to anybody. */
export type Images = ReadonlyMap<number, number>;

export function imagesAtRest({ members, streams }: World): Images {
  const sending = new Set([...streams].map(({ from }) => from));
  const idle = members.filter(({ up, index }) => up && !sending.has(index));
  return new Map(idle.map(({ index, node }) => [index, node?.status().imageIndex ?? 0]));
}

/** V6: whose image was written since, and who sent none then, keeps no more log behind that image than it is told to. */
export function logDropped({ schedule }: World, core: readonly SimMember[], images: Images): void {
  for (const { index, name, node } of core) {
    const before = images.get(index);
    if (node === undefined || before === undefined) continue;
    const { imageIndex, raft } = node.status();
    const mayKeep = before - schedule.noise.logTailEntriesMax;
    if (imageIndex > before && raft.base.index < mayKeep)
      throw new Violation(
        'V6',
        `${name} keeps its log from ${raft.base.index} on, its image was at ${before} long ago`,
      );
  }
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
    const { position } = node.machine.compaction;
    if (position !== undefined)
      throw new Violation('V6', `${name} keeps what a compaction made useless, from ${position.revision} on`);
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
