/** What watchers were told, rightly and wrongly: W1 to W10, W12. */
import { bytes, del, put, txn } from '../../../state/commands.ts';
import { type Row, Story } from './story.ts';

/** `a` at revisions 2 and 3, `a` and `b` at 4, `x` at 5, `b` deleted at 6. */
function changes(story = new Story()): Story {
  story.done(put('a', '1'), 0);
  story.done(put('a', '2'), 10);
  story.done(txn([], [put('a', '3'), put('b', '1')]), 20);
  story.done(put('x', '1'), 30);
  story.done(del('b'), 40);
  return story;
}

function bad(name: string, expected: string, tell: (story: Story) => void): Row {
  return { name, expected, tell: () => tell(new Story()) };
}

export const badWatchHistories: readonly Row[] = [
  bad('an event comes twice', 'W2', (story) => {
    const watch = story.watch('a', 'c');
    changes(story);
    story.give(watch, story.events(false, 2, 2));
  }),
  bad('an event is missing', 'W3', (story) => {
    const watch = story.watch('a', 'c');
    changes(story);
    story.give(watch, story.events(false, 2, 4));
  }),
  bad('the last event never comes', 'W3', (story) => {
    const watch = story.watch('a', 'c');
    changes(story);
    story.give(watch, story.events(false, 2, 3, 4));
    story.watching.complete(watch, 6);
  }),
  bad('events come in another order', 'W1', (story) => {
    const watch = story.watch('a', 'c');
    changes(story);
    story.give(watch, story.events(false, 3, 2));
  }),
  bad('a revision comes in parts', 'W4', (story) => {
    const watch = story.watch('a', 'c');
    changes(story);
    story.give(watch, story.events(false, 2, 3, 4).slice(0, 3));
  }),
  bad('a bookmark is ahead of what was delivered', 'W6', (story) => {
    const watch = story.watch('a', 'c');
    changes(story);
    story.give(watch, story.events(false, 2), 3);
  }),
  bad('a bookmark is ahead of what the member has applied', 'W6', (story) => {
    const watch = story.watch('q', '');
    changes(story);
    story.give(watch, [], 7);
  }),
  bad('an event outside the range', 'W7', (story) => {
    const watch = story.watch('a', 'c');
    changes(story);
    story.give(watch, story.events(false, 2, 3, 4, 5));
  }),
  bad('an event that was filtered out', 'W7', (story) => {
    const watch = story.watch('a', 'c', { noDelete: true });
    changes(story);
    story.give(watch, story.events(false, 2, 3, 4, 6));
  }),
  bad('the value before is that of another revision', 'W8', (story) => {
    const watch = story.watch('a', '', { prevKv: true });
    changes(story);
    const [event, other] = story.events(true, 3, 2);
    if (event !== undefined) story.give(watch, [...story.events(true, 2), { ...event, prevKv: other?.prevKv }]);
  }),
  bad('the value itself is another one', 'W8', (story) => {
    const watch = story.watch('a', '');
    changes(story);
    const [event] = story.events(false, 2);
    if (event !== undefined) story.give(watch, [{ ...event, kv: { ...event.kv, value: bytes('9') } }]);
  }),
  bad('a start is said to be compacted, and nothing ever was', 'W9', (story) => {
    changes(story);
    story.watching.ended({ ...story.watch('a', 'c', { startRevision: 2 }), compactRevision: 4 });
  }),
  bad('an event comes from before the start', 'W10', (story) => {
    changes(story);
    story.give(story.watch('a', 'c', { startRevision: 3 }), story.events(false, 2, 3));
  }),
  bad('an event comes that was not applied', 'W10', (story) => {
    const watch = story.watch('a', 'c');
    changes(story);
    const [event] = story.events(false, 2);
    if (event !== undefined) story.give(watch, [{ ...event, kv: { ...event.kv, modRevision: 9 } }]);
  }),
  bad('one reading brings more than it may', 'W12', (story) => {
    const watch = story.watch('a', '');
    for (let i = 0; i < 3; i++) story.done(put('a', 'v'.repeat(4_000)), i * 10);
    story.give(watch, story.events(false, 2, 3, 4));
  }),
  bad('a resumed watch begins with what it has seen', 'W2', (story) => {
    const watch = story.watch('a', 'c');
    changes(story);
    story.give(watch, story.events(false, 2, 3));
    watch.connections.push({ member: 1, atMs: 50, startRevision: 4, firstEvent: 2, compactRevision: -1 });
    story.give(watch, story.events(false, 3, 4));
  }),
  bad('a watch whose member is up to date is not told of the last change', 'W11', (story) => {
    const watch = story.watch('a', 'c');
    changes(story);
    story.give(watch, story.events(false, 2, 3));
    story.watching.due(watch, 6);
  }),
  bad('a resumed watch begins one too late', 'W3', (story) => {
    const watch = story.watch('a', 'c');
    changes(story);
    story.give(watch, story.events(false, 2));
    watch.connections.push({ member: 1, atMs: 50, startRevision: 3, firstEvent: 1, compactRevision: -1 });
    story.give(watch, story.events(false, 4));
  }),
];

export const legalWatchHistories: readonly Row[] = [
  {
    name: 'a watch goes on through three members, one of them behind, without a gap',
    expected: 'legal',
    tell: () => {
      const story = new Story();
      const watch = story.watch('a', 'c', { prevKv: true });
      changes(story);
      story.give(watch, story.events(true, 2, 3));
      watch.connections.push({ member: 1, atMs: 50, startRevision: 4, firstEvent: 2, compactRevision: -1 });
      // This one has applied less than the client has seen, and has nothing to say.
      story.watching.watched(watch, [], 2);
      watch.connections.push({ member: 2, atMs: 60, startRevision: 4, firstEvent: 2, compactRevision: -1 });
      story.give(watch, story.events(true, 4), 5);
      story.give(watch, story.events(true, 6));
      story.watching.due(watch, 6);
      story.watching.complete(watch, 6);
    },
  },
  {
    name: 'a watch that starts in the future, with filters, over revisions that do not concern it',
    expected: 'legal',
    tell: () => {
      const story = new Story();
      const watch = story.watch('b', '', { startRevision: 5, noPut: true });
      changes(story);
      story.give(watch, [], 4);
      story.give(watch, story.events(false, 6));
      story.watching.complete(watch, 6);
      story.watching.ended(watch);
    },
  },
  {
    name: 'one large revision may be more than a reading',
    expected: 'legal',
    tell: () => {
      const story = new Story();
      const watch = story.watch('a', '\0');
      story.done(txn([], [put('a', 'v'.repeat(4_000)), put('b', 'v'.repeat(4_000))]), 0);
      story.give(watch, story.events(false, 2));
    },
  },
];
