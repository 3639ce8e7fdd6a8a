/**
 * What clients are promised about leases, against virtual real time and the lives of leases: never early (L1), dead is dead (L2) and
 * its mirror (nobody is told "gone" of a lease that lives), no checkpoint in force that could take a promise back (L6), what
 * TTL questions are told (L11), ids that members choose (L10). Keyed by life, never by id: where an answer may be about two
 * lives of one id, it is held against the one it fits.
 */
import type { RenewalAnswer } from '../../../src/node/answer.ts';
import type { LeaseId } from '../../../src/state/command.ts';
import type { CallRecord } from '../history.ts';
import { fail } from './fail.ts';
import type { Life, LifeEvents, Lives } from './lives.ts';

/** Rounding of virtual time. */
const roundMs = 0.01;

export interface LeaseCheckOptions {
  readonly electionTimeoutMs: number;
  /** Clocks run fast by 1/500 at most; else nothing about time is promised. */
  readonly clocksInSpec: boolean;
}

type Alive = Extract<RenewalAnswer, { type: 'alive' }>;

export class LeaseChecks {
  readonly #lives: Lives;
  readonly #options: LeaseCheckOptions;
  /** TTL questions under way: until when which life was promised when they were sent. */
  readonly #asked = new Map<number, { readonly life: Life; readonly floorMs: number }>();
  readonly #chosenIds = new Set<LeaseId>();
  acks = 0;
  expiries = 0;
  revokes = 0;

  constructor(lives: Lives, options: LeaseCheckOptions) {
    this.#lives = lives;
    this.#options = options;
  }

  /** The log went on. */
  applied({ ended, checkpointed }: LifeEvents, nowMs: number): void {
    for (const life of ended) {
      if (life.cause === 'revoke') this.revokes++;
      else this.#expired(life);
    }
    if (!this.#options.clocksInSpec) return;
    for (const life of checkpointed) this.#keepsPromise(life, life.remainingMs, 'is recorded', nowMs);
  }

  called({ number, call }: CallRecord): void {
    if (call.type === 'command' && call.command.type === 'grant' && call.serverId) {
      const { id } = call.command;
      if (id <= 0n) fail('L10', `a member chose the id ${id}`);
      if (this.#chosenIds.has(id)) fail('L10', `the id ${id} was chosen twice`);
      this.#chosenIds.add(id);
    }
    if (call.type !== 'timeToLive') return;
    const life = this.#lives.alive.get(call.id);
    if (life !== undefined) this.#asked.set(number, { life, floorMs: life.floorMs });
  }

  /** Returns the life that a keep-alive certainly renewed. */
  answered(record: CallRecord): Life | undefined {
    const { call, result, number } = record;
    const asked = this.#asked.get(number);
    this.#asked.delete(number);
    if (result?.type !== 'lease' || (call.type !== 'keepAlive' && call.type !== 'timeToLive')) return undefined;
    const fromMs = record.receivedMs ?? record.sentMs;
    const toMs = record.endedMs as number;
    if (result.answer.type === 'gone') this.#gone(call.id, fromMs, toMs);
    else if (call.type === 'keepAlive') return this.#renewed(call.id, result.answer, fromMs, toMs);
    else this.#told(call.id, result.answer, fromMs, toMs, asked);
    return undefined;
  }

  // ── L1 ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #expired(life: Life): void {
    this.expiries++;
    if (!this.#options.clocksInSpec) return;
    const { id, bornMs, grantedMs, floorMs } = life;
    const endedMs = life.endedMs as number;
    if (endedMs < floorMs - roundMs) fail('L1', `lease ${id} expired at ${endedMs}, promised until ${floorMs}`);
    if (endedMs < bornMs + grantedMs - roundMs)
      fail('L1', `lease ${id}, granted ${grantedMs} ms at ${bornMs}, expired at ${endedMs}`);
  }

  /** A keep-alive that its member took in at `fromMs` was answered OK. */
  #renewed(id: LeaseId, { grantedMs }: Alive, fromMs: number, toMs: number): Life | undefined {
    this.acks++;
    const lives = this.#candidates(id, grantedMs, fromMs, toMs, 'L2');
    const floorMs = fromMs + grantedMs;
    const ends = lives.map((life) => (life.cause === 'expire' ? (life.endedMs as number) : Number.POSITIVE_INFINITY));
    if (this.#options.clocksInSpec && Math.max(...ends) < floorMs - roundMs)
      fail('L1', `lease ${id} expired at ${Math.max(...ends)}, a keep-alive promised it until ${floorMs}`);
    if (lives.length > 1) return undefined;
    const life = lives[0] as Life;
    life.floorMs = Math.max(life.floorMs, floorMs);
    // L6: what an older checkpoint left in force would give the next leader must not fall short of the promise.
    if (this.#options.clocksInSpec && life.endedMs === undefined && life.remainingMs > 0)
      this.#keepsPromise(life, life.remainingMs, 'is in force after a keep-alive', toMs);
    return life;
  }

  /** L6. A leader promoted now, or later, ends the lease `remainingMs` later at the earliest. */
  #keepsPromise(life: Life, remainingMs: number, how: string, sinceMs: number): void {
    if (sinceMs + remainingMs < life.floorMs - roundMs)
      fail('L6', `${remainingMs} ms of lease ${life.id} ${how} at ${sinceMs}, which is promised until ${life.floorMs}`);
  }

  // ── L2 and its mirror ────────────────────────────────────────────────────────────────────────────────────────────────

  /** The lives that an answer "alive, of this TTL" can be about. There must be one. */
  #candidates(id: LeaseId, grantedMs: number, fromMs: number, toMs: number, invariant: string): Life[] {
    const lives = this.#lives.overlapping(id, fromMs, toMs);
    if (lives.length === 0)
      fail(invariant, `lease ${id}: asked at ${fromMs}, answered alive by ${toMs}, and it was dead all the while`);
    const fitting = lives.filter((life) => life.grantedMs === grantedMs);
    if (fitting.length === 0)
      fail(
        'L11',
        `lease ${id} is said to be of ${grantedMs} ms, it was granted ${lives.map((life) => life.grantedMs).join(' or ')}`,
      );
    return fitting;
  }

  #gone(id: LeaseId, fromMs: number, toMs: number): void {
    const alive = this.#lives
      .overlapping(id, fromMs, toMs)
      .find((life) => life.bornMs < fromMs && (life.endedMs === undefined || life.endedMs > toMs));
    if (alive !== undefined)
      fail(
        'L2-mirror',
        `lease ${id}: asked at ${fromMs}, answered gone by ${toMs}, and it lived since ${alive.bornMs}`,
      );
  }

  // ── L11 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #told(
    id: LeaseId,
    { grantedMs, remainingMs }: Alive,
    fromMs: number,
    toMs: number,
    asked: { readonly life: Life; readonly floorMs: number } | undefined,
  ): void {
    const lives = this.#candidates(id, grantedMs, fromMs, toMs, 'L11');
    if (remainingMs > grantedMs + this.#options.electionTimeoutMs + 2)
      fail('L11', `lease ${id} of ${grantedMs} ms is said to have ${remainingMs} ms left`);
    if (asked === undefined || !this.#options.clocksInSpec || lives.length > 1 || lives[0] !== asked.life) return;
    // Whoever answers for the present leader knows what was promised before the question was sent.
    if (remainingMs < asked.floorMs - toMs - 1 - roundMs)
      fail('L11', `lease ${id}: ${remainingMs} ms left, said by ${toMs}, and it was promised until ${asked.floorMs}`);
  }
}
