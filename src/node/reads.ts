/**
 * Linearizable read barriers of this member's clients (Raft thesis §6.4). A barrier is reached when a quorum answered a round
 * begun after it was asked *and* this member has applied all that was committed when the round began. Keeps R12, K1.
 */
import { waitingRequestsMax } from '../base/limits.ts';
import type { Index } from '../store/entry.ts';
import type { BarrierAnswer } from './answer.ts';

interface Barrier {
  readonly reply: (answer: BarrierAnswer) => void;
  readonly deadlineMs: number;
  heldSinceMs: number;
}
interface AskedBarriers {
  readonly ticket: number;
  readonly barriers: readonly Barrier[];
}
interface ConfirmedBarriers {
  readonly index: Index;
  readonly barriers: readonly Barrier[];
}

export class Reads {
  readonly #holdMs: number;
  /** Not yet under a ticket. */
  #held: Barrier[] = [];
  /** Under a ticket, ascending. */
  #asked: AskedBarriers[] = [];
  /** A quorum answered; applied is still behind `index`. */
  #confirmed: ConfirmedBarriers[] = [];
  #count = 0;

  constructor(holdMs: number) {
    this.#holdMs = holdMs;
  }

  /** Barriers that wait, for whatever. */
  get count(): number {
    return this.#count;
  }

  submit(timeoutMs: number, reply: (answer: BarrierAnswer) => void, nowMs: number): void {
    if (this.#count >= waitingRequestsMax) {
      reply({ type: 'unavailable', why: 'overloaded' });
      return;
    }
    this.#count++;
    this.#held.push({ reply, deadlineMs: nowMs + timeoutMs, heldSinceMs: nowMs });
  }

  /** Whether a ticket is wanted this turn. */
  get wantsTicket(): boolean {
    return this.#held.length > 0;
  }

  /** All held barriers ride on the round of this ticket. */
  ticket(ticket: number): void {
    this.#asked.push({ ticket, barriers: this.#held });
    this.#held = [];
  }

  roundAnswered(upTo: number, index: Index): void {
    let answered = 0;
    while (answered < this.#asked.length && (this.#asked[answered] as AskedBarriers).ticket <= upTo) answered++;
    for (const group of this.#asked.splice(0, answered)) this.#confirmed.push({ index, barriers: group.barriers });
  }

  /** Tickets will not be answered any more: ask again. */
  roundsLost(nowMs: number): void {
    const lost = this.#asked.flatMap((group) => group.barriers);
    for (const barrier of lost) barrier.heldSinceMs = nowMs;
    this.#held = [...lost, ...this.#held];
    this.#asked = [];
  }

  applied(index: Index): void {
    if (this.#confirmed.length === 0) return;
    const reached = this.#confirmed.filter((group) => group.index <= index);
    if (reached.length === 0) return;
    this.#confirmed = this.#confirmed.filter((group) => group.index > index);
    for (const group of reached) for (const barrier of group.barriers) this.#end(barrier, { type: 'reached' });
  }

  expire(nowMs: number, led: boolean): void {
    const late = (barrier: Barrier): boolean => {
      if (nowMs < barrier.deadlineMs) return false;
      this.#end(barrier, { type: 'unavailable', why: 'timedOut' });
      return true;
    };
    this.#held = this.#held.filter((barrier) => {
      if (!led && nowMs - barrier.heldSinceMs >= this.#holdMs) {
        this.#end(barrier, { type: 'unavailable', why: 'noLeader' });
        return false;
      }
      return !late(barrier);
    });
    this.#asked = keepTimely(this.#asked, late);
    this.#confirmed = keepTimely(this.#confirmed, late);
  }

  stop(): void {
    const all = [...this.#confirmed, ...this.#asked].flatMap((group) => group.barriers);
    for (const barrier of [...all, ...this.#held]) this.#end(barrier, { type: 'unavailable', why: 'stopped' });
    this.#held = [];
    this.#asked = [];
    this.#confirmed = [];
  }

  #end(barrier: Barrier, answer: BarrierAnswer): void {
    this.#count--;
    barrier.reply(answer);
  }
}

function keepTimely<T extends { readonly barriers: readonly Barrier[] }>(
  groups: readonly T[],
  late: (barrier: Barrier) => boolean,
): T[] {
  const kept: T[] = [];
  for (const group of groups) {
    const barriers = group.barriers.filter((barrier) => !late(barrier));
    if (barriers.length > 0) kept.push({ ...group, barriers });
  }
  return kept;
}
