import { expect, test } from 'vitest';
import { Configurations } from '../../src/raft/configurations.ts';
import type { Entry } from '../../src/store/entry.ts';
import { entry, membership, voters } from './lone-member.ts';

const change = (index: number, count: number): Entry => ({
  ...entry(index, 1),
  kind: 'configuration',
  payload: membership(count).payload,
});

test('R10: the latest appended configuration counts, and goes when its entry is cut off', () => {
  const configurations = new Configurations(voters(3), 0, [change(1, 3), entry(2, 1), change(3, 5)]);
  expect(configurations.latest).toEqual(voters(5));
  expect(configurations.at(2)).toEqual(voters(3));
  configurations.cutFrom(3);
  expect(configurations.latest).toEqual(voters(3));
  configurations.appended([change(3, 4), change(4, 5)]);
  configurations.compact(3);
  configurations.cutFrom(4);
  expect(configurations.latest).toEqual(voters(4));
});

test('a snapshot brings its configuration; entries kept behind it still count', () => {
  const configurations = new Configurations(voters(1), 0, []);
  configurations.install(voters(3), 7, [entry(8, 2)]);
  expect(configurations.latest).toEqual(voters(3));
  configurations.install(voters(3), 9, [change(10, 5)]);
  expect(configurations.latest).toEqual(voters(5));
});
