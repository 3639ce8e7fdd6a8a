/**
 * A client that wants a lock, or to lead: a session of its own, the way into the queue, the wait at a member and at the next one when that
 * fails, then what a holder does: renews (or, sick, does not), writes with its token to the cluster and to a resource outside
 * of it, proclaims, and leaves, or is forgotten. It never looks at the time: a sick holder goes on as if it still held.
 */
import { Prng } from '../../src/base/prng.ts';
import type { Command, LeaseId, Txn } from '../../src/state/command.ts';
import { joinCommand, joinedOf, leaveCommand, proclaimCommand, queuePrefix } from '../../src/watch/queue.ts';
import type { CallRecord, LockRecord } from './history.ts';
import type { SimMember } from './member.ts';
import type { ClientOp } from './schedule.ts';
import { type TurnAnswer, TurnWait } from './turn-wait.ts';
import type { World } from './world.ts';

type LockOp = ClientOp & { readonly type: 'lock' };

const callTimeoutMs = 3_000;
const retryMs = 300;
const triesMax = 8;

/** The name of a queue; keys of candidates are `q3/<lease>`, the key that it guards is `q3`. */
export function queueName(queue: number): Uint8Array {
  return Buffer.from(`q${queue}`);
}

/** Client `client` wants what `op` says, through `member` and later others. */
export function wantLock(world: World, client: number, member: SimMember, op: LockOp): void {
  new Locking(world, client, member, op).begin();
}

class Locking {
  readonly #world: World;
  readonly #client: number;
  readonly #op: LockOp;
  readonly #prng: Prng;
  readonly #prefix: Uint8Array;
  #member: SimMember;
  #lease: LeaseId = 0n;
  #tries = 0;
  /** Grows with every wait; what belongs to an older one is void. */
  #waiting = 0;
  #renewals = 0;
  #over = false;
  readonly #gone = (member: SimMember): void => {
    if (member === this.#member) this.#again(this.#waiting);
  };

  constructor(world: World, client: number, member: SimMember, op: LockOp) {
    this.#world = world;
    this.#client = client;
    this.#op = op;
    this.#member = member;
    this.#prng = new Prng(world.schedule.seed, `lock ${op.session}`);
    this.#prefix = queuePrefix(queueName(op.queue));
  }

