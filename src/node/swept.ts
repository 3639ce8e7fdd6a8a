/**
 * Clients that wait until a compaction is done physically (`CompactionRequest.physical`): until nothing that it made useless is
 * left in this member's memory, and the image on this member's disk is written without it. Other members may be behind. How
 * LevelDB's files shrink is LevelDB's affair. Keeps V3.
 */
import { waitingRequestsMax } from '../base/limits.ts';
import type { Machine } from '../state/machine.ts';
import type { Index } from '../store/entry.ts';
import type { BarrierAnswer } from './answer.ts';

interface Waiter {
  readonly revision: number;
  readonly deadlineMs: number;
  readonly reply: (answer: BarrierAnswer) => void;
  /** Where memory was found swept; the image must get there. */
  index: Index | undefined;
}

export class Swept {
  #waiting: Waiter[] = [];

  get count(): number {
    return this.#waiting.length;
  }

  submit(revision: number, timeoutMs: number, reply: (answer: BarrierAnswer) => void, nowMs: number): void {
    if (this.#waiting.length >= waitingRequestsMax) reply({ type: 'unavailable', why: 'overloaded' });
    else this.#waiting.push({ revision, deadlineMs: nowMs + timeoutMs, reply, index: undefined });
  }

  /** Looks who is served; `imageIndex`: what the image on disk reflects. */
  look(machine: Machine, imageIndex: Index): void {
    this.#end((waiter) => {
      if (waiter.index === undefined && machine.compaction.isSwept(waiter.revision))
        waiter.index = machine.appliedIndex;
      return waiter.index !== undefined && waiter.index <= imageIndex ? { type: 'reached' } : undefined;
    });
  }

  expire(nowMs: number): void {
    this.#end(({ deadlineMs }) => (nowMs < deadlineMs ? undefined : { type: 'unavailable', why: 'timedOut' }));
  }

  stop(): void {
    this.#end(() => ({ type: 'unavailable', why: 'stopped' }));
  }

  #end(answerOf: (waiter: Waiter) => BarrierAnswer | undefined): void {
    if (this.#waiting.length === 0) return;
    this.#waiting = this.#waiting.filter((waiter) => {
      const answer = answerOf(waiter);
      if (answer !== undefined) waiter.reply(answer);
      return answer === undefined;
    });
  }
}
