/**
 * The reasons for which a wait is over before its time, gathered into one signal: the caller's own, a timeout, the session's end, the
 * client's. Takes its listeners off again, so that a signal that lives long does not collect them.
 */
import { onAbort } from '../abort.ts';
import type { Core } from '../core.ts';
import { cancelledError, closedError, LeaseError } from '../errors.ts';
import type { CallSettings } from '../transport/calls.ts';
import { durationMs } from '../values.ts';

export class Ends {
  readonly #closed: AbortSignal;
  readonly #controller = new AbortController();
  readonly #undo: (() => void)[] = [];

  /** `what` is waited for, as the error of a timeout calls it. Without a timeout there is none, not the client's. */
  constructor({ closed, clock }: Core, { signal, timeout }: CallSettings, what: string) {
    const timeoutMs = timeout === undefined ? undefined : durationMs(timeout, 'timeout');
    this.#closed = closed;
    this.on(closed, () => closedError('the client'));
    if (signal !== undefined) this.on(signal, () => cancelledError(signal));
    if (timeoutMs === undefined) return;
    const late = (): void =>
      this.#end(new LeaseError('timeout', `${what}: not in ${String(timeout)}`, { retryable: true }));
    const timer = clock.after(timeoutMs, late);
    this.#undo.push(() => timer.cancel());
  }

  /** Fires with the first reason, which is a `LeaseError`. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** From now on that signal is a reason too. */
  on(signal: AbortSignal, reason: () => LeaseError): void {
    this.#undo.push(onAbort(signal, () => this.#end(reason())));
  }

  /** Throws the reason, if there is one. */
  check(): void {
    if (this.signal.aborted) throw this.reasonOf(undefined);
  }

  /** What a caller is told of a failure: the reason for which the wait is over, if it is, else the failure. */
  reasonOf(failure: unknown): unknown {
    return this.signal.aborted ? this.signal.reason : failure;
  }

  /** Nothing is a reason any more. */
  close(): void {
    for (const undo of this.#undo.splice(0)) undo();
  }

  #end(reason: LeaseError): void {
    this.close();
    this.#controller.abort(this.#closed.aborted ? closedError('the client') : reason);
  }
}

/** Why a lease, a lock or a term is no longer held. */
export function lostError(signal: AbortSignal): LeaseError {
  const { reason } = signal;
  return reason instanceof LeaseError ? reason : new LeaseError('lease_lost', 'the lease is lost', { cause: reason });
}
