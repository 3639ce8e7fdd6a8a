/** Waiting for what is shared: many wait for one choice of a member, or one token; each as long as it likes, or until it is cancelled. */
import { onAbort } from '../abort.ts';
import type { Clock } from '../clock.ts';
import { cancelledError, LeaseError } from '../errors.ts';

/** How long a caller waits, and whether it still does. */
export interface Patience {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** What is waited for; or `unavailable` with `tooLate()` as its text, or `cancelled`. What is waited for goes on for the others. */
export function patiently<T>(
  clock: Clock,
  awaited: Promise<T>,
  { timeoutMs, signal }: Patience,
  tooLate: () => string,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let undo = (): void => {};
    const over = (settle: () => void): void => {
      timer.cancel();
      undo();
      settle();
    };
    const cancelled = (): void => over(() => reject(cancelledError(signal as AbortSignal)));
    const late = (): void => over(() => reject(new LeaseError('unavailable', tooLate(), { retryable: true })));
    const timer = clock.after(timeoutMs, late);
    awaited.then(
      (value) => over(() => resolve(value)),
      (error: unknown) => over(() => reject(error as LeaseError)),
    );
    if (signal !== undefined) undo = onAbort(signal, cancelled);
  });
}
