/** The queue of locks and elections, and the cursor over leaders, without any wire (F1–F5; C56, C71). */
import { beforeEach, describe, expect, test } from 'vitest';
import { encodeCommand, packCommands } from '../../src/state/codec.ts';
import type { Command, Txn } from '../../src/state/command.ts';
import { Machine } from '../../src/state/machine.ts';
import type { Outcome } from '../../src/state/outcome.ts';
import { Hub } from '../../src/watch/hub.ts';
import { Leaders } from '../../src/watch/leaders.ts';
import {
  candidateKey,
  type Joined,
  joinCommand,
  joinedOf,
  leaveCommand,
  leaveUnknownCommand,
  proclaimCommand,
  QueueWait,
  queuePrefix,
} from '../../src/watch/queue.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const text = (raw: Uint8Array): string => Buffer.from(raw).toString('latin1');
const prefix = queuePrefix(bytes('q'));

/** A state machine with its index, so that several can be fed alike. */
class Copy {
  readonly machine = new Machine();
  #index = 0;

  apply(command: Command): Outcome {
    const payload = packCommands([encodeCommand({ origin: { member: 1n, boot: 1, seq: ++this.#index }, command })]);
    const [applied] = this.machine.apply({ index: this.#index, term: 1, kind: 'commands', payload });
    if (applied === undefined) throw new Error('the entry held one command');
    return applied.outcome;
  }
}

let copy: Copy;
let hub: Hub;
beforeEach(() => {
  copy = new Copy();
  hub = new Hub(copy.machine.history);
  for (let id = 1n; id <= 5n; id++) copy.apply({ type: 'grant', id, ttlMs: 60_000 });
});

function apply(command: Command): Outcome {
  const outcome = copy.apply(command);
  hub.advance();
  return outcome;
}

function txn(command: Txn): { readonly succeeded: boolean; readonly joined: Joined } {
  const outcome = apply(command);
  if (!outcome.ok || outcome.result.type !== 'txn') throw new Error('a txn came to something else');
  const { result, revision } = outcome;
  return {
    succeeded: result.succeeded,
    get joined() {
      return joinedOf(prefix, 0n, result, revision);
    },
  };
}

function join(lease: bigint, value = ''): Joined {
  const outcome = apply(joinCommand(prefix, lease, bytes(value)));
  if (!outcome.ok || outcome.result.type !== 'txn') throw new Error('it did not join');
  return joinedOf(prefix, lease, outcome.result, outcome.revision);
}

const revoke = (id: bigint): Outcome => apply({ type: 'revoke', id });

describe('keys', () => {
  test.each([
    [1n, 'q/1'],
    [0xabcdefn, 'q/abcdef'],
    [2n ** 63n - 1n, 'q/7fffffffffffffff'],
    [-5n, 'q/-5'],
  ])('lease %s has the key %s', (lease, key) => {
    expect(text(candidateKey(prefix, lease))).toBe(key);
  });

  test('whatever lies under the name counts, and nothing beside it', () => {
    for (const key of ['q', 'q.', 'q0', 'qq/1']) {
      apply({
        type: 'put',
        key: bytes(key),
        value: bytes(''),
        lease: 0n,
        prevKv: false,
        ignoreValue: false,
        ignoreLease: false,
      });
    }
    expect(join(1n).first).toBe(true);
    expect(join(2n).first).toBe(false);
  });
});

describe('waiting', () => {
  test('F1, F3: the oldest key is first, and after it the next; who enters later has a greater token', () => {
    const joined = [join(1n), join(2n), join(3n)];
    expect(joined.map(({ first }) => first)).toEqual([true, false, false]);
    let woken = 0;
    const wait = new QueueWait(hub, (joined[2] as Joined).candidate, () => woken++);
    expect(wait.look(copy.machine)).toBe('waits');
    revoke(1n);
    expect(woken).toBe(0);
    revoke(2n);
    expect(woken).toBe(1);
    expect(wait.look(copy.machine)).toBe('first');
    expect(hub.count).toBe(0);
  });

  test('one wake for one look, though both its keys went', () => {
    const [, second] = [join(1n), join(2n)];
    let woken = 0;
    const wait = new QueueWait(hub, second.candidate, () => woken++);
    wait.look(copy.machine);
    copy.apply({ type: 'revoke', id: 1n });
    copy.apply({ type: 'revoke', id: 2n });
    hub.advance();
    expect(woken).toBe(1);
    expect(wait.look(copy.machine)).toBe('gone');
  });

  test('F3: a later key of the same name is another candidate', () => {
    const [first, second] = [join(1n), join(2n)];
    const wait = new QueueWait(hub, second.candidate, () => {});
    wait.look(copy.machine);
    txn(leaveCommand(second.candidate.key, second.candidate.createRevision));
    expect(join(2n).candidate.key).toEqual(second.candidate.key);
    txn(leaveCommand(first.candidate.key, first.candidate.createRevision));
    expect(wait.look(copy.machine)).toBe('gone');
  });

  test('puts to a key it watches wake nobody', () => {
    const [first, second] = [join(1n), join(2n)];
    let woken = 0;
    const wait = new QueueWait(hub, second.candidate, () => woken++);
    wait.look(copy.machine);
    for (const { candidate } of [first, second])
      expect(txn(proclaimCommand(candidate.key, candidate.createRevision, bytes('v'), 0n)).succeeded).toBe(true);
    expect(woken).toBe(0);
  });

  test('a snapshot in which the older key is gone wakes it, and so does one in which its own is', () => {
    const later = [new Copy(), new Copy()];
    const both = (command: Command): void => {
      for (const one of [copy, ...later]) one.apply(command);
      hub.advance();
    };
    for (const one of later) for (let id = 1n; id <= 5n; id++) one.apply({ type: 'grant', id, ttlMs: 60_000 });
    both(joinCommand(prefix, 1n, bytes('')));
    both(joinCommand(prefix, 2n, bytes('')));
    const candidate = { prefix, key: candidateKey(prefix, 2n), createRevision: 3 };
    let woken = 0;
    const wait = new QueueWait(hub, candidate, () => woken++);
    expect(wait.look(copy.machine)).toBe('waits');
    const [first, second] = later as [Copy, Copy];
    first.apply({ type: 'revoke', id: 1n });
    for (const id of [1n, 2n, 3n]) second.apply({ type: 'revoke', id });
    hub.replaceHistory(first.machine.history);
    expect(woken).toBe(1);
    expect(wait.look(first.machine)).toBe('first');
    hub.replaceHistory(second.machine.history);
    expect(wait.look(second.machine)).toBe('gone');
  });

  test('no watcher left: it says so, and keeps none', () => {
    const few = new Hub(copy.machine.history, 1);
    const [, second] = [join(1n), join(2n)];
    const wait = new QueueWait(few, second.candidate, () => {});
    expect(wait.look(copy.machine)).toBe('tooManyWatchers');
    expect(few.count).toBe(0);
  });
});

describe('leaving', () => {
  test('C57, F2: under a token only the key of that token is touched', () => {
    const old = join(1n).candidate;
    apply(leaveCommand(old.key, old.createRevision));
    const now = join(1n).candidate;
    expect(now.createRevision).toBeGreaterThan(old.createRevision);
    expect(txn(leaveCommand(old.key, old.createRevision)).succeeded).toBe(false);
    expect(txn(proclaimCommand(old.key, old.createRevision, bytes('late'), 1n)).succeeded).toBe(false);
    expect(txn(leaveCommand(now.key, now.createRevision)).succeeded).toBe(true);
  });

  test('C58: an entry nobody knows of is taken back, an older key of the same lease is not', () => {
    const before = copy.machine.revision;
    const { key } = join(1n).candidate;
    const after = copy.machine.revision;
    expect(txn(leaveUnknownCommand(key, after)).succeeded).toBe(false);
    expect(txn(leaveUnknownCommand(key, before)).succeeded).toBe(true);
    expect(txn(leaveUnknownCommand(key, before)).succeeded).toBe(false);
  });
});

describe('F5: leaders as an observer sees them', () => {
  const pullAll = (leaders: Leaders, machine = copy.machine): string[] => {
    const seen: string[] = [];
    for (let pulls = 0; pulls < 1_000; pulls++) {
      const pulled = leaders.pull(machine, 1);
      if (pulled === 'tooManyWatchers') throw new Error('no watcher left');
      for (const { kv, revision } of pulled.seen) seen.push(`${text(kv.key)}=${text(kv.value)} at ${revision}`);
      if (!pulled.more) return seen;
    }
    throw new Error('it never comes to an end');
  };

  test('a reader that sleeps through many reigns is told of every one, in order', () => {
    const leaders = new Leaders(hub, prefix, () => {});
    expect(pullAll(leaders)).toEqual([]);
    const first = join(1n, 'a').candidate;
    join(2n, 'b');
    txn(proclaimCommand(first.key, first.createRevision, bytes('a2'), 1n));
    revoke(1n);
    join(3n, 'c');
    revoke(2n);
    revoke(3n);
    join(4n, 'd');
    expect(pullAll(leaders)).toEqual(['q/1=a at 2', 'q/1=a2 at 4', 'q/2=b at 5', 'q/3=c at 7', 'q/4=d at 9']);
    leaders.end();
    expect(hub.count).toBe(0);
  });

  test('it wakes when there is something to see', () => {
    let woken = 0;
    const leaders = new Leaders(hub, prefix, () => woken++);
    pullAll(leaders);
    join(1n, 'a');
    expect(woken).toBe(1);
    expect(pullAll(leaders)).toEqual(['q/1=a at 2']);
    join(2n, 'b');
    expect(woken).toBe(1);
    revoke(1n);
    expect(woken).toBe(2);
    expect(pullAll(leaders)).toEqual(['q/2=b at 4']);
  });

  test('over an installed snapshot it goes on where it was', () => {
    const later = new Copy();
    for (let id = 1n; id <= 5n; id++) later.apply({ type: 'grant', id, ttlMs: 60_000 });
    const leaders = new Leaders(hub, prefix, () => {});
    join(1n, 'a');
    later.apply(joinCommand(prefix, 1n, bytes('a')));
    expect(pullAll(leaders)).toEqual(['q/1=a at 2']);
    later.apply(joinCommand(prefix, 2n, bytes('b')));
    later.apply({ type: 'revoke', id: 1n });
    hub.replaceHistory(later.machine.history);
    expect(pullAll(leaders, later.machine)).toEqual(['q/2=b at 4']);
  });
});
