/** What scripts of the whole cluster are made of: a calm world with a leader, calls that are waited for, the commonest requests. */
import type { Range } from '../../src/state/command.ts';
import { calmWorld } from './calm.ts';
import type { CallRecord, ClientCall } from './history.ts';
import type { SimMember } from './member.ts';
import type { Noise } from './schedule.ts';
import { Violation } from './violation.ts';
import type { World } from './world.ts';

/** A calm cluster with a leader. */
export function ledWorld(seed: number, members = 3, noise: Partial<Noise> = {}): { world: World; leader: SimMember } {
  const world = calmWorld(BigInt(seed), members, noise);
  if (!world.runUntil(() => world.leader?.node?.raft.ownTermCommitted === true, 10_000))
    throw new Violation('V1', 'no leader in a calm cluster');
  return { world, leader: world.leader as SimMember };
}

/** Client 1 asks, and time goes on until its call has ended. */
export function ask(world: World, member: SimMember, call: ClientCall): CallRecord {
  const record = world.clients.call(0, member, call, 7_000);
  world.runUntil(() => record.outcome !== 'open', 10_000);
  return record;
}

export function grant(world: World, member: SimMember, id: bigint, ttlMs: number): void {
  const call: ClientCall = { type: 'command', command: { type: 'grant', id, ttlMs }, serverId: false };
  if (ask(world, member, call).outcome !== 'ok') throw new Violation('V3', 'a grant fails in a calm cluster');
}

export function isAlive({ result }: CallRecord): boolean {
  return result?.type === 'lease' && result.answer.type === 'alive';
}

export function rangeOf(name: string): Range {
  const bounds = { minModRevision: 0, maxModRevision: 0, minCreateRevision: 0, maxCreateRevision: 0 };
  const how = {
    limit: 0,
    revision: 0,
    sortOrder: 'none',
    sortTarget: 'key',
    keysOnly: true,
    countOnly: false,
  } as const;
  return { type: 'range', key: Buffer.from(name), rangeEnd: new Uint8Array(0), ...how, ...bounds };
}

export function put(name: string): ClientCall {
  const flags = { prevKv: false, ignoreValue: false, ignoreLease: false };
  const command = { type: 'put' as const, key: Buffer.from(name), value: Buffer.from(name), lease: 0n, ...flags };
  return { type: 'command', command, serverId: false };
}

/** Nobody hears the member and it hears nobody, but clients reach it. */
export function cutPeers(world: World, member: SimMember): void {
  world.network.isolate(member.index);
}

export function renewal(id: bigint): ClientCall {
  return { type: 'keepAlive', id };
}
