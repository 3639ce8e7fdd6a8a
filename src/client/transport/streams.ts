/** Opens streams on the chosen member, with what goes along on every call. Who uses one decides what its end means. */
import { asksForToken, type LeaseError } from '../errors.ts';
import type { CallName } from '../wire/schema.ts';
import { calls as table } from '../wire/schema.ts';
import type { Calls } from './calls.ts';
import type { Channel, Metadata, StreamCall, StreamSink } from './channel.ts';
import type { Members } from './members.ts';
import type { Patience } from './patience.ts';

export interface OpenStream {
  readonly call: StreamCall;
  /** To be told to `Streams.failed` when the stream ends for a reason that another member may not have. */
  readonly channel: Channel;
}

export class Streams {
  readonly #members: Members;
  readonly #calls: Calls;
  /** What the newest stream of a channel was opened with. */
  readonly #sent = new WeakMap<Channel, Metadata>();

  constructor(members: Members, calls: Calls) {
    this.#members = members;
    this.#calls = calls;
  }

  /** Rejects with a `LeaseError` when no member can be reached in time. */
  async open(name: CallName, sink: StreamSink, patience: Patience): Promise<OpenStream> {
    return await this.openPath(table[name][0], sink, patience);
  }

  /** As `open`, for a full method name, which may depend on the member. */
  async openPath(
    path: string | ((channel: Channel) => string),
    sink: StreamSink,
    { timeoutMs, signal }: Patience,
  ): Promise<OpenStream> {
    const metadata = await this.#calls.metadata({ withoutLeader: false, timeoutMs, signal });
    const channel = await this.#members.choose({ timeoutMs, signal });
    this.#sent.set(channel, metadata);
    return { call: channel.stream(typeof path === 'string' ? path : path(channel), metadata, sink), channel };
  }

  /** Whether a stream of this channel had better be on another, the preferred one. */
  hasBetter(channel: Channel): boolean {
    return this.#members.hasBetter(channel);
  }

  /** A stream of this channel was answered. */
  worked(channel: Channel): void {
    this.#members.worked(channel);
  }

  /**
   * A stream of this channel ended with that error, or what was asked on it did. Where the token was not taken, the next stream
   * comes with another; else the next one goes to another member, if there is one.
   */
  failed(channel: Channel, error: LeaseError): void {
    if (asksForToken(error)) this.#calls.learn(channel, this.#sent.get(channel) ?? {}, error);
    else this.#members.failed(channel, error);
  }
}
