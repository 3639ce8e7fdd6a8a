/**
 * What the leader does after a compaction: it proposes sweeps, one at a time and with room for other work in between, until every
 * member has taken away what nobody can see any more (state/compaction.ts). Nothing depends on who proposes them or how often,
 * so a new leader goes on where the state stands. Pure: the time is the node's.
 */
import { sweepBytesMax, sweepChangesMax, sweepEveryMs } from '../base/limits.ts';
import type { Sweep } from '../state/command.ts';
import type { Machine } from '../state/machine.ts';
import { isBefore } from '../state/revision.ts';
import type { Term } from '../store/entry.ts';

export class Sweeps {
  readonly #machine: Machine;
  #term: Term = 0;
  /** Proposed in `#term`, and perhaps not yet applied. */
  #proposed: Sweep | undefined;
  #proposedAtMs = Number.NEGATIVE_INFINITY;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** The next sweep for a leader of `term`, if one is due. */
  decide(term: Term, nowMs: number): Sweep | undefined {
    const { position } = this.#machine.compaction;
    if (position === undefined) return undefined;
    if (term !== this.#term) this.undecided();
    if (nowMs - this.#proposedAtMs < sweepEveryMs) return undefined;
    if (this.#proposed !== undefined && isBefore(position, this.#proposed)) return undefined;
    const to = this.#machine.compaction.next(sweepChangesMax, sweepBytesMax);
    if (to === undefined) return undefined;
    this.#term = term;
    this.#proposedAtMs = nowMs;
    this.#proposed = { type: 'sweep', ...to };
    return this.#proposed;
  }

  /** A sweep was applied. The next compaction begins before where it ended, so what is proposed then is another one. */
  applied(sweep: Sweep): void {
    if (this.#proposed !== undefined && !isBefore(sweep, this.#proposed)) this.undecided();
  }

  /** What was decided last was not proposed after all, or its term is over. */
  undecided(): void {
    this.#proposed = undefined;
  }
}
