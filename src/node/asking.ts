/**
 * A client's question about a lease, as one object from where it is asked to where it is answered, and many of one caller that come in
 * together. Whoever asks extends it by what it wants to remember: a renewal is nothing more, so that it costs nothing more.
 */
import type { LeaseId } from '../state/command.ts';
import type { Term } from '../store/entry.ts';
import type { RenewalAnswer } from './answer.ts';
import type { LeaseQuestion } from './peer-message.ts';

/** Who asked. */
export interface Asker {
  /** Called once for each question, inside a turn: takes a note, and does its work after it. */
  answered(asking: Asking, answer: RenewalAnswer): void;
}

export class Asking implements LeaseQuestion {
  readonly kind: 'keepAlive' | 'timeToLive';
  readonly id: LeaseId;
  readonly asker: Asker;
  /** What follows is `Questions`'. */
  seq = 0;
  deadlineMs = 0;
  /** 0: held. */
  aimedAt: Term = 0;
  sinceMs = 0;
  over = false;

  constructor(kind: 'keepAlive' | 'timeToLive', id: LeaseId, asker: Asker) {
    this.kind = kind;
    this.id = id;
    this.asker = asker;
  }
}

/** Questions of one caller: an `Input` that takes more of them until its turn comes. */
export class Askings {
  readonly type = 'askings';
  readonly timeoutMs: number;
  readonly #list: Asking[] = [];
  #taken = false;

  constructor(timeoutMs: number) {
    this.timeoutMs = timeoutMs;
  }

  /** Its turn has come: what is asked now goes into another. */
  get taken(): boolean {
    return this.#taken;
  }

  get count(): number {
    return this.#list.length;
  }

  add(asking: Asking): void {
    this.#list.push(asking);
  }

  take(): readonly Asking[] {
    this.#taken = true;
    return this.#list;
  }
}
