/**
 * Listening to AbortSignals. Many parts may wait for one signal - the client's end, a session's, a server's that shuts down - so each
 * signal gets one listener from the library, whoever waits, and none when nobody does: nothing collects on a signal that lives long, and
 * Node has no reason to warn of a leak.
 */

/** Who waits for a signal, and the one listener that tells them. */
interface Waiting {
  readonly steps: Set<() => void>;
  readonly run: () => void;
}

const waitingFor = new WeakMap<AbortSignal, Waiting>();

/** Calls the step when the signal fires, at once if it has; returns what takes it back. Steps may not throw. */
export function onAbort(signal: AbortSignal, step: () => void): () => void {
  if (signal.aborted) {
    step();
    return () => {};
  }
  const { steps, run } = waitingFor.get(signal) ?? listen(signal);
  // One of its own, so that the same function may wait twice.
  const own = (): void => step();
  steps.add(own);
  return () => {
    if (!steps.delete(own) || steps.size > 0) return;
    waitingFor.delete(signal);
    signal.removeEventListener('abort', run);
  };
}

function listen(signal: AbortSignal): Waiting {
  const steps = new Set<() => void>();
  const run = (): void => {
    waitingFor.delete(signal);
    for (const step of steps) step();
    steps.clear();
  };
  const waiting = { steps, run };
  waitingFor.set(signal, waiting);
  signal.addEventListener('abort', run, { once: true });
  return waiting;
}

/** The promise, or the signal's reason as soon as it fires; what becomes of the promise then is nobody's error. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const undo = onAbort(signal, () => reject(signal.reason));
    promise.then(
      (value) => {
        undo();
        resolve(value);
      },
      (error) => {
        undo();
        reject(error);
      },
    );
  });
}
