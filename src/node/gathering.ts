/**
 * When clients' commands go into the leader's log. What was answered together is asked together soon after, but not in one moment; an
 * entry of its own for each part of it costs three members a sync and their wake-ups. So after an answer commands wait until as many
 * are there as were answered or were waiting then: a moment at most, only if that moment has mostly sufficed lately, and not for
 * more of them than make an entry worth its cost. A lone client never waits: it is all that is expected. Owns that rule (decision 0026);
 * what the leader decides itself does not wait.
 */
import { gatherCommandsMax, gatherFreshMsMax, gatherMsMax, gatherTurnsMax } from '../base/limits.ts';
import type { Ports } from './ports.ts';

/** How much one wait says about the next. */
const lately = 0.1;
/** While waits do not suffice, after one answer in so many it is tried again. */
const tryEvery = 32;

export class Gathering {
  readonly #ports: Pick<Ports, 'wakeIn'>;
  #answeredMs = Number.NEGATIVE_INFINITY;
  #expected = 0;
  /** Share of the waits that sufficed. */
  #sufficed = 1;
  #answers = 0;
  #tries = true;
  /** The first command waits since then; undefined: none does. */
  #sinceMs: number | undefined;
  /** Turns in which it did. */
  #turns = 0;

  constructor(ports: Pick<Ports, 'wakeIn'>) {
    this.#ports = ports;
  }

  /** So many commands of clients were applied in this turn, and so many others wait already. */
  answered(count: number, waiting: number, nowMs: number): void {
    this.#answeredMs = nowMs;
    this.#expected = Math.min(count + waiting, gatherCommandsMax);
    this.#tries = this.#sufficed >= 0.5 || ++this.#answers % tryEvery === 0;
  }

  /** Whether the commands that wait go in this turn. If not, there will be a turn in time. */
  mayGo(waiting: number, nowMs: number): boolean {
    const all = waiting >= this.#expected;
    if (this.#sinceMs === undefined) {
      if (all || !this.#tries || nowMs - this.#answeredMs > gatherFreshMsMax) return true;
      this.#sinceMs = nowMs;
    }
    const leftMs = this.#sinceMs + gatherMsMax - nowMs;
    if (!all && leftMs > 0 && ++this.#turns < gatherTurnsMax) {
      this.#ports.wakeIn(leftMs);
      return false;
    }
    this.#sinceMs = undefined;
    this.#turns = 0;
    this.#sufficed += lately * ((all ? 1 : 0) - this.#sufficed);
    return true;
  }
}
