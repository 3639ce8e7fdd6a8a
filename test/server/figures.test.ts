/** What a scrape shows is as of the scrape, whenever somebody last looked for the log. */
import { expect, test } from 'vitest';
import { Figures } from '../../src/server/figures.ts';
import { LoneNode } from '../node/lone-node.ts';

test('a scrape right after an election counts it, and the log still hears of it once', () => {
  const lone = new LoneNode();
  const figures = new Figures(lone.node);
  expect(figures.read().leaderChanges).toBe(0);
  lone.lead();
  expect(figures.read()).toMatchObject({ leaderChanges: 1, isLeader: true });
  expect(figures.noteLeader()).toBe(1n);
  expect(figures.noteLeader()).toBeUndefined();
  expect(figures.read().leaderChanges).toBe(1);
});
