/**
 * Keep-alives and TTL questions of this member's clients, until the primary answers them (house §5, §7). Both change nothing
 * that is replicated, so asking again is always allowed: a question whose leader or term is gone is aimed anew, dated by its
 * new arrival. Owns the asker's side only; the rule for an answer is `primary/renewals.ts`. Keeps V3.
 */
import { unreachable } from '../base/assert.ts';
import { waitingRequestsMax } from '../base/limits.ts';
import type { LeaseId } from '../state/command.ts';
import type { Term } from '../store/entry.ts';
import type { RenewalAnswer } from './answer.ts';
import { Asking, type Askings } from './asking.ts';
import type { LeaseAnswer, LeaseQuestion } from './peer-message.ts';

export class Questions {
  readonly #holdMs: number;
  readonly #open = new Map<number, Asking>();
  #held: Asking[] = [];
  /** Told "not here": asked again at the next tick, or of the next leader. At once, two members would ask and refuse without end. */
  #refused: Asking[] = [];
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
    this.#take(new Asking(kind, id, { answered: (_asking, answer) => reply(answer) }), nowMs + timeoutMs, nowMs);
  }

  /** All of a caller's, in their order. `stopped`: nobody is let in. */
  take(askings: Askings, stopped: boolean, nowMs: number): void {
    const deadlineMs = nowMs + askings.timeoutMs;
    for (const asking of askings.take()) {
      if (stopped) asking.asker.answered(asking, { type: 'unavailable', why: 'stopped' });
      else this.#take(asking, deadlineMs, nowMs);
    }
  }

  #take(asking: Asking, deadlineMs: number, nowMs: number): void {
    if (this.#open.size >= waitingRequestsMax) {
      asking.asker.answered(asking, { type: 'unavailable', why: 'overloaded' });
      return;
    }
    asking.seq = ++this.#seq;
    asking.deadlineMs = deadlineMs;
    asking.sinceMs = nowMs;
    this.#open.set(asking.seq, asking);
    this.#held.push(asking);
  }

  /** Everything held, now aimed at the leader of `term`, in arrival order. */
  aim(term: Term, nowMs: number): readonly LeaseQuestion[] {
    const held = this.#held;
    this.#held = [];
    let ended = false;
    for (const asking of held) {
      asking.aimedAt = term;
      asking.sinceMs = nowMs;
      ended ||= asking.over;
    }
    return ended ? held.filter((asking) => !asking.over) : held;
  }

  /** An answer from the leader of `term` (perhaps ourselves). Late and doubled answers find nobody. */
  answered(answer: LeaseAnswer, nowMs: number): void {
    switch (answer.type) {
      case 'unavailable':
        this.unavailable(answer.seq, nowMs);
        return;
      case 'gone':
        this.settle(answer.seq, { type: 'gone' });
        return;
      case 'alive': {
        const { type, grantedMs, remainingMs } = answer;
        this.settle(answer.seq, { type, grantedMs, remainingMs });
        return;
      }
      default:
        unreachable(answer);
    }
  }

  /** The primary's answer to the question of this number. */
  settle(seq: number, answer: Exclude<RenewalAnswer, { type: 'unavailable' }>): void {
    const asking = this.#open.get(seq);
    if (asking === undefined) return;
    this.#end(asking, answer);
  }

  /** Who was asked does not lead in that term. */
  unavailable(seq: number, nowMs: number): void {
    const asking = this.#open.get(seq);
    if (asking === undefined || asking.aimedAt === 0) return;
    asking.aimedAt = 0;
    asking.sinceMs = nowMs;
    this.#refused.push(asking);
  }

  /** Leader or term changed: what is aimed elsewhere goes out again. */
  reaim(term: Term, nowMs: number): void {
    this.#held.push(...this.#refused.splice(0));
    for (const asking of this.#open.values())
      if (asking.aimedAt !== 0 && asking.aimedAt !== term) this.#hold(asking, nowMs);
    this.#held.sort((a, b) => a.seq - b.seq);
  }

  /**
   * Ends what waited too long. Where a message may have been lost (`lossy`: the primary is another member), asks again what
   * hangs for an election timeout.
   */
  expire(nowMs: number, led: boolean, lossy: boolean): void {
    let settled = true;
    for (const asking of this.#open.values()) {
      const waitedMs = nowMs - asking.sinceMs;
      const held = asking.aimedAt === 0;
      if (held && !led && waitedMs >= this.#holdMs) this.#fail(asking, 'noLeader');
      else if (nowMs >= asking.deadlineMs) this.#fail(asking, 'timedOut');
      else if (lossy && !held && waitedMs >= this.#holdMs) this.#hold(asking, nowMs);
      else continue;
      settled = false;
    }
    // Mostly nothing has changed, and 100,000 may wait.
    if (settled && this.#refused.length === 0) return;
    this.#held.push(...this.#refused.splice(0));
    this.#held = this.#held.filter((asking) => !asking.over);
    this.#held.sort((a, b) => a.seq - b.seq);
  }

  stop(): void {
    for (const asking of [...this.#open.values()]) this.#fail(asking, 'stopped');
    this.#held = [];
    this.#refused = [];
  }

  #hold(asking: Asking, nowMs: number): void {
    asking.aimedAt = 0;
    asking.sinceMs = nowMs;
    this.#held.push(asking);
  }

  #fail(asking: Asking, why: 'noLeader' | 'timedOut' | 'stopped'): void {
    this.#end(asking, { type: 'unavailable', why });
  }

  #end(asking: Asking, answer: RenewalAnswer): void {
    asking.over = true;
    this.#open.delete(asking.seq);
    asking.asker.answered(asking, answer);
  }
}
