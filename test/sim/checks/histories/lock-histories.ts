/** Locks and elections, held rightly and wrongly: F1 to F4. */
import type { Outcome } from '../../../../src/state/outcome.ts';
import { bytes, compare, del, put, txn } from '../../../state/commands.ts';
import type { LockRecord } from '../../history.ts';
import { LockChecks } from '../lock-checks.ts';
import { type Row, Story } from './story.ts';

/** Clients 1, 2, 3 with leases of their number; the key of client 1 is made at revision 2, of 2 at 3, of 3 at 4. */
class Queue {
  readonly story = new Story();
  readonly locks = new LockChecks(this.story.state.model);
  #atMs = 0;

  constructor() {
    for (const lease of [1n, 2n, 3n]) this.#do({ type: 'grant', id: lease, ttlMs: 10_000 });
    for (const client of [1, 2, 3]) this.enter(client);
  }

  get revision(): number {
    return this.story.machine.revision;
  }

  enter(client: number, lease = BigInt(client)): void {
    this.#do(put(`q/${client}`, '', { lease }));
  }

  leave(client: number): void {
    this.#do(del(`q/${client}`));
  }

  ends(lease: bigint): void {
    this.#do({ type: 'revoke', id: lease });
  }

  /** A put that asks for the token of `client`. What came of it, or what the story says. */
  writes(client: number, token: number, told?: Outcome): void {
    const guarded = txn([compare(`q/${client}`, 'create', 'equal', token)], [put('q', 'x')]);
    const outcome = this.#do(guarded);
    this.locks.guarded(this.#turn(client, token, {}), told ?? outcome);
  }

  /** `client` is told that it holds, found first now. */
  told(client: number, token: number, more: Partial<LockRecord> = {}): void {
    this.locks.locked(this.#turn(client, token, more));
  }

  fenced(client: number, token: number, accepted: boolean): void {
    this.locks.fenced(this.#turn(client, token, {}), accepted);
  }

  #turn(client: number, token: number, more: Partial<LockRecord>): LockRecord {
    const { revision: foundAt } = this;
    const key = bytes(`q/${client}`);
    const turn = { queue: 0, client, prefix: bytes('q/'), key, lease: BigInt(client), token, foundAt, askedAt: 0 };
    return { ...turn, atMs: this.#atMs, ...more };
  }

  #do(command: Parameters<Story['done']>[0]): Outcome {
    this.#atMs += 10;
    const { result } = this.story.done(command, this.#atMs);
    if (result?.type !== 'outcome') throw new Error('the story gives no answer');
    return result.outcome;
  }
}

function bad(name: string, expected: string, tell: (queue: Queue) => void): Row {
  return { name, expected, tell: () => tell(new Queue()) };
}

function legal(name: string, tell: (queue: Queue) => void): Row {
  return bad(name, 'legal', tell);
}

export const badLockHistories: readonly Row[] = [
  bad('two hold at once', 'F3', (queue) => {
    queue.told(1, 2);
    queue.told(2, 3);
  }),
  bad('the lease of one who waits dies, and it is told that it holds', 'F3', (queue) => {
    queue.ends(2n);
    queue.leave(1);
    queue.told(2, 3);
  }),
  bad('a holder is told so by a member that lags', 'F3', (queue) => {
    const old = queue.revision;
    queue.ends(1n);
    queue.told(1, 2, { foundAt: old, askedAt: queue.revision });
  }),
  bad('a holder is found at a revision that is not there yet', 'F3', (queue) => {
    queue.told(1, 2, { foundAt: queue.revision + 1 });
  }),
  bad('a key made anew is taken for the old one', 'F3', (queue) => {
    queue.leave(1);
    queue.enter(1);
    queue.leave(2);
    queue.leave(3);
    queue.told(1, 2);
  }),
  bad('whoever came last overtakes', 'F3', (queue) => {
    queue.leave(1);
    queue.told(3, 4);
  }),
  bad('a token goes back', 'F1', (queue) => {
    queue.leave(1);
    queue.told(2, 3);
    queue.leave(3);
    queue.told(1, 2);
  }),
  bad('a write goes through with a token whose key is gone', 'F2', (queue) => {
    queue.ends(1n);
    const lie: Outcome = {
      ok: true,
      revision: queue.revision + 1,
      result: { type: 'txn', succeeded: true, responses: [] },
    };
    queue.writes(1, 2, lie);
  }),
  bad('a write goes through with the token of an earlier key of that name', 'F2', (queue) => {
    queue.leave(1);
    queue.enter(1);
    const lie: Outcome = {
      ok: true,
      revision: queue.revision + 1,
      result: { type: 'txn', succeeded: true, responses: [] },
    };
    queue.writes(1, 2, lie);
  }),
  bad('the resource turns away who holds', 'F4', (queue) => {
    queue.told(1, 2);
    queue.fenced(1, 2, false);
  }),
];

export const legalLockHistories: readonly Row[] = [
  legal('one after the other, in the order they came', (queue) => {
    queue.told(1, 2);
    queue.leave(1);
    queue.told(2, 3);
    queue.ends(2n);
    queue.told(3, 4);
  }),
  legal('a holder asks twice and is told twice', (queue) => {
    queue.told(1, 2);
    queue.told(1, 2);
  }),
  legal('a holder hears late that it held, its key gone since', (queue) => {
    const then = queue.revision;
    queue.ends(1n);
    queue.told(2, 3);
    queue.told(1, 2, { foundAt: then, askedAt: then });
  }),
  legal('one in the middle of the queue gives up', (queue) => {
    queue.leave(2);
    queue.leave(1);
    queue.told(3, 4);
  }),
  legal('a write with a token whose key is gone is turned down', (queue) => {
    queue.ends(1n);
    queue.writes(1, 2);
  }),
  legal('a write, and in the very next revision its key goes', (queue) => {
    queue.writes(1, 2);
    queue.ends(1n);
  }),
  legal('the resource turns away who held before', (queue) => {
    queue.told(1, 2);
    queue.leave(1);
    queue.told(2, 3);
    queue.fenced(2, 3, true);
    queue.fenced(1, 2, false);
  }),
];
