/**
 * Which member is asked. One is chosen and kept until it fails; then another that has not failed lately, at random, so that the
 * clients of a member that died spread over the others. Several are tried side by side when the first is slow to connect.
 */
import { onAbort } from '../abort.ts';
import { type Clock, sleep } from '../clock.ts';
import { closedError, type LeaseError } from '../errors.ts';
import type { Channel, Connect } from './channel.ts';
import { type Patience, patiently } from './patience.ts';

/** Between the start of one attempt to connect and the next beside it. */
const nextAttemptMs = 250;
/** One attempt to connect; then the endpoint counts as failed, and is tried again in its turn. */
const connectMs = 3_000;
const avoidMsMin = 100;
const avoidMsMax = 5_000;
/** Endpoints in all, those a cluster named for itself included. */
const endpointsMax = 64;

interface Endpoint {
  readonly channel: Channel;
  /** Failures in a row. */
  failures: number;
  /** Others are preferred until then. */
  avoidedUntilMs: number;
  /** Why it could not be reached when it was last tried. */
  trouble: string | undefined;
}

export class Members {
  readonly #connect: Connect;
  readonly #clock: Clock;
  readonly #endpoints: Endpoint[] = [];
  readonly #closed = new AbortController();
  readonly #listeners: (() => void)[] = [];
  #current: Endpoint | undefined;
  /** The one that `prefer` named last, until it fails. */
  #preferred: Endpoint | undefined;
  /** The choice under way, shared by all who wait for it. */
  #choosing: Promise<Endpoint> | undefined;

  constructor(endpoints: readonly string[], connect: Connect, clock: Clock) {
    this.#connect = connect;
    this.#clock = clock;
    for (const endpoint of endpoints) this.add(endpoint);
  }

  /** One more to choose from; nothing, if it is known or there are too many. */
  add(endpoint: string): void {
    if (this.#endpoints.length >= endpointsMax || this.#closed.signal.aborted) return;
    if (this.#endpoints.some(({ channel }) => channel.endpoint === endpoint)) return;
    const channel = this.#connect(endpoint);
    this.#endpoints.push({ channel, failures: 0, avoidedUntilMs: Number.NEGATIVE_INFINITY, trouble: undefined });
  }

  /** The channel to use now. Rejects with a `LeaseError`: `unavailable` when none could be reached in time, `cancelled`, `closed`. */
  async choose(patience: Patience): Promise<Channel> {
    if (this.#closed.signal.aborted) throw closedError('the client');
    if (this.#current !== undefined) return this.#current.channel;
    this.#choosing ??= this.#race().finally(() => {
      this.#choosing = undefined;
    });
    const { channel } = await patiently(this.#clock, this.#choosing, patience, () => this.#trouble());
    return channel;
  }

  /**
   * A call on this channel failed in a way that another member may not. It is not chosen again for a while, if there is another.
   * Calls that fail together count once.
   */
  failed(channel: Channel, error?: LeaseError): void {
    const endpoint = this.#endpointOf(channel);
    if (endpoint === undefined) return;
    endpoint.trouble = error?.message;
    if (this.#preferred === endpoint) this.#preferred = undefined;
    if (endpoint.avoidedUntilMs <= this.#clock.monotonicMs()) this.#avoid(endpoint);
    if (this.#current !== endpoint) return;
    this.#current = undefined;
    this.#tell();
  }

  /** A call on this channel was answered. */
  worked(channel: Channel): void {
    const endpoint = this.#endpointOf(channel);
    if (endpoint !== undefined) endpoint.failures = 0;
  }

  /** New calls and streams go here from now on, unless it has failed lately. */
  prefer(channel: Channel): void {
    const endpoint = this.#endpointOf(channel);
    if (endpoint === undefined || endpoint.avoidedUntilMs > this.#clock.monotonicMs()) return;
    if (this.#closed.signal.aborted) return;
    this.#current = endpoint;
    this.#preferred = endpoint;
  }

  /** Whether what is long under way on this channel would go to a preferred member if it began now. */
  hasBetter(channel: Channel): boolean {
    const preferred = this.#preferred;
    return preferred !== undefined && preferred === this.#current && preferred.channel !== channel;
  }

  /** Hears each time a member was chosen anew, and each time the chosen one failed. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** All of them, for those who ask each one. */
  get channels(): readonly Channel[] {
    return this.#endpoints.map(({ channel }) => channel);
  }

  /** Fires when the client is closed. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  close(): void {
    this.#closed.abort();
    for (const { channel } of this.#endpoints) channel.close();
  }

  #endpointOf(channel: Channel): Endpoint | undefined {
    return this.#endpoints.find((each) => each.channel === channel);
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  #trouble(): string {
    const troubles = this.#endpoints.flatMap(({ trouble }) => (trouble === undefined ? [] : [trouble]));
    return ['no member could be reached in time', ...new Set(troubles)].join('; ');
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
      const over = new AbortController();
      const undo = onAbort(signal, () => over.abort());
      let winner: Endpoint | undefined;
      for (const endpoint of this.#order()) {
        if (signal.aborted) break;
        tries.push(
          this.#reached(endpoint, over.signal).then((reached) => {
            if (reached) winner ??= endpoint;
            return reached ? endpoint : undefined;
          }),
        );
        await Promise.race([sleep(this.#clock, nextAttemptMs, over.signal), firstOf(tries), Promise.all(tries)]);
        if (winner !== undefined) break;
      }
      if (winner === undefined) await Promise.race([firstOf(tries), Promise.all(tries)]);
      // Also ends the sleep, and the attempts that came second.
      over.abort();
      undo();
      if (signal.aborted) throw closedError('the client');
      if (winner !== undefined) {
        this.#current = winner;
        this.#tell();
        return winner;
      }
      await sleep(this.#clock, avoidMsMin * (0.5 + this.#clock.random()), signal);
    }
  }

  async #reached(endpoint: Endpoint, signal: AbortSignal): Promise<boolean> {
    try {
      await endpoint.channel.ready(connectMs, signal);
      endpoint.trouble = undefined;
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      endpoint.trouble = (error as Error).message;
      this.#avoid(endpoint);
      return false;
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
