import { expect, test } from 'vitest';
import { inputsPerTurnMax } from '../../src/base/limits.ts';
import { Asking, Askings } from '../../src/node/asking.ts';
import type { Input } from '../../src/node/input.ts';
import { InputQueue } from '../../src/node/input-queue.ts';

const tick: Input = { type: 'tick' };

function askings(count: number): Askings {
  const made = new Askings(1_000);
  for (let id = 0; id < count; id++) made.add(new Asking('keepAlive', BigInt(id), { answered: () => {} }));
  return made;
}

test('a turn takes what there is, up to its limit, in order', () => {
  const queue = new InputQueue();
  expect(queue.take()).toEqual([]);
  for (let i = 0; i < inputsPerTurnMax; i++) queue.push(tick);
  queue.push({ type: 'stop' });
  expect(queue.take()).toHaveLength(inputsPerTurnMax);
  expect(queue.length).toBe(1);
  expect(queue.take()).toEqual([{ type: 'stop' }]);
  expect(queue.length).toBe(0);
});

test('questions that came together count each; one lot larger than the limit is a turn’s share', () => {
  const queue = new InputQueue(10);
  const lots = [askings(9), askings(4), askings(30), askings(1)];
  for (const lot of lots) queue.push(lot);
  expect(queue.take()).toEqual(lots.slice(0, 2));
  expect(queue.take()).toEqual([lots[2]]);
  queue.push(tick);
  expect(queue.take()).toEqual([lots[3], tick]);
});
