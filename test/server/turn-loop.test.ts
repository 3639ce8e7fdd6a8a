import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { turnGatherMsMax, turnLooksMax } from '../../src/base/limits.ts';
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
  const node = { turn: () => turns.push(performance.now() - startMs), enqueue: () => loop.wake(), queued: 0 };
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

/** Each look at the sockets takes so long and brings as many inputs as `brings` says, from the first one on; when is the turn? */
async function turnAt(
  brings: readonly number[],
  lookMs = 0,
): Promise<{ readonly looks: number; readonly inputs: number }> {
  let looks = 0;
  let queued = 0;
  let nowMs = 0;
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
  const turns: { readonly looks: number; readonly inputs: number }[] = [];
  const loop = new TurnLoop(tickMs, (error) => {
    throw error;
  });
  const node = {
    enqueue: () => {},
    get queued(): number {
      queued += brings[looks++] ?? 0;
      nowMs += lookMs;
      return queued;
    },
    turn: () => turns.push({ looks, inputs: queued }),
  };
  loop.start(node as unknown as Node);
  loop.wake();
  await vi.advanceTimersByTimeAsync(tickMs / 2);
  loop.stop();
  clock.mockRestore();
  expect(turns).toHaveLength(1);
  return turns[0] as (typeof turns)[number];
}

test('a turn waits for the next look as long as looks bring something', async () => {
  expect(await turnAt([1])).toEqual({ looks: 2, inputs: 1 });
  expect(await turnAt([1, 2, 0, 5])).toEqual({ looks: 3, inputs: 3 });
  expect(await turnAt([0, 7])).toEqual({ looks: 1, inputs: 0 });
});

test('and for no more than so many looks, nor longer than so long', async () => {
  const steady = Array.from({ length: 2 * turnLooksMax }, () => 1);
  expect(await turnAt(steady)).toEqual({ looks: turnLooksMax, inputs: turnLooksMax });
  expect(await turnAt(steady, turnGatherMsMax)).toEqual({ looks: 2, inputs: 2 });
});
