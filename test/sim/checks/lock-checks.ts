/**
 * Locks and elections as their clients see them, against the model's history: tokens grow with ownership (F1), a write guarded by a
 * token takes effect only while that token's key is there (F2), whoever is told that it holds is first at the revision it was
 * found at, in a state no older than its question (F3), and a resource that looks at tokens turns away nobody whose key is
 * still first (F4). What is first is looked up in the model: the key of the queue with the lowest create revision.
 */
import { byteString } from '../../../src/base/bytes.ts';
import type { Outcome } from '../../../src/state/outcome.ts';
import type { Model, ModelValue } from '../../state/model.ts';
import type { LockRecord } from '../history.ts';
import { fail } from './fail.ts';

export class LockChecks {
  readonly #model: Model;
  /** By queue. */
  readonly #turns = new Map<string, LockRecord[]>();

  constructor(model: Model) {
    this.#model = model;
  }

  /** F1, F3: a client is told that it holds. */
  locked(record: LockRecord): void {
    const { token, key, foundAt, askedAt } = record;
    const who = name(record);
    const turns = this.#turnsOf(record);
    for (const other of turns) {
      const [early, late] = other.foundAt <= foundAt ? [other, record] : [record, other];
      if (early.foundAt < late.foundAt && early.token > late.token)
        fail('F1', `${name(late)} holds at ${late.foundAt}, after ${name(early)} at ${early.foundAt}`);
    }
    if (foundAt > this.#model.revision) fail('F3', `${who} was found first at ${foundAt}, which nobody has applied`);
    if (foundAt < askedAt) fail('F3', `${who} was found first at ${foundAt}, ${askedAt} was applied when it asked`);
    const own = this.#keys(foundAt).get(byteString(key));
    if (own?.create !== token) fail('F3', `${who} was found first at ${foundAt}, and its key was not there`);
    const first = this.#firstAt(record, foundAt);
    if (first !== own) fail('F3', `${who} was found first at ${foundAt}, which ${first?.key} with ${first?.create} is`);
    turns.push(record);
  }

  /** F2, F5: a write that asks for the token was answered. */
  guarded(record: LockRecord, outcome: Outcome): void {
    if (!outcome.ok || outcome.result.type !== 'txn' || !outcome.result.succeeded) return;
    const before = this.#keys(outcome.revision - 1).get(byteString(record.key));
    if (before?.create !== record.token)
      fail('F2', `a write of ${name(record)} takes effect at ${outcome.revision}, when its key was not there any more`);
  }

  /** F4: the resource was asked to write. */
  fenced(record: LockRecord, accepted: boolean): void {
    if (accepted) return;
    const first = this.#firstAt(record, this.#model.revision);
    if (first?.create === record.token)
      fail('F4', `${name(record)} is turned away for a newer token, and its key is still first`);
  }

  /** The owner of the record's queue. */
  #firstAt({ prefix }: LockRecord, revision: number): ModelValue | undefined {
    const start = byteString(prefix);
    let first: ModelValue | undefined;
    for (const value of this.#keys(revision).values())
      if (value.key.startsWith(start) && (first === undefined || value.create < first.create)) first = value;
    return first;
  }

  #keys(revision: number): ReadonlyMap<string, ModelValue> {
    return this.#model.past.get(revision) ?? new Map();
  }

  #turnsOf({ prefix }: LockRecord): LockRecord[] {
    const queue = byteString(prefix);
    const turns = this.#turns.get(queue) ?? [];
    this.#turns.set(queue, turns);
    return turns;
  }
}

function name({ client, queue, token }: LockRecord): string {
  return `client ${client} of queue ${queue} with token ${token}`;
}
