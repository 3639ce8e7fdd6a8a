/** Opens streams on the chosen member, with what goes along on every call. Who uses one decides what its end means. */
import type { LeaseError } from '../errors.ts';
import type { CallName } from '../wire/schema.ts';
import { calls as table } from '../wire/schema.ts';
import type { Calls } from './calls.ts';
import type { Channel, StreamCall, StreamSink } from './channel.ts';
import type { Members, Patience } from './members.ts';

export interface OpenStream {
  readonly call: StreamCall;
  /** To be told to `Streams.failed` when the stream ends for a reason that another member may not have. */
  readonly channel: Channel;
}

export class Streams {
  readonly #members: Members;
  readonly #calls: Calls;

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
    const metadata = await this.#calls.metadata({ withoutLeader: false, timeoutMs });
    const channel = await this.#members.choose({ timeoutMs, signal });
    return { call: channel.stream(typeof path === 'string' ? path : path(channel), metadata, sink), channel };
  }

  /** A stream of this channel was answered. */
  worked(channel: Channel): void {
    this.#members.worked(channel);
  }

  /** A stream of this channel ended with that error. */
  failed(channel: Channel, error: LeaseError): void {
    if (error.code === 'invalid_auth_token') this.#calls.tokenRefused();
    else this.#members.failed(channel);
  }
}
