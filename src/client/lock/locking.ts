/** Sessions, locks and elections of one client, and what they share: one place that tidies queues up. */
import type { Core } from '../core.ts';
import type { KeyLike } from '../values.ts';
import type { Lanes } from '../watch/lanes.ts';
import { Election, type ElectionOptions } from './election.ts';
import { Leavings } from './leavings.ts';
import { Locks } from './locks.ts';
import type { QueueParts } from './queue.ts';
import { type KeepLease, type Session, type SessionOptions, Sessions } from './session.ts';

export class Locking {
  readonly locks: Locks;
  readonly #parts: QueueParts;
  readonly #sessions: Sessions;

  constructor(core: Core, lanes: Lanes, keep: KeepLease) {
    this.#parts = { core, lanes, leavings: new Leavings(core) };
    this.#sessions = new Sessions(keep);
    this.locks = new Locks(this.#parts, this.#sessions);
  }

  session(options: SessionOptions = {}): Promise<Session> {
    return this.#sessions.open(options);
  }

  election(name: KeyLike, options: ElectionOptions = {}): Election {
    return new Election(this.#parts, this.#sessions, name, options);
  }
}
