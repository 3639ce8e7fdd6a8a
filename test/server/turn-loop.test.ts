import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Node } from '../../src/node/node.ts';
import { TurnLoop } from '../../src/server/turn-loop.ts';

const tickMs = 20;
/** Of these timers, between a wake and its turn in the check phase. */
const checkMs = 1;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A loop whose node notes when it takes turns; a tick wakes it, as the real one. */
function started(): { readonly loop: TurnLoop; readonly turns: number[] } {
  const turns: number[] = [];
  const loop: TurnLoop = new TurnLoop(tickMs, (error) => {
    throw error;
  });
  const startMs = performance.now();
  const node = { turn: () => turns.push(performance.now() - startMs), enqueue: () => loop.wake() };
  loop.start(node as unknown as Node);
  return { loop, turns };
}

test('an alarm takes a turn before the next tick, once, and of two the earlier holds', async () => {
  const { loop, turns } = started();
  loop.wakeIn(12);
  loop.wakeIn(12.4);
  loop.wakeIn(7);
  loop.wakeIn(9);
  await vi.advanceTimersByTimeAsync(2 * tickMs - 1);
  expect(turns).toEqual([7 + checkMs, tickMs + checkMs]);
  loop.stop();
});

test('alarms come to whole milliseconds, never early; after the end there is none', async () => {
  const { loop, turns } = started();
  loop.wakeIn(3.2);
  await vi.advanceTimersByTimeAsync(5);
  expect(turns).toEqual([4 + checkMs]);
  loop.wakeIn(2);
  loop.stop();
  await vi.advanceTimersByTimeAsync(100);
  expect(turns).toEqual([4 + checkMs]);
});
