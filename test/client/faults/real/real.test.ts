/** A few rounds of what `npm run holders -- --real` runs for long, and the judge of them on records that are right or wrong. */
import { expect, test } from 'vitest';
import { judge } from './judge.ts';
import type { Admission, HolderSaid } from './records.ts';
import { runReal } from './rounds.ts';

test('holders that run have been told before another is let in', { timeout: 120_000 }, async () => {
  const report = await runReal({ seed: 0x5eedn, rounds: 5, naive: false });
  expect(report.violations).toEqual([]);
  expect(report.holds).toBeGreaterThan(5);
  expect(report.accepted).toBeGreaterThan(0);
});

const held: HolderSaid = { who: 'a', type: 'held', lock: 'x', token: '5', atMs: 100 };
const admissions: readonly Admission[] = [
  { lock: 'x', token: '5', atMs: 99 },
  { lock: 'x', token: '9', atMs: 3_000 },
];
const over = (atMs: number): HolderSaid => ({ who: 'a', type: 'over', lock: 'x', token: '5', atMs, why: 'lost' });
const write = (atMs: number): HolderSaid => ({ who: 'a', type: 'write', lock: 'x', token: '5', atMs });
const stood = (fromMs: number, toMs: number, says: boolean): HolderSaid => ({
  who: 'a',
  type: 'stood',
  fromMs,
  toMs,
  looks: [{ lock: 'x', token: '5', held: says }],
});

test.each([
  ['told in time', [held, write(2_900), over(2_950)], []],
  ['asleep, and told at the first look', [held, stood(500, 4_000, false), over(4_001)], []],
  ['told too late', [held, over(3_050)], [/^F6/]],
  ['never told', [held], [/^F6/]],
  ['a write after the next one was let in', [held, over(2_950), write(3_001)], [/^F7/]],
  ['asleep, and believes at the first look', [held, stood(500, 4_000, true), over(4_001)], [/^F7/]],
  ['a write without a hold', [write(100)], [/^F3/]],
] as const)('%s', (_, records, expected) => {
  const { violations } = judge(records, admissions, 2_000);
  expect(violations).toHaveLength(expected.length);
  for (const [i, pattern] of expected.entries()) expect(violations[i]).toMatch(pattern);
});
