/**
 * What etcd's clients know as KeepAlive and KeepAliveOnce: a lease of which only the id is known is kept alive for as long as somebody
 * listens. A listener that is slow finds the newest answer; what is newer never waits behind what is older.
 */
import { onAbort } from '../abort.ts';
import type { Timer } from '../clock.ts';
import type { Core } from '../core.ts';
import { cancelledError, closedError, LeaseError } from '../errors.ts';
import type { CallSettings } from '../transport/calls.ts';
import { durationMs, type LeaseIdLike, leaseId } from '../values.ts';
import { type Burst, type Keeper, type Kept, type LeaseEnd, lostError, nameOf, type Renewed } from './kept.ts';
import type { Renewer } from './renewer.ts';

/** A first answer is waited for at least so long, if the caller does not say otherwise. */
const patienceMsMin = 5_000;

/** Keeps the lease alive from the first `next()` on until the loop is left; each loop over it is a listener of its own. */
export function keepAlive(
  core: Core,
  renewer: Renewer,
  id: LeaseIdLike,
  { signal, timeout }: CallSettings,
): AsyncIterable<Renewed> {
  const lease = leaseId(id);
  const patienceMs = timeout === undefined ? Math.max(patienceMsMin, core.timeoutMs) : durationMs(timeout, 'timeout');
  return { [Symbol.asyncIterator]: () => new Listener(renewer, lease, patienceMs, signal) };
}

interface Waiting {
  resolve(result: IteratorResult<Renewed, undefined>): void;
  reject(error: LeaseError): void;
}

const done = { done: true, value: undefined } as const;

class Listener implements AsyncIterableIterator<Renewed, undefined>, Keeper {
  readonly #renewer: Renewer;
  readonly #id: bigint;
  readonly #patienceMs: number;
  readonly #signal: AbortSignal | undefined;
  /** No longer listens to the signal. */
  #deaf: () => void = () => undefined;
  #kept: Kept | undefined;
  #newest: Renewed | undefined;
  #answered = false;
  /** How it ended, once it has: with an error that is told once, or quietly. */
  #end: { error: LeaseError | undefined } | undefined;
  #waiting: Waiting[] = [];

  constructor(renewer: Renewer, id: bigint, patienceMs: number, signal: AbortSignal | undefined) {
    this.#renewer = renewer;
    this.#id = id;
    this.#patienceMs = patienceMs;
    this.#signal = signal;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Renewed, undefined>> {
    this.#start();
    if (this.#kept !== undefined) this.#renewer.held(this.#kept);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#settle();
    });
  }

  return(): Promise<IteratorResult<Renewed, undefined>> {
    this.#newest = undefined;
    this.#over(undefined);
    return Promise.resolve(done);
  }

  renewed(answer: Renewed): void {
    this.#answered = true;
    this.#newest = answer;
    this.#settle();
  }

  ended({ reason, cause }: LeaseEnd): void {
    const name = nameOf(this.#id);
    if (reason === 'closed') this.#over(closedError('the client'));
    else if (reason !== 'unreachable')
      this.#over(this.#answered ? undefined : new LeaseError('lease_not_found', `there is no ${name}`));
    else if (cause?.retryable === false) this.#over(cause);
    else if (this.#answered) this.#over(lostError(name, { reason, cause }));
    else {
      const text = `no member answered in ${this.#patienceMs} ms for ${name}${cause === undefined ? '' : `: ${cause.message}`}`;
      this.#over(new LeaseError('timeout', text, { retryable: true, mayHaveApplied: true, cause }));
    }
  }

  #start(): void {
    if (this.#kept !== undefined || this.#end !== undefined) return;
    if (this.#signal?.aborted === true) {
      this.#over(cancelledError(this.#signal));
      return;
    }
    if (this.#signal !== undefined) this.#deaf = onAbort(this.#signal, () => this.#cancelled());
    const kept = this.#renewer.keep(this.#id, this, { patienceMs: this.#patienceMs });
    this.#kept = kept;
    if (this.#end !== undefined) return;
    const { answer } = kept;
    if (answer !== undefined) this.renewed(answer);
  }

  #cancelled(): void {
    this.#newest = undefined;
    this.#over(cancelledError(this.#signal as AbortSignal));
  }

  #over(error: LeaseError | undefined): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    this.#deaf();
    if (this.#kept !== undefined) this.#renewer.drop(this.#kept, this);
    this.#settle();
  }

  /** Gives those who wait what there is. */
  #settle(): void {
    while (this.#waiting.length > 0) {
      if (this.#newest === undefined && this.#end === undefined) return;
      const { resolve, reject } = this.#waiting.shift() as Waiting;
      if (this.#newest !== undefined) {
        resolve({ done: false, value: this.#newest });
        this.#newest = undefined;
      } else if (this.#end?.error !== undefined) {
        reject(this.#end.error);
        this.#end.error = undefined;
      } else resolve(done);
    }
  }
}

/** One renewal, sent after the call; on the same stream as all others. Rejects with `lease_not_found` for a lease that is gone. */
export async function keepAliveOnce(
  core: Core,
  renewer: Renewer,
  id: LeaseIdLike,
  { signal, timeout }: CallSettings,
): Promise<Renewed> {
  const lease = leaseId(id);
  const timeoutMs = timeout === undefined ? core.timeoutMs : durationMs(timeout, 'timeout');
  if (signal?.aborted === true) throw cancelledError(signal);
  return await new Promise((resolve, reject) => {
    const fromBurst = renewer.bursts + 1;
    let timer: Timer | undefined;
    let deaf = (): void => undefined;
    let settled = false;
    const settle = (): boolean => {
      if (settled) return false;
      settled = true;
      timer?.cancel();
      deaf();
      return true;
    };
    const over = (error: LeaseError): void => {
      if (settle()) reject(error);
    };
    const keeper: Keeper = {
      renewed(answer: Renewed, burst: Burst): void {
        if (burst.number < fromBurst || !settle()) return;
        renewer.drop(kept, keeper);
        resolve(answer);
      },
      ended({ reason, cause }: LeaseEnd): void {
        if (reason === 'closed') over(closedError('the client'));
        else if (reason === 'unreachable') over(timedOut(lease, timeoutMs, cause));
        else over(new LeaseError('lease_not_found', `there is no ${nameOf(lease)}`));
      },
    };
    const cancelled = (): void => {
      over(cancelledError(signal as AbortSignal, true));
      renewer.drop(kept, keeper);
    };
    const kept = renewer.keep(lease, keeper, { patienceMs: timeoutMs });
    if (settled) return;
    if (signal !== undefined) deaf = onAbort(signal, cancelled);
    timer = core.clock.after(timeoutMs, () => {
      over(timedOut(lease, timeoutMs, renewer.cause));
      renewer.drop(kept, keeper);
    });
    renewer.renew(kept);
  });
}

function timedOut(id: bigint, timeoutMs: number, cause: LeaseError | undefined): LeaseError {
  if (cause?.retryable === false) return cause;
  const text = `${nameOf(id)} was not renewed in ${timeoutMs} ms${cause === undefined ? '' : `: ${cause.message}`}`;
  return new LeaseError('timeout', text, { retryable: true, mayHaveApplied: true, cause });
}
