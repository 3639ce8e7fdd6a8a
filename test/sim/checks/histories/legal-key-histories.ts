/** Histories of keys that look wrong and are not. */
import { Machine } from '../../../../src/state/machine.ts';
import { compare, del, put, range, txn } from '../../../state/commands.ts';
import { type Row, Story } from './story.ts';

/** By the log and by search. */
function judge(story: Story): void {
  story.end();
  story.search();
}

export const legalKeyHistories: readonly Row[] = [
  {
    name: 'an unknown write happened',
    expected: 'legal',
    tell: () => {
      const story = new Story();
      const call = story.write(put('a', '1'), 0);
      story.log(1, call);
      story.lose(call, 2);
      story.read('a', 3, 4);
      judge(story);
    },
  },
  {
    name: 'an unknown write never happened',
    expected: 'legal',
    tell: () => {
      const story = new Story();
      story.lose(story.write(put('a', '1'), 0), 2);
      story.read('a', 3, 4);
      judge(story);
    },
  },
  {
    name: 'an unknown write happens long after its call, behind a read that does not see it',
    expected: 'legal',
    tell: () => {
      const story = new Story();
      const call = story.write(put('a', '1'), 0);
      story.lose(call, 2);
      story.read('a', 3, 4);
      story.log(50, call);
      story.read('a', 60, 61);
      judge(story);
    },
  },
  {
    name: 'concurrent reads see an open write in any order',
    expected: 'legal',
    tell: () => {
      const story = new Story();
      story.done(put('a', '1'), 0);
      const open = story.write(put('a', '2'), 10);
      const slow = story.send({ type: 'range', range: range('a'), serializable: false }, 11);
      const quick = story.send({ type: 'range', range: range('a'), serializable: false }, 11);
      const before = story.seen('a');
      story.log(12, open);
      story.answer(quick, 13, story.seen('a'));
      story.answer(slow, 14, before);
      story.answer(open, 15);
      judge(story);
    },
  },
  {
    name: 'a read sees a write before the one who wrote hears of it',
    expected: 'legal',
    tell: () => {
      const story = new Story();
      const open = story.write(put('a', '1'), 0);
      story.log(1, open);
      story.read('a', 2, 3);
      story.answer(open, 9);
      judge(story);
    },
  },
  {
    name: 'serializable stale read, then a linearizable one',
    expected: 'legal',
    tell: () => {
      const story = new Story();
      story.done(put('a', '1'), 0);
      story.done(put('a', '2'), 10);
      story.read('a', 20, 21, 2, true);
      story.read('a', 22, 23);
      judge(story);
    },
  },
  {
    name: 'of two equal deletes one is unknown, and both happened',
    expected: 'legal',
    tell: () => {
      const story = new Story();
      story.done(put('a', '1'), 0);
      const [one, two] = [story.write(del('a'), 10), story.write(del('a'), 10)];
      story.log(11, one);
      story.log(12, two);
      story.lose(one, 13);
      story.answer(two, 13);
      judge(story);
    },
  },
  {
    name: 'writes without effect keep the revision, several of one entry raise it by one each',
    expected: 'legal',
    tell: () => {
      const story = new Story();
      story.done(del('a'), 0);
      story.done(txn([compare('a', 'version', 'greater', 0)], [put('a', '1')]), 10);
      const commands = [put('a', '1'), put('b', '2'), txn([], [put('a', '3'), del('b')])];
      const calls = commands.map((command) => story.write(command, 20));
      story.log(21, ...calls);
      for (const call of calls) story.answer(call, 22);
      story.read('a', 30, 31);
      judge(story);
    },
  },
  {
    name: 'a read of an older revision, and one of a future revision that is refused',
    expected: 'legal',
    tell: () => {
      const story = new Story();
      story.done(put('a', '1'), 0);
      story.done(put('a', '2'), 10);
      const old = story.send({ type: 'range', range: range('a', '', { revision: 2 }), serializable: false }, 20);
      story.answer(old, 21, { ...story.seen('a', 2), revision: 3 });
      const future = story.send({ type: 'range', range: range('a', '', { revision: 4 }), serializable: false }, 20);
      story.answer(future, 21, { type: 'rangeRefused', revision: 3, refusal: 'futureRevision' });
      judge(story);
    },
  },
  {
    name: 'a member applies again what a crash cut off, and a snapshot takes one forward',
    expected: 'legal',
    tell: () => {
      const story = new Story();
      const made = [put('a', '1'), put('b', '2')].map((command) => {
        const { entry, applied } = story.made(story.write(command, 0));
        story.take(1, entry, applied);
        return { entry, applied };
      });
      const again = new Machine();
      story.state.booted(1n);
      story.state.restored({ id: 1n, machine: again });
      for (const { entry } of made) story.state.appliedOn({ id: 1n, machine: again }, entry, again.apply(entry), 9, 1n);
      story.state.restored({ id: 2n, machine: new Machine() });
      story.state.restored({ id: 2n, machine: again });
    },
  },
];
