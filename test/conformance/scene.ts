/** A simulated cluster with a leader, and the few things that conformance scripts do with it. Every check of the simulator is on. */
import type { Command } from '../../src/state/command.ts';
import { NO_MEMBER } from '../../src/store/entry.ts';
import { calmWorld } from '../sim/calm.ts';
import type { CallRecord, ClientCall } from '../sim/history.ts';
import type { SimMember } from '../sim/member.ts';
import type { Noise } from '../sim/schedule.ts';
import type { World } from '../sim/world.ts';

export class Scene {
  readonly world: World;

  /** Time stands when a leader is on duty. */
  constructor(seed: number, members = 3, noise: Partial<Noise> = {}) {
    this.world = calmWorld(BigInt(seed), members, noise);
    this.untilLed();
    this.world.run(200);
  }

  get nowMs(): number {
    return this.world.nowMs;
  }

  get electionTimeoutMs(): number {
    return this.world.electionTimeoutMs;
  }

  get leader(): SimMember {
    const { leader } = this.world;
    if (leader === undefined) throw new Error('nobody leads');
    return leader;
  }

  get followers(): SimMember[] {
    return this.world.members.filter((member) => member !== this.world.leader);
  }

  /** Until a leader other than `not` is on duty; returns when. */
  untilLed(not?: SimMember, limitMs = 30_000): number {
    const led = (): boolean => {
      const { leader } = this.world;
      return leader !== undefined && leader !== not && leader.node?.status().onDuty === true;
    };
    if (!this.world.runUntil(led, limitMs)) throw new Error('nobody is on duty');
    return this.nowMs;
  }

  until(what: string, done: () => boolean, limitMs: number): number {
    if (!this.world.runUntil(done, limitMs)) throw new Error(`in vain waited until ${what}`);
    return this.nowMs;
  }

  /** Sends a call; time does not go on. */
  send(member: SimMember, call: ClientCall, timeoutMs = 5_000): CallRecord {
    return this.world.clients.call(0, member, call, timeoutMs);
  }

  /** A call to its end. */
  ask(member: SimMember, call: ClientCall, timeoutMs = 5_000): CallRecord {
    const record = this.send(member, call, timeoutMs);
    this.until('a call ends', () => record.outcome !== 'open', timeoutMs + 1_000);
    return record;
  }

  /** A command that must succeed. */
  do(member: SimMember, command: Extract<ClientCall, { type: 'command' }>['command']): void {
    const { outcome } = this.ask(member, { type: 'command', command, serverId: false });
    if (outcome !== 'ok') throw new Error(`a ${command.type} came to ${outcome}`);
  }

  grant(id: bigint, ttlMs: number, by = this.leader): void {
    this.do(by, { type: 'grant', id, ttlMs });
  }

  put(key: string, lease = 0n, by = this.leader): void {
    this.do(by, putOf(key, lease));
  }

  keepAlive(member: SimMember, id: bigint, timeoutMs = 5_000): CallRecord {
    return this.ask(member, { type: 'keepAlive', id }, timeoutMs);
  }

  timeToLive(member: SimMember, id: bigint): CallRecord {
    return this.ask(member, { type: 'timeToLive', id });
  }

  /** Leadership goes to whom the leader likes, or to `to`. */
  transfer(to?: SimMember): void {
    const before = this.leader;
    before.enqueue({ type: 'transfer', target: to?.id ?? NO_MEMBER, reply: () => undefined });
    this.untilLed(before);
  }

  /** Whether the lease is there, as the leader (or `member`) has applied it. */
  has(id: bigint, member: SimMember | undefined = this.world.leader): boolean {
    return (member?.node?.machine.lessor.slotOf(id) ?? -1) >= 0;
  }

  /** The keys of a lease, as the leader has applied them. */
  keysOf(id: bigint): string[] {
    return (this.leader.node?.machine.lessor.keysOf(id) ?? []).map((key) => Buffer.from(key).toString());
  }

  keyCount(member = this.leader): number {
    return member.node?.machine.keyCount ?? -1;
  }

  /** All members have applied the same and have one state. */
  settle(): void {
    const states = (): Set<string> =>
      new Set(this.world.members.map(({ node }) => `${node?.machine.appliedIndex} ${node?.machine.digest()}`));
    this.until('all members have one state', () => states().size === 1, 20_000);
  }
}

export function putOf(key: string, lease = 0n, valueBytes = 1): Extract<Command, { type: 'put' }> {
  const flags = { prevKv: false, ignoreValue: false, ignoreLease: false };
  return { type: 'put', key: Buffer.from(key), value: Buffer.alloc(valueBytes, 7), lease, ...flags };
}

/** What is left as the answer says it; undefined: no answer, or gone. */
export function leftOf({ result }: CallRecord): number | undefined {
  return result?.type === 'lease' && result.answer.type === 'alive' ? result.answer.remainingMs : undefined;
}

export function isGone({ result }: CallRecord): boolean {
  return result?.type === 'lease' && result.answer.type === 'gone';
}
