/**
 * The lives of leases: one from each grant that took effect to the end of that lease, by the log's first application anywhere. An id
 * may live many times; what clients were promised is kept per life. Owns no promise itself.
 */
import type { LeaseId } from '../../../src/state/command.ts';
import type { Index, Term } from '../../../src/store/entry.ts';
import type { Place } from './state-checks.ts';

export type EndCause = 'expire' | 'revoke';

/** One life. All times are virtual real time of the first application anywhere. */
export interface Life {
  readonly id: LeaseId;
  readonly bornMs: number;
  readonly bornIndex: Index;
  /** Place of the grant among the commands of its entry: an entry may begin an id twice. */
  readonly bornAmong: number;
  readonly bornTerm: Term;
  readonly grantedMs: number;
  endedMs: number | undefined;
  endedIndex: Index | undefined;
  cause: EndCause | undefined;
  /** The latest time until which a delivered answer promised it. */
  floorMs: number;
  /** What a checkpoint recorded and no clear took back; 0: nothing. */
  remainingMs: number;
}

/** What one entry did to lives. */
export interface LifeEvents {
  readonly born: readonly Life[];
  readonly ended: readonly Life[];
  /** What is left of them was recorded. */
  readonly checkpointed: readonly Life[];
}

export class Lives {
  readonly #lives = new Map<LeaseId, Life[]>();
  readonly #alive = new Map<LeaseId, Life>();

  /** All that have not ended. */
  get alive(): ReadonlyMap<LeaseId, Life> {
    return this.#alive;
  }

  /** Takes the next entry of the log. */
  applied(place: Place): LifeEvents {
    const born: Life[] = [];
    const ended: Life[] = [];
    const checkpointed: Life[] = [];
    const { entry } = place;
    for (const [among, { command, outcome }] of place.commands.entries()) {
      if (!outcome.ok) continue;
      if (command.type === 'grant') born.push(this.#begin(command.id, command.ttlMs, place, among));
      else if (command.type === 'revoke') this.#end(command.id, 'revoke', place, ended);
      else if (command.type === 'expire') {
        // A duty has its entry to itself, so what the entry leaves says which of them it ended.
        for (const { id } of command.leases) if (isGone(place, id)) this.#end(id, 'expire', place, ended);
      } else if (command.type === 'checkpoint' || command.type === 'clear') {
        for (const { id } of command.leases) {
          const life = this.#alive.get(id);
          if (life === undefined) continue;
          const before = life.remainingMs;
          life.remainingMs = remainingOf(place, id);
          if (command.type === 'checkpoint' && life.remainingMs !== before && entry.term === command.term)
            checkpointed.push(life);
        }
      }
    }
    return { born, ended, checkpointed };
  }

  /** Lives of an id that were there at some moment between the two times. */
  overlapping(id: LeaseId, fromMs: number, toMs: number): Life[] {
    const lives = this.#lives.get(id) ?? [];
    return lives.filter((life) => life.bornMs <= toMs && (life.endedMs === undefined || life.endedMs >= fromMs));
  }

  /** The life that a command of the entry at `index` began, the one at place `among`. */
  bornAt(id: LeaseId, index: Index, among: number): Life | undefined {
    return this.#lives.get(id)?.find((life) => life.bornIndex === index && life.bornAmong === among);
  }

  #begin(id: LeaseId, grantedMs: number, { atMs, entry }: Place, bornAmong: number): Life {
    const life: Life = {
      id,
      bornMs: atMs,
      bornIndex: entry.index,
      bornAmong,
      bornTerm: entry.term,
      grantedMs,
      endedMs: undefined,
      endedIndex: undefined,
      cause: undefined,
      floorMs: 0,
      remainingMs: 0,
    };
    const lives = this.#lives.get(id);
    if (lives === undefined) this.#lives.set(id, [life]);
    else lives.push(life);
    this.#alive.set(id, life);
    return life;
  }

  #end(id: LeaseId, cause: EndCause, { atMs, entry }: Place, ended: Life[]): void {
    const life = this.#alive.get(id);
    if (life === undefined) return;
    life.endedMs = atMs;
    life.endedIndex = entry.index;
    life.cause = cause;
    this.#alive.delete(id);
    ended.push(life);
  }
}

function isGone(place: Place, id: LeaseId): boolean {
  return place.touched.some((view) => view.id === id && view.lease === undefined);
}

function remainingOf(place: Place, id: LeaseId): number {
  return place.touched.find((view) => view.id === id)?.lease?.remaining ?? 0;
}
