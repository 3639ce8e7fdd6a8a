/**
 * Unary calls: which member is asked, how often, for how long. Reads, and writes that may be applied twice without harm, are asked
 * again until their time is over; any other write only where it certainly was not applied.
 */
import { type Clock, sleep } from '../clock.ts';
import { asksForToken, CallFailure, cancelledError, closedError, LeaseError, leaseError } from '../errors.ts';
import { type Duration, durationMs } from '../values.ts';
import { type RequestOf, type ResponseOf, wireCall } from '../wire/codec.ts';
import type { CallName } from '../wire/schema.ts';
import type { Channel, Metadata } from './channel.ts';
import type { Members } from './members.ts';
import type { Patience } from './patience.ts';
import type { Tokens } from './tokens.ts';

/** What every call of the library takes. */
export interface CallSettings {
  /** Ends the call with `cancelled` when it fires. */
  readonly signal?: AbortSignal | undefined;
  /** All attempts together; the client's `timeout` if not given. */
  readonly timeout?: Duration | undefined;
}

/** How a call may be made again: `once` only if it certainly was not applied, `repeatable` in any case, `read` changes nothing. */
export type CallKind = 'read' | 'once' | 'repeatable';

export interface CallPlan {
  readonly kind: CallKind;
  /** A member without a leader may answer, from what it has. */
  readonly withoutLeader?: boolean;
  /**
   * Told right before each attempt leaves; the last told is the one that was answered. `inDoubt`: an earlier one may have been applied, or
   * may be yet.
   */
  readonly onAttempt?: (inDoubt: boolean) => void;
}

interface Attempt {
  readonly plan: CallPlan;
  readonly endMs: number;
  readonly signal: AbortSignal | undefined;
  readonly inDoubt: boolean;
}

/** All in monotonic ms. */
interface Silence {
  readonly waitedMs: number;
  /** When it was noticed last. */
  readonly untilMs: number;
}

/** One attempt, where there is another member to ask. */
const attemptMsMax = 3_000;
/** With less time than this nothing is asked again: it would only put in doubt what is now known. */
const attemptMsMin = 50;
/** A member that has not answered for so long has failed, be it in one attempt or in several that were given less time. */
const silentMsMin = 1_000;
const pauseMsMin = 20;
const pauseMsMax = 500;

export class Calls {
  readonly #members: Members;
  readonly #clock: Clock;
  readonly #tokens: Tokens | undefined;
  readonly #timeoutMs: number;
  /** What was waited for on a channel in vain since it answered last. */
  readonly #silences = new WeakMap<Channel, Silence>();

  constructor(members: Members, clock: Clock, tokens: Tokens | undefined, timeoutMs: number) {
    this.#members = members;
    this.#clock = clock;
    this.#tokens = tokens;
    this.#timeoutMs = timeoutMs;
  }

