/**
 * What is owed to holders, looked at after every step. F6: a running process believes to hold only what the cluster gave to nobody else.
 * F7: the first look after the process stood still for a TTL says lost, and no write leaves after a look that should have. What a
 * naive holder does wrong is counted and not owed.
 */
import type { TestMember } from '../../../src/client/testing/member.ts';
import type { Contender } from './contender.ts';
import type { Hold } from './hold.ts';
import type { Look } from './plan.ts';
import type { Store } from './store.ts';
import type { Truth } from './truth.ts';
import { Violation } from './violation.ts';

export class Checks {
  readonly #truth: Truth;
  readonly #store: Store;
  readonly #nowMs: () => number;
  readonly contenders: Contender[] = [];
  /** Instants at which another was let in while a naive holder believed. */
  overlaps = 0;
  /** First looks after a pause, and how many of them said lost. */
  readonly looks = { all: 0, lost: 0 };
  /** Holds whose time was over while their process ran: their signal had aborted by a timer. */
  timedOut = 0;

  constructor(truth: Truth, store: Store, nowMs: () => number) {
    this.#truth = truth;
    this.#store = store;
    this.#nowMs = nowMs;
  }

  /** After every step. */
  look(members: readonly TestMember[]): void {
    const changed = this.#truth.look(members);
    for (const contender of this.contenders) {
      const { hold } = contender;
      if (hold === undefined || hold.token === this.#truth.owner || !contender.running) continue;
      // The timers of a process that goes on run in the instant in which it does.
      if (this.#nowMs() > contender.excusedUntilMs) this.#mustKnow(contender, hold);
      if (changed) this.#mustNotBelieve(contender, hold);
    }
  }

  /** A contender was told that it holds; it has not looked yet. */
  acquired(contender: Contender, hold: Hold): void {
    const { owner } = this.#truth;
    if (hold.token === owner || !hold.held()) return;
    if (contender.plan.look === 'naive') this.overlaps++;
    else throw this.#violation('F3', contender, hold, 'was told that it holds');
  }

  /** The process goes on, or its wall clock jumped, `lostMs` after it ran last by the clock that went further. Before anything runs. */
  resumed(contender: Contender, lostMs: number): void {
    const { hold } = contender;
    const look = contender.firstLook();
    if (hold === undefined || look === undefined) return;
    const believes = believesBy(hold, look);
    this.looks.all++;
    if (!believes) this.looks.lost++;
    if (!believes && hold.held()) throw this.#violation('F7', contender, hold, `said lost by ${look}, then held`);
    if (believes && lostMs >= hold.ttlMs)
      throw this.#violation('F7', contender, hold, `says held by ${look} after ${lostMs.toFixed(3)} ms`);
    if (believes && hold.token !== this.#truth.owner)
      throw this.#violation('F7', contender, hold, `says held by ${look}`);
  }

  /** A write leaves, after the contender looked in its way. */
  writes(contender: Contender, hold: Hold, delayMs: number): void {
    const stale = hold.token !== this.#truth.owner;
    const { look } = contender.plan;
    // Who waits for a timer is told a moment after the process goes on.
    const owed = look !== 'naive' && !(look === 'timer' && this.#nowMs() <= contender.excusedUntilMs);
    if (stale && owed) throw this.#violation('F7', contender, hold, 'writes, having looked');
    this.#store.write(hold.token, delayMs, stale);
  }

  /** At the end. */
  finished(): void {
    let newest = 0n;
    for (const token of this.#store.accepted) {
      if (token < newest) throw new Violation('F4', this.#nowMs(), `the store took ${token} after ${newest}`);
      if (!this.#truth.tokens.has(token)) throw new Violation('F3', this.#nowMs(), `${token} never owned the lock`);
      newest = token;
    }
  }

  #mustKnow(contender: Contender, hold: Hold): void {
    if (hold.timed.aborted || contender.plan.look === 'naive') return;
    throw this.#violation('F6', contender, hold, 'its signal has not aborted');
  }

  /** In the very step in which another is let in. */
  #mustNotBelieve(contender: Contender, hold: Hold): void {
    if (contender.plan.look === 'naive') {
      if (contender.believes()) this.overlaps++;
      return;
    }
    if (hold.timed.aborted) this.timedOut++;
    if (hold.held()) throw this.#violation('F6', contender, hold, 'says held');
  }

  #violation(invariant: string, contender: Contender, hold: Hold, what: string): Violation {
    const { owner } = this.#truth;
    const text = `${contender.name} (${contender.plan.look}, ttl ${hold.ttlMs} ms) with token ${hold.token} ${what}`;
    return new Violation(invariant, this.#nowMs(), `${text}; owner: ${owner ?? 'nobody'}`);
  }
}

/** What the hold says when it is looked at in that way. */
export function believesBy(hold: Hold, look: Look): boolean {
  if (look === 'held' || look === 'naive') return hold.held();
  if (look === 'signal') return !hold.signal.aborted;
  if (look === 'timer') return !hold.timed.aborted;
  try {
    return hold.guard !== undefined;
  } catch {
    return false;
  }
}
