/**
 * An async iterator that can be ended while it is waited for. A generator alone takes a `return()` only when the wait in its `next()` is
 * over, which may be never.
 */

import { onAbort } from './abort.ts';

/** For `for await`; `close` (or `await using`, or leaving the loop) ends it and what it waits for. */
export interface Stoppable<T> extends AsyncIterableIterator<T, void, undefined>, AsyncDisposable {
  /** As `close`; what a loop does that is left. */
  return(): Promise<IteratorResult<T, void>>;
  close(): Promise<void>;
}

/** The generator is told by its signal to end: when `signal` fires, or the reader leaves. */
export function stoppable<T>(
  signal: AbortSignal | undefined,
  start: (stop: AbortSignal) => AsyncGenerator<T, void, undefined>,
): Stoppable<T> {
  const stop = new AbortController();
  const undo = signal === undefined ? () => {} : onAbort(signal, () => stop.abort(signal.reason));
  const generator = start(stop.signal);
  const over = async (): Promise<IteratorResult<T, void>> => {
    undo();
    stop.abort();
    return await generator.return();
  };
  const close = async (): Promise<void> => {
    await over();
  };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      let over = true;
      try {
        const result = await generator.next();
        over = result.done === true;
        return result;
      } finally {
        if (over) undo();
      }
    },
    return: over,
    close,
    [Symbol.asyncDispose]: close,
  };
}