  /** Rejects with a `LeaseError`. */
  async call<N extends CallName>(
    name: N,
    request: RequestOf<N>,
    plan: CallPlan,
    { signal, timeout }: CallSettings = {},
  ): Promise<ResponseOf<N>> {
    const wire = wireCall(name);
    const body = wire.encode(request);
    const endMs =
      this.#clock.monotonicMs() + (timeout === undefined ? this.#timeoutMs : durationMs(timeout, 'timeout'));
    let mayHaveApplied = false;
    for (let attempt = 0; ; attempt++) {
      try {
        return wire.decode(await this.#attempt(wire.path, body, { plan, endMs, signal, inDoubt: mayHaveApplied }));
      } catch (cause) {
        const error = this.#errorOf(cause, plan.kind, signal, mayHaveApplied);
        mayHaveApplied = error.mayHaveApplied;
        const pauseMs = Math.min(pauseMsMax, pauseMsMin * 2 ** attempt) * (0.5 + this.#clock.random());
        const again = this.#mayBeRetried(error) && (plan.kind !== 'once' || !mayHaveApplied);
        if (!again || this.#clock.monotonicMs() + pauseMs + attemptMsMin >= endMs) throw error;
        await sleep(this.#clock, pauseMs, signal);
        if (signal?.aborted === true) throw cancelledError(signal, mayHaveApplied);
      }
    }
  }

  /** What goes with every call and stream: that the member must know a leader, and who asks. */
  async metadata(settings: Patience & { readonly withoutLeader: boolean }): Promise<Metadata> {
    const token = await this.#tokens?.current(settings);
    return {
      ...(settings.withoutLeader ? {} : { hasleader: 'true' }),
      ...(token === undefined ? {} : { token }),
    };
  }

  /** A call or stream on this channel, with this metadata, came to that error: what it says about the member, and about who we are. */
  learn(channel: Channel, metadata: Metadata, error: LeaseError): void {
    if (asksForToken(error)) this.#tokens?.refused(metadata['token']);
    else if (error.retryable) this.#members.failed(channel, error);
    else this.#members.worked(channel);
  }

  async #attempt(path: string, body: Uint8Array, { plan, endMs, signal, inDoubt }: Attempt): Promise<Uint8Array> {
    const patience = (): Patience => ({ timeoutMs: Math.max(0, endMs - this.#clock.monotonicMs()), signal });
    const metadata = await this.metadata({ withoutLeader: plan.withoutLeader === true, ...patience() });
    const channel = await this.#members.choose(patience());
    const mayMove = plan.kind !== 'once' && this.#members.channels.length > 1;
    const timeoutMs = Math.min(patience().timeoutMs, mayMove ? attemptMsMax : Number.POSITIVE_INFINITY);
    const askedMs = this.#clock.monotonicMs();
    plan.onAttempt?.(inDoubt);
    try {
      const answer = await channel.unary(path, body, { metadata, timeoutMs, signal });
      this.#silences.delete(channel);
      this.#members.worked(channel);
      return answer;
    } catch (failure) {
      if (failure instanceof CallFailure && signal?.aborted !== true) {
        const error = leaseError(failure, 'write');
        if (error.code === 'timeout') this.#silent(channel, { askedMs, timeoutMs }, error);
        else {
          this.#silences.delete(channel);
          this.learn(channel, metadata, error);
        }
      }
      throw failure;
    }
  }

  #silent(channel: Channel, { askedMs, timeoutMs }: { askedMs: number; timeoutMs: number }, error: LeaseError): void {
    const nowMs = this.#clock.monotonicMs();
    const { waitedMs, untilMs } = this.#silences.get(channel) ?? { waitedMs: 0, untilMs: askedMs };
    // What was waited for side by side counts once.
    const silence = { waitedMs: waitedMs + Math.max(0, nowMs - Math.max(askedMs, untilMs)), untilMs: nowMs };
    this.#silences.set(channel, silence);
    if (Math.max(timeoutMs, silence.waitedMs) < silentMsMin) return;
    this.#silences.delete(channel);
    this.#members.failed(channel, error);
  }

  #mayBeRetried(error: LeaseError): boolean {
    if (asksForToken(error)) return this.#tokens !== undefined;
    return error.retryable;
  }

  /** The error a caller gets; once an attempt may have been applied, no later refusal takes that back. */
  #errorOf(cause: unknown, kind: CallKind, signal: AbortSignal | undefined, applied: boolean): LeaseError {
    const error = cause instanceof CallFailure ? leaseError(cause, kind === 'read' ? 'read' : 'write') : cause;
    if (!(error instanceof LeaseError)) throw error;
    const mayHaveApplied = applied || error.mayHaveApplied;
    if (this.#members.closed.aborted) return closedError('the client', mayHaveApplied);
    if (signal?.aborted === true) return cancelledError(signal, mayHaveApplied);
    if (mayHaveApplied === error.mayHaveApplied) return error;
    const { code, message, retryable } = error;
    return new LeaseError(code, message, { retryable, mayHaveApplied, cause });
  }
}
