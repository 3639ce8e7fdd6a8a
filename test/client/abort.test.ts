/** Listening to signals: one listener, whoever waits; none when nobody does. */
import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { onAbort, unlessAborted } from '../../src/client/abort.ts';

const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

test('each step is called once, when the signal fires, unless it was taken back', () => {
  const controller = new AbortController();
  const told: number[] = [];
  const step = (): void => {
    told.push(0);
  };
  const undo = [onAbort(controller.signal, step), onAbort(controller.signal, step)];
  onAbort(controller.signal, () => undo[1]?.());
  onAbort(controller.signal, () => told.push(controller.signal.reason));
  expect(listeners(controller.signal)).toBe(1);
  undo[0]?.();
  controller.abort(1);
  expect(told).toEqual([0, 1]);
  undo[1]?.();
  onAbort(controller.signal, () => told.push(2));
  expect(told).toEqual([0, 1, 2]);
});

test('nothing is left on a signal that nobody waits for', async () => {
  const { signal } = new AbortController();
  const undo = Array.from({ length: 20 }, () => onAbort(signal, () => {}));
  expect(listeners(signal)).toBe(1);
  for (const each of undo) each();
  expect(listeners(signal)).toBe(0);
  expect(await unlessAborted(Promise.resolve(1), signal)).toBe(1);
  await expect(unlessAborted(Promise.reject(new Error('2')), signal)).rejects.toThrow('2');
  expect(listeners(signal)).toBe(0);
});

test('a wait ends with the reason of its signal, and what it waited for may fail unheard', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  let fail = (_: Error): void => {};
  const waited = unlessAborted(
    new Promise((_, reject) => {
      fail = reject;
    }),
    controller.signal,
  );
  controller.abort(reason);
  await expect(waited).rejects.toBe(reason);
  fail(new Error('late'));
  await expect(unlessAborted(new Promise(() => {}), controller.signal)).rejects.toBe(reason);
});
