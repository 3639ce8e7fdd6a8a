/** What clients and watchers are told once something is compacted, rightly and wrongly: K6, W8, W9. */
import { put, range } from '../../../state/commands.ts';
import type { CallResult, ClientCall } from '../../history.ts';
import { type Row, Story } from './story.ts';

const compact = (revision: number) => ({ type: 'compact', revision }) as const;

/** `a` is 1, 2, 3, 4 at the revisions 2 to 5. */
function fourValues(): Story {
  const story = new Story();
  for (const value of [1, 2, 3, 4]) story.done(put('a', `${value}`), value * 10);
  return story;
}

/** A read of `a` at an old revision. */
function past(revision: number, serializable = false): ClientCall {
  return { type: 'range', range: range('a', '', { revision }), serializable };
}

/** As a member says it that has applied all. */
function told(result: CallResult, revision: number): CallResult {
  return { ...result, revision } as CallResult;
}

const refused: CallResult = { type: 'rangeRefused', revision: 5, refusal: 'compacted' };

function bad(name: string, expected: string, tell: (story: Story) => void): Row {
  return { name, expected, tell: () => tell(fourValues()) };
}

function legal(name: string, tell: (story: Story) => void): Row {
  return bad(name, 'legal', tell);
}

export const badCompactionHistories: readonly Row[] = [
  bad('a compacted revision is read', 'K6', (story) => {
    const seen = story.seen('a', 2);
    story.done(compact(4), 50);
    story.answer(story.send(past(2), 60), 61, told(seen, 5));
    story.end();
  }),
  bad('the compacted revision itself is refused', 'K6', (story) => {
    story.done(compact(4), 50);
    story.answer(story.send(past(4), 60), 61, refused);
    story.end();
  }),
  bad('a revision is refused before anybody compacts it', 'K6', (story) => {
    story.answer(story.send(past(2), 50), 51, refused);
    story.done(compact(4), 60);
    story.end();
  }),
  bad('the present is refused as compacted', 'K6', (story) => {
    story.done(compact(5), 50);
    story.answer(story.send(past(0), 60), 61, refused);
    story.end();
  }),
  bad('a watch goes on below the compacted revision and is told nothing', 'W9', (story) => {
    const watch = story.watch('a', '', { startRevision: 2 });
    story.done(compact(4), 50);
    watch.connections.push({ member: 1, atMs: 60, startRevision: 2, firstEvent: 0, compactRevision: 4 });
    story.give(watch, story.events(false, 4, 5));
  }),
  bad('what is swept is passed over', 'W3', (story) => {
    const watch = story.watch('a', '', { startRevision: 2 });
    story.done(compact(4), 50);
    story.give(watch, story.events(false, 4, 5));
  }),
  bad('a start is said to be compacted that is not', 'W9', (story) => {
    story.done(compact(3), 50);
    story.watching.ended({ ...story.watch('a', '', { startRevision: 3 }), compactRevision: 3 });
  }),
  bad('the value before an event behind the compacted revision is left out', 'W8', (story) => {
    const watch = story.watch('a', '', { startRevision: 4, prevKv: true });
    story.done(compact(4), 50);
    story.give(watch, story.events(false, 4, 5));
  }),
];

export const legalCompactionHistories: readonly Row[] = [
  legal('a read is under way while its revision is compacted', (story) => {
    const read = story.send(past(2), 50);
    const seen = story.seen('a', 2);
    story.done(compact(4), 51);
    story.answer(read, 60, told(seen, 5));
    story.end();
  }),
  legal('a read is refused by a compaction that is not answered yet', (story) => {
    const open = story.write(compact(4), 50);
    story.log(51, open);
    story.answer(story.send(past(2), 52), 53, refused);
    story.answer(open, 60);
    story.end();
    story.search();
  }),
  legal('a serializable read at a member that has not heard of a compaction', (story) => {
    const seen = story.seen('a', 2);
    story.done(compact(4), 50);
    story.answer(story.send(past(2, true), 60), 61, told(seen, 5));
    story.end();
  }),
  legal('the compacted revision and what is behind it are read', (story) => {
    story.done(compact(4), 50);
    story.answer(story.send(past(4), 60), 61, told(story.seen('a', 4), 5));
    story.read('a', 62, 63);
    story.end();
  }),
  legal('a compaction of what is compacted, and of the future, is refused', (story) => {
    story.done(compact(4), 50);
    story.done(compact(4), 60);
    story.done(compact(99), 70);
    story.end();
    story.search();
  }),
  legal('a watch that starts at the compacted revision, whose value before is gone', (story) => {
    const watch = story.watch('a', '', { startRevision: 4, prevKv: true });
    story.done(compact(4), 50);
    story.give(watch, story.events(true, 4, 5));
    story.watching.complete(watch, 5);
  }),
  legal('a watcher is overtaken and told so', (story) => {
    const watch = story.watch('a', '', { startRevision: 2 });
    story.give(watch, story.events(false, 2));
    story.done(compact(4), 50);
    watch.compactRevision = 4;
    story.watching.ended(watch);
  }),
];
