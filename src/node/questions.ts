/**
 * Keep-alives and TTL questions of this member's clients, until the primary answers them (house §5, §7). Both change nothing
 * that is replicated, so asking again is always allowed: a question whose leader or term is gone is aimed anew, dated by its
 * new arrival. Owns the asker's side only; the rule for an answer is `primary/renewals.ts`. Keeps V3.
 */
import { waitingRequestsMax } from '../base/limits.ts';
import type { LeaseId } from '../state/command.ts';
import type { Term } from '../store/entry.ts';
import type { RenewalAnswer } from './input.ts';
import type { LeaseAnswer, LeaseQuestion } from './peer-message.ts';

interface Asker extends LeaseQuestion {
  readonly reply: (answer: RenewalAnswer) => void;
  readonly deadlineMs: number;
  /** 0: held. */
  aimedAt: Term;
  sinceMs: number;
}

export class Questions {
  readonly #holdMs: number;
  readonly #open = new Map<number, Asker>();
  #held: Asker[] = [];
  /** Told "not here": asked again at the next tick, or of the next leader. At once, two members would ask and refuse without end. */
  #refused: Asker[] = [];
  #seq = 0;

  constructor(holdMs: number) {
    this.#holdMs = holdMs;
  }

  get count(): number {
    return this.#open.size;
  }

  get heldCount(): number {
    return this.#held.length;
  }

  submit(
    kind: 'keepAlive' | 'timeToLive',
    id: LeaseId,
    timeoutMs: number,
    reply: (answer: RenewalAnswer) => void,
    nowMs: number,
  ): void {
    if (this.#open.size >= waitingRequestsMax) {
      reply({ type: 'unavailable', why: 'overloaded' });
      return;
    }
    const seq = ++this.#seq;
    const asker: Asker = { seq, kind, id, reply, deadlineMs: nowMs + timeoutMs, aimedAt: 0, sinceMs: nowMs };
    this.#open.set(seq, asker);
    this.#held.push(asker);
  }

  /** Everything held, now aimed at the leader of `term`, in arrival order. */
  aim(term: Term, nowMs: number): readonly LeaseQuestion[] {
    const aimed = this.#held.filter((asker) => this.#open.has(asker.seq));
    for (const asker of aimed) {
      asker.aimedAt = term;
      asker.sinceMs = nowMs;
    }
    this.#held = [];
    return aimed;
  }

  /** An answer from the leader of `term` (perhaps ourselves). Late and doubled answers find nobody. */
  answered(answer: LeaseAnswer, nowMs: number): void {
    const asker = this.#open.get(answer.seq);
    if (asker === undefined) return;
    if (answer.type === 'unavailable') {
      if (asker.aimedAt === 0) return;
      asker.aimedAt = 0;
      asker.sinceMs = nowMs;
      this.#refused.push(asker);
      return;
    }
    this.#open.delete(answer.seq);
    asker.reply(
      answer.type === 'gone'
        ? { type: 'gone' }
        : { type: 'alive', grantedMs: answer.grantedMs, remainingMs: answer.remainingMs },
    );
  }

  /** Leader or term changed: what is aimed elsewhere goes out again. */
  reaim(term: Term, nowMs: number): void {
    this.#held.push(...this.#refused.splice(0));
    for (const asker of this.#open.values())
      if (asker.aimedAt !== 0 && asker.aimedAt !== term) this.#hold(asker, nowMs);
    this.#held.sort((a, b) => a.seq - b.seq);
  }

  /**
   * Ends what waited too long. Where a message may have been lost (`lossy`: the primary is another member), asks again what
   * hangs for an election timeout.
   */
  expire(nowMs: number, led: boolean, lossy: boolean): void {
    let settled = true;
    for (const asker of this.#open.values()) {
      const waitedMs = nowMs - asker.sinceMs;
      const held = asker.aimedAt === 0;
      if (held && !led && waitedMs >= this.#holdMs) this.#fail(asker, 'noLeader');
      else if (nowMs >= asker.deadlineMs) this.#fail(asker, 'timedOut');
      else if (lossy && !held && waitedMs >= this.#holdMs) this.#hold(asker, nowMs);
      else continue;
      settled = false;
    }
    // Mostly nothing has changed, and 100,000 may wait.
    if (settled && this.#refused.length === 0) return;
    this.#held.push(...this.#refused.splice(0));
    this.#held = this.#held.filter((asker) => this.#open.has(asker.seq));
    this.#held.sort((a, b) => a.seq - b.seq);
  }

  stop(): void {
    for (const asker of [...this.#open.values()]) this.#fail(asker, 'stopped');
    this.#held = [];
    this.#refused = [];
  }

  #hold(asker: Asker, nowMs: number): void {
    asker.aimedAt = 0;
    asker.sinceMs = nowMs;
    this.#held.push(asker);
  }

  #fail(asker: Asker, why: 'noLeader' | 'timedOut' | 'stopped'): void {
    this.#open.delete(asker.seq);
    asker.reply({ type: 'unavailable', why });
  }
}
