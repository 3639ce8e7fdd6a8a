/** Histories of leases, told by clients and the log, bad ones: L1, L2 and its mirror, L5, L6, L8 to L11, L13. */
import type { Command } from '../../../../src/state/command.ts';
import type { AppliedCommand } from '../../../../src/state/outcome.ts';
import { del, put } from '../../../state/commands.ts';
import { lying, type Row, Story } from './story.ts';

const id = 7n;

/** Lease 7 of 10 s is granted at 1 ms; `b` and `a` are attached to it. */
function leased(): Story {
  const story = new Story();
  story.done({ type: 'grant', id, ttlMs: 10_000 }, 0);
  story.done(put('b', '1', { lease: id }), 10);
  story.done(put('a', '2', { lease: id }), 20);
  return story;
}

function expire(story: Story, stamp = story.stampOf(id)): Command {
  return { type: 'expire', term: story.term, leases: [{ id, stamp }] };
}

/** The lease is revoked, and the machine tells other events of it than there were. */
function revokedWith(change: (keys: readonly { readonly key: string }[]) => readonly unknown[]): void {
  const story = leased();
  const { entry, applied } = story.made(story.write({ type: 'revoke', id }, 30));
  const { history } = story.machine;
  const told = lying(history, { eventsOf: (revision: number) => change(history.eventsOf(revision)) });
  story.state.booted(1n);
  story.take(31, entry, applied, lying(story.machine, { history: told }));
}

/** The outcome of the only command of an entry, replaced. */
function instead(applied: readonly AppliedCommand[], result: AppliedCommand['outcome']): readonly AppliedCommand[] {
  return applied.map((each) => ({ ...each, outcome: result }));
}

