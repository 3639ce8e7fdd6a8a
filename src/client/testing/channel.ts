/**
 * A client's way to one member without a socket: connects when it is first needed, again after it lost the connection, and not at once
 * after it was refused. Calls behave as over gRPC. Owns when there is a connection.
 */
import { grpcPingAnswerMsMax, grpcPingMs } from '../../base/limits.ts';
import { onAbort } from '../abort.ts';
import type { Timer } from '../clock.ts';
import { CallFailure, grpcCodes } from '../errors.ts';
import type { Channel, Metadata, StreamCall, StreamSink, UnaryOptions } from '../transport/channel.ts';
import { ClientCall, type OpenCall } from './client-call.ts';
import { type Acceptor, type ConnectionEnd, dial } from './connection.ts';
import type { Host } from './host.ts';
import type { Network } from './network.ts';
import type { CallHead } from './server-call.ts';

/** A member that takes calls. */
export interface Callable extends Acceptor {
  /** Makes its end of a call on a connection whose near end is `end`; runs in its process. */
  opened(end: ConnectionEnd): OpenCall;
}

export interface ChannelSettings {
  readonly pingMs: number;
  /** Hears of every call, and of who waits for a connection. */
  asked(): void;
}

/** As `transport/grpc-channel.ts` has them. */
const backoffMsMin = 100;
const backoffMsMax = 1_000;
const pingAnswerMsMax = 4_000;
/** One attempt to connect. */
const dialMsMax = 20_000;

type State = 'idle' | 'connecting' | 'up' | 'resting' | 'closed';

export class MemoryChannel implements Channel {
  readonly endpoint: string;
  readonly #host: Host;
  readonly #member: Callable;
  readonly #network: Network;
  readonly #pingMs: number;
  readonly #asked: () => void;
  #state: State = 'idle';
  #end: ConnectionEnd | undefined;
  #refusals = 0;
  /** Attempts so far: the answer to an older one counts for nothing. */
  #attempts = 0;
  #timer: Timer | undefined;
  readonly #calls = new Set<ClientCall>();
  /** Who waits for a connection. */
  readonly #waiting = new Set<(failure: CallFailure | undefined) => void>();

  constructor(endpoint: string, host: Host, member: Callable, network: Network, settings: ChannelSettings) {
    this.endpoint = endpoint;
    this.#host = host;
    this.#member = member;
    this.#network = network;
    this.#pingMs = settings.pingMs;
    this.#asked = () => settings.asked();
  }