  begin(): void {
    const id = this.#member.ids.uint64() & 0x7fff_ffff_ffff_ffffn || 1n;
    this.#lease = id;
    const { ttlMs } = this.#op;
    this.#command({ type: 'grant', id, ttlMs }, true, ({ outcome }) => {
      if (outcome !== 'ok') return;
      this.#renewLater();
      this.#enter();
    });
  }

  #command(
    command: Extract<Command, { type: 'grant' | 'revoke' | 'txn' }>,
    serverId: boolean,
    then: (record: CallRecord) => void,
  ): void {
    const { clients } = this.#world;
    clients.call(this.#client, this.#listening(), { type: 'command', command, serverId }, callTimeoutMs, then);
  }

  // ── into the queue, and the wait ─────────────────────────────────────────────────────────────────────────────────────

  #enter(): void {
    if (this.#over || ++this.#tries > triesMax) return;
    const value = Buffer.from(`${this.#world.clients.calls.length}`);
    this.#command(joinCommand(this.#prefix, this.#lease, value), false, ({ outcome, result }) => {
      if (outcome === 'refused') return;
      const told = result?.type === 'outcome' && result.outcome.ok ? result.outcome : undefined;
      if (told?.result.type !== 'txn') {
        this.#move();
        this.#later(retryMs, () => this.#enter());
        return;
      }
      const { candidate, first } = joinedOf(this.#prefix, this.#lease, told.result, told.revision);
      const { key, createRevision: token } = candidate;
      if (first) this.#owns({ key, token, foundAt: told.revision, askedAt: 0 });
      else this.#wait(key, token);
    });
  }

  #wait(key: Uint8Array, token: number): void {
    const world = this.#world;
    const { network, timeline, clients } = world;
    const member = this.#member;
    const wait = ++this.#waiting;
    clients.goneListeners.add(this.#gone);
    const end = world.members.length + this.#client;
    let arrived = false;
    network.carry(network.link(end, member.index), () =>
      member.post(() => {
        const { node } = member;
        if (arrived || node === undefined) return;
        arrived = true;
        const candidate = { prefix: this.#prefix, key, createRevision: token };
        new TurnWait(member, node, candidate, this.#op.waitMs, (answer) =>
          network.carry(network.link(member.index, end), () => this.#answered(wait, key, token, answer)),
        );
      }),
    );
    timeline.after(this.#op.waitMs + 500, () => this.#again(wait));
  }

  #answered(wait: number, key: Uint8Array, token: number, answer: TurnAnswer): void {
    if (wait !== this.#waiting) return;
    if (answer.type === 'unavailable') this.#again(wait);
    else this.#endWait();
    if (answer.type === 'first') {
      const { foundAt, askedAt } = answer;
      this.#owns({ key, token, foundAt, askedAt });
    }
  }

  /** The wait came to nothing: enters once more, through another member, and finds its place kept. */
  #again(wait: number): void {
    if (wait !== this.#waiting) return;
    this.#endWait();
    this.#move();
    this.#later(retryMs, () => this.#enter());
  }

  #endWait(): void {
    this.#waiting++;
    this.#world.clients.goneListeners.delete(this.#gone);
  }

  // ── the holder ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #owns(found: Pick<LockRecord, 'key' | 'token' | 'foundAt' | 'askedAt'>): void {
    const world = this.#world;
    const { queue, holdMs, writes, leaves } = this.#op;
    const record = {
      ...found,
      queue,
      client: this.#client,
      lease: this.#lease,
      prefix: this.#prefix,
      atMs: world.nowMs,
    };
    world.lockTurns++;
    world.timeline.mix((queue << 20) ^ record.token);
    world.trace?.(-1, `c${this.#client + 1} holds q${queue} with token ${record.token}, found at ${record.foundAt}`);
    world.observer.locked(record);
    for (let i = 0; i < writes; i++) this.#later((holdMs * (i + 1)) / (writes + 1), () => this.#write(record, i));
    this.#later(leaves === 'early' ? holdMs / 3 : holdMs, () => this.#leave(record));
  }

  /** In turn: to the resource outside, to the cluster, a word to its observers. */
  #write(record: LockRecord, i: number): void {
    const world = this.#world;
    const { key, token, lease, queue } = record;
    const way = i % 3;
    if (way === 0) {
      const travelsMs = this.#prng.unit() * (this.#prng.chance(0.1) ? 2_000 : 30);
      this.#later(travelsMs, () => world.observer.fenced(record, world.resource(queue).write(token)));
      return;
    }
    const value = Buffer.from(`${world.clients.calls.length}.w`);
    const command =
      way === 1 ? guardedPut(key, token, queueName(queue), value) : proclaimCommand(key, token, value, lease);
    this.#command(command, false, ({ result }) => {
      if (result?.type === 'outcome') world.observer.guarded(record, result.outcome);
    });
  }

  #leave(record: LockRecord): void {
    const { key, token, lease } = record;
    if (this.#op.leaves === 'forgets') return;
    const command: Command = this.#op.leaves === 'revokes' ? { type: 'revoke', id: lease } : leaveCommand(key, token);
    // Who leaves too early goes on as if nothing had been, its session alive.
    this.#over = this.#op.leaves !== 'early';
    this.#command(command, false, ({ result }) => {
      if (command.type === 'txn' && result?.type === 'outcome') this.#world.observer.guarded(record, result.outcome);
    });
  }

  #renewLater(): void {
    const { ttlMs, renewals } = this.#op;
    if (this.#over || this.#renewals++ >= renewals) return;
    this.#later((ttlMs / 3) * (0.8 + 0.4 * this.#prng.unit()), () => {
      const { clients } = this.#world;
      clients.call(
        this.#client,
        this.#listening(),
        { type: 'keepAlive', id: this.#lease },
        Math.max(1_000, ttlMs),
        ({ result }) => {
          const gone = result?.type === 'lease' && result.answer.type === 'gone';
          if (!gone) this.#renewLater();
        },
      );
    });
  }

  // ── where, and when ──────────────────────────────────────────────────────────────────────────────────────────────────

  #later(delayMs: number, step: () => void): void {
    this.#world.timeline.after(delayMs, () => {
      if (this.#world.working) step();
    });
  }

  #move(): void {
    const { members } = this.#world;
    this.#member = members[(this.#member.index + 1) % members.length] as SimMember;
  }

  /** Where nobody listens it goes on to the next address. */
  #listening(): SimMember {
    for (let i = 0; i < this.#world.members.length && !this.#member.up; i++) this.#move();
    return this.#member;
  }
}

/** Puts `target` as long as the key in the queue is the one of this token. */
function guardedPut(key: Uint8Array, token: number, target: Uint8Array, value: Uint8Array): Txn {
  const nothing = new Uint8Array(0);
  const flags = { lease: 0n, prevKv: false, ignoreValue: false, ignoreLease: false };
  return {
    type: 'txn',
    compares: [{ target: 'create', result: 'equal', key, rangeEnd: nothing, operand: token }],
    success: [{ type: 'put', key: target, value, ...flags }],
    failure: [],
  };
}
