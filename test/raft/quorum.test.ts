import { expect, test } from 'vitest';
import { hasQuorum, quorumIndex, tally } from '../../src/raft/quorum.ts';
import { voters } from './lone-member.ts';

test('a quorum is more than half of the voters, whoever else says yes', () => {
  const four = { voters: [1n, 2n, 3n, 4n], learners: [5n, 6n] };
  expect(hasQuorum(four, (id) => id <= 2n)).toBe(false);
  expect(hasQuorum(four, (id) => id <= 3n)).toBe(true);
  expect(hasQuorum(four, (id) => id >= 3n)).toBe(false);
  expect(hasQuorum(voters(1), () => true)).toBe(true);
});

test('the quorum index is held by a quorum, and the next one is not', () => {
  const held = new Map([
    [1n, 9],
    [2n, 4],
    [3n, 7],
    [4n, 4],
    [5n, 2],
  ]);
  const of = (count: number): number => quorumIndex(voters(count), (id) => held.get(id) ?? 0);
  expect([of(1), of(2), of(3), of(4), of(5)]).toEqual([9, 4, 7, 4, 4]);
});

test('a ballot is open until the missing answers cannot change it', () => {
  const ballot = (...votes: [bigint, boolean][]) => tally(voters(5), new Map(votes));
  expect(ballot([1n, true], [2n, true])).toBe('open');
  expect(ballot([1n, true], [2n, true], [3n, true])).toBe('won');
  expect(ballot([1n, true], [2n, false], [3n, false])).toBe('open');
  expect(ballot([1n, true], [2n, false], [3n, false], [4n, false])).toBe('lost');
  expect(
    tally(
      voters(2),
      new Map([
        [1n, true],
        [2n, false],
      ]),
    ),
  ).toBe('lost');
});
