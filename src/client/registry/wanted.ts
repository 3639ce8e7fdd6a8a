/** The value that a key is to have: the newest asked for, and those who wait until it, or a newer one, is written. */
import { onAbort } from '../abort.ts';
import type { Clock } from '../clock.ts';
import { cancelledError, LeaseError } from '../errors.ts';
import type { CallSettings } from '../transport/calls.ts';
import { type Duration, durationMs } from '../values.ts';

export interface Taken {
  readonly value: Uint8Array;
  /** It is where it should be. */
  written(): void;
}

interface Waiter {
  readonly version: number;
  settle(error?: LeaseError): void;
}

export class Wanted {
  readonly #clock: Clock;
  #value: Uint8Array;
  /** Counts values. */
  #version = 1;
  #written = 0;
  readonly #waiters = new Set<Waiter>();
  #wake: () => void = () => {};

  constructor(value: Uint8Array, clock: Clock) {
    this.#value = value;
    this.#clock = clock;
  }

  /** Resolves when it is written. `timeout` and `signal` end the waiting alone. */
  want(value: Uint8Array, { signal, timeout }: CallSettings & { readonly timeout: Duration }): Promise<void> {
    const waitMs = durationMs(timeout, 'timeout');
    const version = ++this.#version;
    this.#value = value;
    this.#wake();
    return new Promise((resolve, reject) => {
      let unlisten = (): void => {};
      const waiter = {
        version,
        settle: (error?: LeaseError): void => {
          if (!this.#waiters.delete(waiter)) return;
          timer.cancel();
          unlisten();
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      this.#waiters.add(waiter);
      const late = new LeaseError('timeout', 'the value is not written yet', { retryable: true, mayHaveApplied: true });
      const timer = this.#clock.after(waitMs, () => waiter.settle(late));
      if (signal !== undefined) unlisten = onAbort(signal, () => waiter.settle(cancelledError(signal, true)));
    });
  }

  /** The newest, whether it is written or not. */
  take(): Taken {
    const version = this.#version;
    return {
      value: this.#value,
      written: () => {
        this.#written = Math.max(this.#written, version);
        for (const waiter of [...this.#waiters]) if (waiter.version <= version) waiter.settle();
      },
    };
  }

  /**
   * The newest as soon as there is one that is not written; undefined when the signal fires. For one caller at a time.
   */
  async next(signal: AbortSignal): Promise<Taken | undefined> {
    while (!signal.aborted) {
      if (this.#written < this.#version) return this.take();
      await new Promise<void>((resolve) => {
        const unlisten = onAbort(signal, resolve);
        this.#wake = () => {
          unlisten();
          resolve();
        };
      });
    }
    return undefined;
  }

  /** Nothing more is written. */
  end(error: LeaseError): void {
    for (const waiter of [...this.#waiters]) waiter.settle(error);
  }
}
