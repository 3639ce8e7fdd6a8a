/**
 * The streams that a client's watches are on: one for all of them, another where there are too many for one. A stream
 * that ends is opened again, on another member if need be, after a while that grows and that chance spreads; the
 * watches on it are asked for again, each from where it is. Watches that are refused for good are told; no stream is
 * open while there is no watch.
 */
import { onAbort } from '../abort.ts';
import type { Timer } from '../clock.ts';
import type { Core } from '../core.ts';
import { type CallFailure, closedError, LeaseError, leaseError } from '../errors.ts';
import type { Channel } from '../transport/channel.ts';
import { type Subscriber, WatchStream } from './stream.ts';

/** On one stream; members refuse more than 10,000. */
const watchesPerStreamMax = 5_000;
/** To reach a member; then it is tried anew, as long as the client is open. */
const openMs = 5_000;
const pauseMsMin = 50;
const pauseMsMax = 2_000;

/** How long to wait after that many failures in a row; chance spreads it over half to one and a half of that. */
export function pauseAfter({ clock }: Core, failures: number): number {
  return Math.min(pauseMsMax, pauseMsMin * 2 ** Math.min(failures, 16)) * (0.5 + clock.random());
}

/** Errors that another attempt, on whatever member, does not mend. */
export function isFinal({ code }: LeaseError): boolean {
  return ['permission_denied', 'auth_failed', 'unimplemented', 'invalid_argument', 'closed'].includes(code);
}

/** A watch of the client, on a stream or not. */
interface Member {
  clientClosed(error: LeaseError): void;
}

export class Lanes {
  readonly core: Core;
  readonly #open = new Set<Member>();
  readonly #lanes: Lane[] = [];
  readonly #laneOf = new Map<Subscriber, Lane>();

  constructor(core: Core) {
    this.core = core;
    onAbort(core.closed, () => this.#close());
  }

  /** It is told when the client is closed, until `remove`. */
  add(watch: Member): void {
    if (this.core.closed.aborted) watch.clientClosed(closedError('the client'));
    else this.#open.add(watch);
  }

  remove(watch: Member): void {
    this.#open.delete(watch);
  }

  /** Has the watch made on a stream, and made again wherever that ends, until `leave`. */
  join(subscriber: Subscriber): void {
    if (this.core.closed.aborted) return;
    let lane = this.#lanes.find(({ size }) => size < watchesPerStreamMax);
    if (lane === undefined) {
      lane = new Lane(this.core);
      this.#lanes.push(lane);
    }
    this.#laneOf.set(subscriber, lane);
    lane.join(subscriber);
  }

  leave(subscriber: Subscriber): void {
    this.#laneOf.get(subscriber)?.leave(subscriber);
    this.#laneOf.delete(subscriber);
  }

  /**
   * A member refused this watch, which may be for a token that ran out: asks for it again with a new one, on a new
   * stream.
   */
  renew(subscriber: Subscriber): void {
    this.#laneOf.get(subscriber)?.renew(subscriber);
  }

  #close(): void {
    for (const lane of this.#lanes) lane.close();
    this.#laneOf.clear();
    for (const watch of [...this.#open]) watch.clientClosed(closedError('the client'));
  }
}

/** One stream after another, and who is on it. */
class Lane {
  readonly #core: Core;
  readonly #members = new Set<Subscriber>();
  #stream: WatchStream | undefined;
  #channel: Channel | undefined;
  #failures = 0;
  #timer: Timer | undefined;

  constructor(core: Core) {
    this.#core = core;
  }

  get size(): number {
    return this.#members.size;
  }

  join(subscriber: Subscriber): void {
    this.#members.add(subscriber);
    if (this.#stream !== undefined) this.#stream.create(subscriber);
    else if (this.#timer === undefined) this.#open();
  }

  leave(subscriber: Subscriber): void {
    this.#members.delete(subscriber);
    this.#stream?.leave(subscriber);
    if (this.#members.size === 0) this.close();
  }

  renew(subscriber: Subscriber): void {
    const stale = new LeaseError('invalid_auth_token', 'a watch was refused', { retryable: true });
    if (this.#channel !== undefined) this.#core.streams.failed(this.#channel, stale);
    this.#members.add(subscriber);
    this.close();
    this.#open();
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#stream?.close();
    this.#stream = undefined;
  }

  #open(): void {
    const { streams, closed } = this.#core;
    let channel: Channel | undefined;
    let broke: LeaseError | undefined;
    const stream = new WatchStream((failure) => {
      broke = streamError(failure);
      if (channel !== undefined) streams.failed(channel, broke);
      this.#lost(stream, broke);
    });
    this.#stream = stream;
    this.#channel = undefined;
    for (const subscriber of this.#members) stream.create(subscriber);
    streams.open('watch', stream, { timeoutMs: openMs, signal: closed }).then(
      (opened) => {
        channel = opened.channel;
        if (this.#stream === stream) this.#channel = channel;
        if (broke !== undefined) streams.failed(channel, broke);
        stream.attach(opened.call);
      },
      (error: unknown) => this.#lost(stream, openError(error)),
    );
  }

  #lost(stream: WatchStream, error: LeaseError): void {
    if (this.#stream !== stream) return;
    this.#stream = undefined;
    stream.close();
    if (isFinal(error)) {
      for (const subscriber of [...this.#members]) subscriber.cancelled(error, false);
      return;
    }
    this.#failures = stream.answered ? 0 : this.#failures + 1;
    this.#timer = this.#core.clock.after(pauseAfter(this.#core, this.#failures), () => {
      this.#timer = undefined;
      if (this.#members.size > 0 && !this.#core.closed.aborted) this.#open();
    });
  }
}

function streamError(failure: CallFailure | undefined): LeaseError {
  if (failure !== undefined) return leaseError(failure, 'read');
  return new LeaseError('unavailable', 'the member ended the stream', { retryable: true });
}

function openError(error: unknown): LeaseError {
  return error instanceof LeaseError ? error : new LeaseError('internal', String(error), { cause: error });
}