export const badLeaseHistories: readonly Row[] = [
  {
    name: 'early end by 1 ms after a keep-alive',
    expected: 'L1',
    tell: () => {
      const story = leased();
      story.keepAlive(id, 5_000, 5_002, 10_000);
      story.log(14_999, expire(story));
    },
  },
  {
    name: 'early end by 1 ms of a lease that was never renewed',
    expected: 'L1',
    tell: () => {
      const story = leased();
      story.log(10_000, expire(story));
    },
  },
  {
    name: 'a keep-alive is acknowledged, and its lease has expired meanwhile before its time',
    expected: 'L1',
    tell: () => {
      const story = leased();
      story.log(10_100, expire(story));
      story.keepAlive(id, 10_050, 10_200, 10_000);
    },
  },
  {
    name: 'zombie acknowledgement: sent after the revoke was applied',
    expected: 'L2',
    tell: () => {
      const story = leased();
      story.done({ type: 'revoke', id }, 30);
      story.keepAlive(id, 40, 42, 10_000);
    },
  },
  {
    name: 'false dead: a living lease is said to be gone',
    expected: 'L2-mirror',
    tell: () => leased().keepAlive(id, 30, 32, 'gone'),
  },
  {
    name: 'an old expire ends a life that was granted anew',
    expected: 'L8',
    tell: () => {
      const story = leased();
      const old = expire(story);
      story.done({ type: 'revoke', id }, 30);
      story.done({ type: 'grant', id, ttlMs: 10_000 }, 40);
      const { entry, applied } = story.made(old);
      const outcome = { ok: true, revision: story.machine.revision, result: { type: 'done', touched: 1 } } as const;
      story.take(50, entry, instead(applied, outcome));
    },
  },
  {
    name: 'a key is missing from a revoke',
    expected: 'L5',
    tell: () => revokedWith((events) => events.slice(1)),
  },
  {
    name: 'a revoke deletes in another order than that of bytes',
    expected: 'L5',
    tell: () => revokedWith((events) => events.toReversed()),
  },
  {
    name: 'a revoke deletes a key too many',
    expected: 'L5',
    tell: () => {
      const story = leased();
      story.done(put('c', '3'), 25);
      const { entry, applied } = story.made(story.write({ type: 'revoke', id }, 30));
      story.machine.apply({ ...entry, index: entry.index + 1, kind: 'empty' });
      story.state.booted(1n);
      story.take(31, entry, applied, lying(story.machine, { keyCount: 0 }));
    },
  },
  {
    name: 'a revoke takes a revision for each key',
    expected: 'L5',
    tell: () => {
      const story = leased();
      const { entry, applied } = story.made(story.write({ type: 'revoke', id }, 30));
      const revision = story.machine.revision + 1;
      story.take(31, entry, instead(applied, { ok: true, revision, result: { type: 'done', touched: 1 } }));
    },
  },
  {
    name: 'a checkpoint grows without a renewal',
    expected: 'L6',
    tell: () => {
      const story = leased();
      for (const remainingMs of [4_000, 4_001])
        story.log(6_000, { type: 'checkpoint', term: 1, leases: [{ id, stamp: story.stampOf(id), remainingMs }] });
    },
  },
  {
    name: 'a checkpoint decided before a renewal is applied after it',
    expected: 'L6',
    tell: () => {
      const story = leased();
      story.keepAlive(id, 5_990, 6_010, 10_000);
      story.log(6_020, { type: 'checkpoint', term: 1, leases: [{ id, stamp: story.stampOf(id), remainingMs: 4_000 }] });
    },
  },
  {
    name: 'a renewal is acknowledged over a checkpoint that is in force',
    expected: 'L6',
    tell: () => {
      const story = leased();
      story.log(6_000, { type: 'checkpoint', term: 1, leases: [{ id, stamp: story.stampOf(id), remainingMs: 4_000 }] });
      story.keepAlive(id, 6_010, 6_012, 10_000);
    },
  },
  {
    name: 'an expire of another term takes effect',
    expected: 'L13',
    tell: () => {
      const story = leased();
      const old = expire(story);
      story.term = 2;
      const { entry, applied } = story.made(old);
      const outcome = { ok: true, revision: 4, result: { type: 'done', touched: 1 } } as const;
      story.take(20_000, entry, instead(applied, outcome));
    },
  },
  {
    name: 'an expire of a member that does not lead takes effect',
    expected: 'L13',
    tell: () => {
      const story = leased();
      const { entry, applied } = story.made(expire(story));
      const other = applied.map((each) => ({ ...each, origin: { ...each.origin, member: 2n } }));
      story.take(20_000, entry, other);
    },
  },
  {
    name: 'a put that names a dead lease succeeds',
    expected: 'L9',
    tell: () => {
      const story = new Story();
      const { entry, applied } = story.made(story.write(put('a', '1', { lease: id }), 0));
      const outcome = { ok: true, revision: 2, result: { type: 'put', prevKv: undefined } } as const;
      story.take(1, entry, instead(applied, outcome));
    },
  },
  {
    name: 'a key that moved to another lease still hangs on the old one',
    expected: 'L9',
    tell: () => {
      const story = leased();
      const { entry, applied } = story.made(story.write(put('a', '3'), 30));
      const { lessor } = story.machine;
      const told = lying(lessor, { keysAt: () => [{ key: 'a' }, { key: 'b' }] });
      story.state.booted(1n);
      story.take(31, entry, applied, lying(story.machine, { lessor: told }));
    },
  },
  {
    name: 'a living id is granted again',
    expected: 'L10',
    tell: () => {
      const story = leased();
      const { entry, applied } = story.made(story.write({ type: 'grant', id, ttlMs: 5_000 }, 30));
      const outcome = { ok: true, revision: 3, result: { type: 'grant', id, ttlMs: 5_000 } } as const;
      story.take(31, entry, instead(applied, outcome));
    },
  },
  {
    name: 'a member chooses an id twice',
    expected: 'L10',
    tell: () => {
      const story = new Story();
      for (const atMs of [0, 10]) story.write({ type: 'grant', id, ttlMs: 1_000 }, atMs, true);
    },
  },
  {
    name: 'a TTL question is told more than was ever given',
    expected: 'L11',
    tell: () => leased().timeToLive(id, 30, 31, 10_000, 11_100),
  },
  {
    name: 'a TTL question is told less than was promised',
    expected: 'L11',
    tell: () => {
      const story = leased();
      story.keepAlive(id, 5_000, 5_002, 10_000);
      story.timeToLive(id, 5_010, 5_012, 10_000, 4_900);
    },
  },
  {
    name: 'a TTL question about a dead lease is told that it lives',
    expected: 'L11',
    tell: () => {
      const story = leased();
      story.done({ type: 'revoke', id }, 30);
      story.done(del('x'), 40);
      story.timeToLive(id, 50, 52, 10_000, 9_000);
    },
  },
];
