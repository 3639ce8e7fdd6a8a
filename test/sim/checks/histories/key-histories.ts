/** Histories of keys, bad ones: K1 to K6, S1, D1, R11. */
import { compare, put, range, txn } from '../../../state/commands.ts';
import { lying, type Row, Story } from './story.ts';

/** `a` is 1 at revision 2 and 2 at revision 3. */
function twoValues(): Story {
  const story = new Story();
  story.done(put('a', '1'), 0);
  story.done(put('a', '2'), 10);
  return story;
}

export const badKeyHistories: readonly Row[] = [
  {
    name: 'stale read',
    expected: 'K1',
    tell: () => {
      const story = twoValues();
      story.read('a', 20, 21, 2);
      story.end();
    },
  },
  {
    name: 'stale read, found by search alone',
    expected: 'K1',
    tell: () => {
      const story = twoValues();
      story.read('a', 20, 21, 2);
      story.search();
    },
  },
  {
    name: 'a read goes back behind an earlier one while the write is still open',
    expected: 'K1',
    tell: () => {
      const story = new Story();
      story.done(put('a', '1'), 0);
      const open = story.write(put('a', '2'), 10);
      story.log(11, open);
      story.read('a', 12, 13);
      story.read('a', 14, 15, 2);
      story.answer(open, 16);
      story.search();
    },
  },
  {
    name: 'lost update: acknowledged, and not in the log',
    expected: 'S1',
    tell: () => {
      const story = new Story();
      const result = { type: 'put', prevKv: undefined } as const;
      story.answer(story.write(put('a', '1'), 0), 2, { type: 'outcome', outcome: { ok: true, revision: 2, result } });
      story.end();
    },
  },
  {
    name: 'lost update, found by search: two compare-and-sets of one version succeed',
    expected: 'K1',
    tell: () => {
      const story = new Story();
      story.done(put('a', '1'), 0);
      for (const value of ['2', '3']) {
        const cas = story.write(txn([compare('a', 'version', 'equal', 1)], [put('a', value)]), 10);
        const result = { type: 'txn', succeeded: true, responses: [{ type: 'put', prevKv: undefined }] } as const;
        story.answer(cas, 12, { type: 'outcome', outcome: { ok: true, revision: 3, result } });
      }
      story.search();
    },
  },
  {
    name: 'revision repeats: two writes are told the same one',
    expected: 'K2',
    tell: () => {
      const story = new Story();
      story.done(put('a', '1'), 0);
      const second = story.write(put('a', '2'), 10);
      const [outcome] = story.log(11, second);
      if (outcome !== undefined) story.answer(second, 12, { type: 'outcome', outcome: { ...outcome, revision: 2 } });
      story.end();
    },
  },
  {
    name: 'revision repeats: the machine stands where it stood',
    expected: 'K2',
    tell: () => {
      const story = new Story();
      story.done(put('a', '1'), 0);
      const { entry, applied } = story.made(story.write(put('a', '2'), 10));
      story.state.booted(1n);
      story.take(11, entry, applied, lying(story.machine, { revision: 2 }));
    },
  },
  {
    name: 'a transaction is told the other branch',
    expected: 'K1',
    tell: () => {
      const story = new Story();
      const call = story.write(txn([compare('a', 'version', 'greater', 0)], [put('a', '1')]), 0);
      story.log(1, call);
      const told = { ok: true, revision: 1, result: { type: 'txn', succeeded: true, responses: [] } } as const;
      story.answer(call, 2, { type: 'outcome', outcome: told });
      story.end();
    },
  },
  {
    name: 'a read shows what is not committed yet',
    expected: 'K4',
    tell: () => {
      const story = new Story();
      const open = story.write(put('a', '1'), 0);
      const { entry, applied } = story.made(open);
      story.read('a', 1, 2);
      story.take(5, entry, applied);
      story.answer(open, 6);
      story.end();
    },
  },
  {
    name: 'acknowledged before it is applied anywhere',
    expected: 'K4',
    tell: () => {
      const story = new Story();
      const call = story.write(put('a', '1'), 0);
      const { entry, applied } = story.made(call);
      story.answer(call, 2);
      story.take(5, entry, applied);
      story.end();
    },
  },
  {
    name: 'what was said never to happen takes effect',
    expected: 'K3',
    tell: () => {
      const story = new Story();
      const call = story.write(put('a', '1'), 0);
      story.answer(call, 2, { type: 'unavailable', why: 'noLeader' });
      story.log(5, call);
      story.end();
    },
  },
  {
    name: 'an unknown write takes effect twice',
    expected: 'K3',
    tell: () => {
      const story = new Story();
      const call = story.write(put('a', '1'), 0);
      story.lose(call, 2);
      story.log(5, call);
      story.log(6, call);
      story.end();
    },
  },
  {
    name: 'one command stands in two entries',
    expected: 'K3',
    tell: () => {
      const story = new Story();
      const { entry, applied } = story.made(story.write(put('a', '1'), 0));
      story.take(1, entry, applied);
      const again = { ...entry, index: 2 };
      story.take(2, again, story.machine.apply(again));
    },
  },
  {
    name: 'serializable read of a state that never was',
    expected: 'K5',
    tell: () => {
      const story = twoValues();
      const call = story.send({ type: 'range', range: range('a'), serializable: true }, 20);
      story.answer(call, 21, { ...story.seen('a'), revision: 2 });
      story.end();
    },
  },
  {
    name: 'a future revision is answered',
    expected: 'K6',
    tell: () => {
      const story = twoValues();
      const call = story.send({ type: 'range', range: range('a', '', { revision: 9 }), serializable: false }, 20);
      story.answer(call, 21, story.seen('a'));
      story.end();
    },
  },
  {
    name: 'two members stand differently at one index',
    expected: 'D1',
    tell: () => {
      const story = new Story();
      const { entry, applied } = story.made(story.write(put('a', '1'), 0));
      story.take(1, entry, applied);
      const other = lying(story.machine, { digest: () => 'another' });
      story.state.appliedOn({ id: 2n, machine: other }, entry, applied, 2, 1n);
    },
  },
  {
    name: 'a snapshot takes a member back',
    expected: 'R11',
    tell: () => twoValues().state.restored({ id: 1n, machine: new Story().machine }),
  },
  {
    name: 'a restart finds another state than was applied',
    expected: 'D3',
    tell: () => {
      const story = twoValues();
      story.state.booted(1n);
      story.state.restored({ id: 1n, machine: lying(story.machine, { keyCount: 0 }) });
    },
  },
];
