/** Reads go on at once while they are few; many are let go by and by, each caller in turn. */
import { expect, test } from 'vitest';
import { readsPerTurnMax } from '../../src/base/limits.ts';
import { AnswerTurns } from '../../src/rpc/answer-turns.ts';

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('few wait for nothing', async () => {
  const turns = new AnswerTurns(100);
  let made = 0;
  for (let at = 0; at < 1_000; at++) {
    turns.take('a').then(() => {
      made++;
      turns.spent(20);
    });
    await Promise.resolve();
    await Promise.resolve();
    expect(made).toBe(at + 1);
    if (at % 4 === 3) await nextTurn();
  }
});

test('many that ask in one go wait too, before anybody knows how large their answers are', async () => {
  const turns = new AnswerTurns(100);
  let letGo = 0;
  const all = Array.from({ length: 10 * readsPerTurnMax }, () => turns.take('a').then(() => letGo++));
  await Promise.resolve();
  await Promise.resolve();
  expect(letGo).toBe(readsPerTurnMax);
  await nextTurn();
  expect(letGo).toBeLessThanOrEqual(3 * readsPerTurnMax);
  await Promise.all(all);
});

test('many wait; a turn makes its share, and a caller with little is not behind one with much', async () => {
  const turns = new AnswerTurns(100);
  const made: string[] = [];
  const ask = async (caller: string, bytes: number): Promise<void> => {
    await turns.take(caller);
    made.push(caller);
    turns.spent(bytes);
  };
  turns.spent(100);
  const all = [...Array.from({ length: 20 }, () => ask('much', 100)), ask('little', 1)];
  expect(made).toEqual([]);
  for (let turn = 0; turn < 3; turn++) await nextTurn();
  expect(made.slice(0, 2).sort()).toEqual(['little', 'much']);
  expect(made.length).toBeLessThan(8);
  await Promise.all(all);
  expect(made).toHaveLength(21);
});