  ready(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    if (this.#state === 'up') return Promise.resolve();
    this.#asked();
    return new Promise((resolve, reject) => {
      let undo = (): void => {};
      const over = (failure: CallFailure | undefined): void => {
        timer.cancel();
        undo();
        this.#waiting.delete(over);
        if (failure === undefined) resolve();
        else reject(failure);
      };
      const timer = this.#host.after(timeoutMs, () => over(this.#noConnection(' in time')));
      this.#waiting.add(over);
      if (signal !== undefined) undo = onAbort(signal, () => over(cancelledFailure()));
      if (this.#state === 'closed') over(this.#noConnection(': closed'));
      else if (this.#state === 'resting') over(this.#noConnection(': connection refused'));
      else if (this.#state === 'idle' && this.#waiting.size > 0) this.#dial();
    });
  }

  async unary(path: string, request: Uint8Array, options: UnaryOptions): Promise<Uint8Array> {
    const { metadata, timeoutMs, signal } = options;
    if (this.#state === 'closed') throw closedFailure();
    if (signal?.aborted === true) throw cancelledFailure();
    return await new Promise((resolve, reject) => {
      let undo = (): void => {};
      let answer: Uint8Array | undefined;
      const sink: StreamSink = {
        message: (bytes) => {
          answer = bytes;
        },
        end: (failure) => {
          undo();
          if (failure !== undefined) reject(failure);
          else resolve(answer ?? new Uint8Array());
        },
      };
      const call = this.#begin({ path, metadata, timeoutMs: Math.max(0, timeoutMs) }, sink, (made) => {
        made.write(request);
        made.end();
      });
      if (signal !== undefined) undo = onAbort(signal, () => call.cancel());
    });
  }

  stream(path: string, metadata: Metadata, sink: StreamSink): StreamCall {
    return this.#begin({ path, metadata, timeoutMs: undefined }, sink);
  }

  close(): void {
    if (this.#state === 'closed') return;
    for (const call of [...this.#calls]) call.cancel();
    this.#state = 'closed';
    this.#timer?.cancel();
    this.#end?.close();
    for (const over of [...this.#waiting]) over(this.#noConnection(': closed'));
  }

  get closed(): boolean {
    return this.#state === 'closed';
  }

  /** Calls that are not over. */
  get calls(): number {
    return this.#calls.size;
  }

  /** The connection breaks at both ends, now. */
  disconnect(): void {
    const end = this.#end;
    const far = end?.other;
    end?.break();
    far?.break();
  }

  /** The process is gone: the member hears that the connection is, the calls hear nothing. */
  abandon(): void {
    this.#state = 'closed';
    this.#end?.close();
  }

  /** `first`: what it says at once, on the way together with its beginning. */
  #begin(head: CallHead, sink: StreamSink, first?: (call: ClientCall) => void): ClientCall {
    const call = new ClientCall(this.#host, head, sink, (each) => this.#calls.delete(each));
    this.#calls.add(call);
    this.#asked();
    first?.(call);
    if (this.#end !== undefined && this.#state === 'up') call.connected(this.#end, this.#member.opened(this.#end));
    else if (this.#state === 'idle') this.#dial();
    else if (this.#state !== 'connecting') {
      const failure = this.#state === 'closed' ? closedFailure() : refusedFailure('connection refused');
      queueMicrotask(() => call.failed(failure));
    }
    return call;
  }

  #dial(): void {
    this.#state = 'connecting';
    const attempt = ++this.#attempts;
    const current = (): boolean => this.#attempts === attempt && this.#state === 'connecting';
    const pings = {
      client: { everyMs: this.#pingMs, answerMsMax: Math.min(this.#pingMs, pingAnswerMsMax) },
      server: { everyMs: grpcPingMs, answerMsMax: grpcPingAnswerMsMax },
    };
    this.#timer = this.#host.after(dialMsMax, () => {
      if (current()) this.#refused('timed out');
    });
    dial(this.#network, this.#host, this.#member, pings, {
      up: (end) => {
        if (current()) this.#connected(end);
        else queueMicrotask(() => end.close());
        return { dropped: () => this.#dropped(end) };
      },
      refused: () => {
        if (current()) this.#refused('connection refused');
      },
    });
  }

  #connected(end: ConnectionEnd): void {
    this.#timer?.cancel();
    this.#state = 'up';
    this.#end = end;
    this.#refusals = 0;
    // The end is told to begin when this returns.
    queueMicrotask(() => {
      if (!end.up) return;
      for (const call of [...this.#calls]) call.connected(end, this.#member.opened(end));
      for (const over of [...this.#waiting]) over(undefined);
    });
  }

  #refused(why: string): void {
    this.#timer?.cancel();
    this.#state = 'resting';
    this.#fail(refusedFailure(why));
    for (const over of [...this.#waiting]) over(this.#noConnection(`: ${why}`));
    const backoffMs = Math.min(backoffMsMax, backoffMsMin * 1.6 ** this.#refusals) * (0.8 + 0.4 * this.#host.random());
    this.#refusals = Math.min(this.#refusals + 1, 16);
    this.#timer = this.#host.after(backoffMs, () => {
      this.#state = 'idle';
    });
  }

  #dropped(end: ConnectionEnd): void {
    if (this.#end !== end || this.#state === 'closed') return;
    this.#end = undefined;
    this.#state = 'idle';
    this.#fail(new CallFailure(grpcCodes.unavailable, 'Connection dropped', true));
  }

  #fail(failure: CallFailure): void {
    for (const call of [...this.#calls]) call.failed(failure);
  }

  #noConnection(why: string): CallFailure {
    return new CallFailure(grpcCodes.unavailable, `no connection to ${this.endpoint}${why}`, false);
  }
}

function refusedFailure(why: string): CallFailure {
  return new CallFailure(grpcCodes.unavailable, `No connection established. Last error: ${why}`, false);
}

function closedFailure(): CallFailure {
  return new CallFailure(grpcCodes.unavailable, 'the channel is closed', false);
}

function cancelledFailure(): CallFailure {
  return new CallFailure(grpcCodes.cancelled, 'cancelled', false);
}
