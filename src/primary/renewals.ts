/**
 * Owns the order of those who ask the primary: which questions are covered by an answered round and by what was applied, and
 * which stepped aside because something about their lease is undecided. Does not know the ack rule (`primary.ts`).
 * Keeps: answers of one round leave in arrival order; a question that must wait delays no other lease's; per lease, order is kept.
 */
import { assert } from '../base/assert.ts';
import type { LeaseId } from '../state/command.ts';
import type { Index } from '../store/entry.ts';

/** One question to the primary. */
export interface Question<Key> {
  /** Identifies who asked; opaque here. */
  readonly key: Key;
  readonly kind: 'keepAlive' | 'timeToLive';
  readonly id: LeaseId;
  /** A quorum round asked for after the question arrived. Never falls from one question to the next. */
  readonly ticket: number;
  /** Lessor time of the turn that took it in. */
  readonly receiptMs: number;
}

/** The questions of one member while it leads. */
export class Renewals<Key> {
  /** In arrival order; those before `#start` are gone. */
  #line: Question<Key>[] = [];
  #start = 0;
  /** Questions in `#line` before this place are covered by an answered round. */
  #covered = 0;
  /** Up to which place a round covers, and what must be applied before these may be answered. */
  #rounds: { readonly end: number; readonly index: Index }[] = [];
  /** By slot of a living lease: questions that stepped aside, in order. */
  readonly #aside = new Map<number, Question<Key>[]>();
  /** Stepped aside once, and now to be looked at again. */
  #released: Question<Key>[] = [];

  /** Questions that wait for a round or for applies. */
  get waiting(): number {
    return this.#line.length - this.#start;
  }

  /** Leases for which questions stepped aside. */
  get leasesAside(): number {
    return this.#aside.size;
  }

  ask(question: Question<Key>): void {
    const last = this.#line.at(-1);
    assert(last === undefined || last.ticket <= question.ticket, 'rounds are asked for in order of arrival');
    this.#line.push(question);
  }

  /** Every ticket up to `upTo` is answered; all up to `index` was committed when that round began. */
  roundAnswered(upTo: number, index: Index): void {
    let end = this.#covered;
    while (end < this.#line.length && (this.#line[end] as Question<Key>).ticket <= upTo) end++;
    if (end === this.#covered) return;
    this.#covered = end;
    this.#rounds.push({ end, index });
  }

  /** Takes what may be looked at now: first what was released, then in arrival order what rounds and applies cover. */
  takeReady(applied: Index): Question<Key>[] {
    let end = this.#start;
    let rounds = 0;
    for (const round of this.#rounds) {
      if (round.index > applied) break;
      end = round.end;
      rounds++;
    }
    const released = this.#released;
    if (released.length === 0 && rounds === 0) return [];
    this.#released = [];
    const ready = released.concat(this.#line.slice(this.#start, end));
    this.#rounds.splice(0, rounds);
    this.#start = end;
    this.#compact();
    return ready;
  }

  /** True if questions about the lease in this slot stepped aside: a later one must go behind them. */
  isAside(slot: number): boolean {
    return this.#aside.size > 0 && this.#aside.has(slot);
  }

  stepAside(slot: number, question: Question<Key>): void {
    const queue = this.#aside.get(slot);
    if (queue === undefined) this.#aside.set(slot, [question]);
    else queue.push(question);
  }

  /** What they waited for has changed: look at them again. */
  release(slot: number): void {
    const queue = this.#aside.get(slot);
    if (queue === undefined) return;
    this.#aside.delete(slot);
    for (const question of queue) this.#released.push(question);
  }

  /** Calls `visit` with every question that waits. */
  forEach(visit: (question: Question<Key>) => void): void {
    for (const question of this.#released) visit(question);
    for (const queue of this.#aside.values()) queue.forEach(visit);
    for (let at = this.#start; at < this.#line.length; at++) visit(this.#line[at] as Question<Key>);
  }

  /** Forgets everything. */
  clear(): void {
    this.#line = [];
    this.#start = 0;
    this.#covered = 0;
    this.#rounds = [];
    this.#aside.clear();
    this.#released = [];
  }

  /** Gives up the answered front of the line once it is the larger half. */
  #compact(): void {
    if (this.#start * 2 < this.#line.length) return;
    const gone = this.#start;
    this.#line = this.#line.slice(gone);
    this.#start = 0;
    this.#covered -= gone;
    this.#rounds = this.#rounds.map(({ end, index }) => ({ end: end - gone, index }));
  }
}
