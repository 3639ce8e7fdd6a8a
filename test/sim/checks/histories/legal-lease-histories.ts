/** Histories of leases that look wrong and are not. */
import type { Command } from '../../../../src/state/command.ts';
import { put } from '../../../state/commands.ts';
import { type Row, Story } from './story.ts';

const id = 7n;

/** Lease 7 of 10 s is granted at 1 ms; `b` and `a` are attached to it. */
function leased(): Story {
  const story = new Story();
  story.done({ type: 'grant', id, ttlMs: 10_000 }, 0);
  story.done(put('b', '1', { lease: id }), 10);
  story.done(put('a', '2', { lease: id }), 20);
  return story;
}

function expire(story: Story): Command {
  return { type: 'expire', term: story.term, leases: [{ id, stamp: story.stampOf(id) }] };
}

function checkpoint(story: Story, remainingMs: number): Command {
  return { type: 'checkpoint', term: story.term, leases: [{ id, stamp: story.stampOf(id), remainingMs }] };
}

export const legalLeaseHistories: readonly Row[] = [
  {
    name: 'expiry exactly at its bound',
    expected: 'legal',
    tell: () => {
      const story = leased();
      story.keepAlive(id, 5_000, 5_002, 10_000);
      story.log(15_000, expire(story));
      story.end();
    },
  },
  {
    name: 'an acknowledgement is delivered after the end, which a revoke brought',
    expected: 'legal',
    tell: () => {
      const story = leased();
      const renewal = story.send({ type: 'keepAlive', id }, 30);
      story.done({ type: 'revoke', id }, 40);
      const answer = { type: 'alive', grantedMs: 10_000, remainingMs: 10_000 } as const;
      story.answer(renewal, 90, { type: 'lease', revision: 0, answer });
      story.end();
    },
  },
  {
    name: 'an acknowledgement is delivered after an end that came when it promised',
    expected: 'legal',
    tell: () => {
      const story = leased();
      const renewal = story.send({ type: 'keepAlive', id }, 1_000);
      story.log(11_000, expire(story));
      const answer = { type: 'alive', grantedMs: 10_000, remainingMs: 10_000 } as const;
      story.answer(renewal, 11_500, { type: 'lease', revision: 0, answer });
      story.end();
    },
  },
  {
    name: 'an id is granted again, with another TTL, and each life has its own end',
    expected: 'legal',
    tell: () => {
      const story = leased();
      story.keepAlive(id, 25, 27, 10_000);
      story.done({ type: 'revoke', id }, 30);
      story.done({ type: 'grant', id, ttlMs: 1_000 }, 40);
      story.keepAlive(id, 50, 52, 1_000);
      story.log(1_050, expire(story));
      story.end();
    },
  },
  {
    name: 'a keep-alive meets the end and the new grant of its id',
    expected: 'legal',
    tell: () => {
      const story = leased();
      const renewal = story.send({ type: 'keepAlive', id }, 30);
      story.done({ type: 'revoke', id }, 31);
      story.done({ type: 'grant', id, ttlMs: 10_000 }, 35);
      const answer = { type: 'alive', grantedMs: 10_000, remainingMs: 10_000 } as const;
      story.answer(renewal, 40, { type: 'lease', revision: 0, answer });
      // It may have been about the first life: the second one is bound by its own grant only.
      story.log(10_036, expire(story));
      story.end();
    },
  },
  {
    name: '"gone" is said while a grant is on its way, and while a lease ends',
    expected: 'legal',
    tell: () => {
      const story = new Story();
      const early = story.send({ type: 'keepAlive', id }, 0);
      story.done({ type: 'grant', id, ttlMs: 10_000 }, 1);
      story.answer(early, 5, { type: 'lease', revision: 0, answer: { type: 'gone' } });
      const late = story.send({ type: 'keepAlive', id }, 10);
      story.done({ type: 'revoke', id }, 11);
      story.answer(late, 15, { type: 'lease', revision: 0, answer: { type: 'gone' } });
      story.end();
      story.search();
    },
  },
  {
    name: 'an old expire meets a life that was granted anew, and is dropped',
    expected: 'legal',
    tell: () => {
      const story = leased();
      const old = expire(story);
      story.done({ type: 'revoke', id }, 30);
      story.done({ type: 'grant', id, ttlMs: 10_000 }, 40);
      story.log(50, old);
      story.keepAlive(id, 60, 62, 10_000);
      story.end();
    },
  },
  {
    name: 'an expire of an older term stands in the log, and is dropped',
    expected: 'legal',
    tell: () => {
      const story = leased();
      const old = expire(story);
      story.term = 2;
      story.log(30, old);
      story.end();
    },
  },
  {
    name: 'checkpoints fall, a clear takes them back, and a larger one may follow',
    expected: 'legal',
    tell: () => {
      const story = leased();
      story.log(5_000, checkpoint(story, 5_000));
      story.log(6_000, checkpoint(story, 4_000));
      story.log(7_000, { type: 'clear', term: 1, leases: [{ id, stamp: story.stampOf(id) }] });
      story.keepAlive(id, 6_990, 7_010, 10_000);
      story.log(12_000, checkpoint(story, 5_000));
      story.log(16_990, expire(story));
      story.end();
    },
  },
  {
    name: 'a lease without keys ends without a revision, and a second revoke changes nothing',
    expected: 'legal',
    tell: () => {
      const story = new Story();
      story.done({ type: 'grant', id, ttlMs: 1_000 }, 0);
      story.done({ type: 'revoke', id }, 10);
      story.done({ type: 'revoke', id }, 20);
      story.end();
      story.search();
    },
  },
  {
    name: 'a key moves to another lease and outlives the first',
    expected: 'legal',
    tell: () => {
      const story = leased();
      story.done({ type: 'grant', id: 8n, ttlMs: 60_000 }, 30);
      story.done(put('a', '3', { lease: 8n }), 40);
      story.log(10_010, expire(story));
      story.read('a', 10_020, 10_021);
      story.read('b', 10_030, 10_031);
      story.end();
    },
  },
  {
    name: 'a grant that stayed unknown was granted, and its lease expires in its time',
    expected: 'legal',
    tell: () => {
      const story = new Story();
      const call = story.write({ type: 'grant', id, ttlMs: 1_000 }, 0);
      story.lose(call, 5);
      story.log(9, call);
      story.keepAlive(id, 20, 22, 1_000);
      story.log(1_020, expire(story));
      story.keepAlive(id, 1_030, 1_032, 'gone');
      story.end();
    },
  },
  {
    name: 'one entry grants an id, revokes it and grants it again, and the second life expires',
    expected: 'legal',
    tell: () => {
      const story = new Story();
      const commands = [{ type: 'grant', id, ttlMs: 60_000 } as const, { type: 'revoke', id } as const];
      const calls = [...commands, { type: 'grant', id, ttlMs: 1_000 } as const].map((command) =>
        story.write(command, 0),
      );
      story.log(1, ...calls);
      for (const call of calls) story.answer(call, 2);
      story.log(1_001, expire(story));
      // Only if the second life has ended can the id be granted.
      story.done({ type: 'grant', id, ttlMs: 1_000 }, 1_010);
      story.end();
    },
  },
  {
    name: 'two renewals are answered out of order, and the later promise holds',
    expected: 'legal',
    tell: () => {
      const story = leased();
      const first = story.send({ type: 'keepAlive', id }, 1_000);
      story.keepAlive(id, 2_000, 2_002, 10_000);
      const answer = { type: 'alive', grantedMs: 10_000, remainingMs: 10_000 } as const;
      story.answer(first, 2_500, { type: 'lease', revision: 0, answer });
      story.timeToLive(id, 3_000, 3_002, 10_000, 8_999);
      story.log(12_000, expire(story));
      story.end();
    },
  },
];
