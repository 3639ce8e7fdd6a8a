/**
 * Which member is asked. One is chosen and kept until it fails; then another that has not failed lately, at random, so that the
 * clients of a member that died spread over the others. Several are tried side by side when the first is slow to connect.
 */
import { onAbort } from '../abort.ts';
import { type Clock, sleep } from '../clock.ts';
import { CallFailure, closedError, grpcCodes, type LeaseError, leaseError } from '../errors.ts';
import type { Channel, Connect } from './channel.ts';

/** How long a caller waits, and whether it still does. */
export interface Patience {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Between the start of one attempt to connect and the next beside it. */
const nextAttemptMs = 250;
/** One attempt to connect; then the endpoint counts as failed, and is tried again in its turn. */
const connectMs = 3_000;
const avoidMsMin = 100;
const avoidMsMax = 5_000;

interface Endpoint {
  readonly channel: Channel;
  /** Failures in a row. */
  failures: number;
  /** Others are preferred until then. */
  avoidedUntilMs: number;
}

export class Members {
  readonly #clock: Clock;
  readonly #endpoints: readonly Endpoint[];
  readonly #closed = new AbortController();
  #current: Endpoint | undefined;
  /** The choice under way, shared by all who wait for it. */
  #choosing: Promise<Endpoint> | undefined;

  constructor(endpoints: readonly string[], connect: Connect, clock: Clock) {
    this.#clock = clock;
    this.#endpoints = endpoints.map((endpoint) => ({
      channel: connect(endpoint),
      failures: 0,
      avoidedUntilMs: Number.NEGATIVE_INFINITY,
    }));
  }

  /** The channel to use now. Rejects with a `LeaseError`: `unavailable` when none could be reached in time, `cancelled`, `closed`. */
  async choose({ timeoutMs, signal }: Patience): Promise<Channel> {
    if (this.#closed.signal.aborted) throw closedError('the client');
    if (this.#current !== undefined) return this.#current.channel;
    this.#choosing ??= this.#race().finally(() => {
      this.#choosing = undefined;
    });
    return await patiently(this.#clock, this.#choosing, { timeoutMs, signal });
  }

  /** A call on this channel failed in a way that another member may not. It is not chosen again for a while, if there is another. */
  failed(channel: Channel): void {
    const endpoint = this.#endpoints.find((each) => each.channel === channel);
    if (endpoint === undefined) return;
    if (this.#current === endpoint) this.#current = undefined;
    this.#avoid(endpoint);
  }

  /** A call on this channel was answered. */
  worked(channel: Channel): void {
    const endpoint = this.#endpoints.find((each) => each.channel === channel);
    if (endpoint !== undefined) endpoint.failures = 0;
  }

  /** All of them, for those who ask each one. */
  get channels(): readonly Channel[] {
    return this.#endpoints.map(({ channel }) => channel);
  }

  close(): void {
    this.#closed.abort();
    for (const { channel } of this.#endpoints) channel.close();
  }

  #avoid(endpoint: Endpoint): void {
    const backoffMs = Math.min(avoidMsMax, avoidMsMin * 2 ** endpoint.failures);
    endpoint.failures = Math.min(endpoint.failures + 1, 16);
    endpoint.avoidedUntilMs = this.#clock.monotonicMs() + backoffMs * (0.5 + this.#clock.random());
  }

  /** Goes on until one is connected, or the client is closed. */
  async #race(): Promise<Endpoint> {
    const { signal } = this.#closed;
    for (;;) {
      const tries: Promise<Endpoint | undefined>[] = [];
      const won = new AbortController();
      let winner: Endpoint | undefined;
      for (const endpoint of this.#order()) {
        if (signal.aborted) break;
        tries.push(
          endpoint.channel.ready(connectMs, signal).then(
            () => {
              winner ??= endpoint;
              won.abort();
              return endpoint;
            },
            () => {
              this.#avoid(endpoint);
              return undefined;
            },
          ),
        );
        await Promise.race([sleep(this.#clock, nextAttemptMs, won.signal), Promise.all(tries)]);
        if (winner !== undefined) break;
      }
      if (winner === undefined) await Promise.race([Promise.all(tries), firstOf(tries)]);
      if (signal.aborted) throw closedError('the client');
      if (winner !== undefined) {
        this.#current = winner;
        return winner;
      }
      await sleep(this.#clock, avoidMsMin * (0.5 + this.#clock.random()), signal);
    }
  }

  /** Those that have not failed lately first, each half shuffled. */
  #order(): readonly Endpoint[] {
    const nowMs = this.#clock.monotonicMs();
    const drawn = this.#endpoints.map((endpoint) => ({ endpoint, at: this.#clock.random() }));
    drawn.sort((a, b) => a.at - b.at);
    const avoided = (endpoint: Endpoint): number => Math.max(0, endpoint.avoidedUntilMs - nowMs);
    return drawn.map(({ endpoint }) => endpoint).sort((a, b) => avoided(a) - avoided(b));
  }
}

/** Resolves when one of them has a result; stays open when none has. */
function firstOf(tries: readonly Promise<Endpoint | undefined>[]): Promise<void> {
  return new Promise((resolve) => {
    for (const each of tries) void each.then((endpoint) => endpoint !== undefined && resolve());
  });
}

/** The choice, or the error of a caller whose patience is at its end; the choice goes on for the others. */
function patiently(clock: Clock, choosing: Promise<Endpoint>, { timeoutMs, signal }: Patience): Promise<Channel> {
  return new Promise((resolve, reject) => {
    const failed = (code: number, text: string): void => {
      over();
      reject(leaseError(new CallFailure(code, text, false), 'write'));
    };
    const cancelled = (): void => failed(grpcCodes.cancelled, 'cancelled by the caller');
    const timer = clock.after(timeoutMs, () => failed(grpcCodes.unavailable, 'no member could be reached in time'));
    let undo = (): void => {};
    const over = (): void => {
      timer.cancel();
      undo();
    };
    choosing.then(
      ({ channel }) => {
        over();
        resolve(channel);
      },
      (error: LeaseError) => {
        over();
        reject(error);
      },
    );
    if (signal !== undefined) undo = onAbort(signal, cancelled);
  });
}
