/**
 * Watches of few keys for locks and elections: many on one stream, which is there as long as anybody watches. They do not resume. Each
 * tells what it hears, and at most once that it is over; who needs more looks at the keys again and watches from there.
 */
import type { Core } from '../core.ts';
import { CallFailure, grpcCodes, LeaseError, leaseError } from '../errors.ts';
import type { OpenStream } from '../transport/streams.ts';
import type { Sparse } from '../wire/codec.ts';
import { decode, encode, headerOf } from '../wire/codec.ts';
import type { Event, WatchCreateRequest, WatchResponse } from '../wire/messages.ts';

/** Full keys; tells from `startRevision` on, which is never the past of whoever looked just before. */
export type KeyWatch = Pick<Sparse<WatchCreateRequest>, 'key' | 'rangeEnd' | 'filters'> & {
  readonly startRevision: bigint;
};

/** What to call; neither may throw. */
export interface KeyWatchSink {
  /** Never empty, in the order of revisions; `revision`: up to there all is told. */
  events(events: readonly Event[], revision: bigint): void;
  /** It is over, and may have missed something. */
  broken(error: LeaseError): void;
}

/** `filters` of a watch that hears of deletes alone. */
export const deletesOnly: readonly number[] = [0];

const openMs = 5_000;

/** One stream and the watches on it. */
interface Line {
  readonly sinks: Map<bigint, KeyWatchSink>;
  /** Watches that were asked for and not answered, in order: a refusal names no watch. */
  readonly asked: bigint[];
  /** What is to be written when the stream is open. */
  unsent: Uint8Array[];
  open: OpenStream | undefined;
  over: boolean;
  readonly giveUp: AbortController;
}

export class KeyWatches {
  readonly #core: Core;
  #line: Line | undefined;
  #lastId = 0n;

  constructor(core: Core) {
    this.#core = core;
  }

  /** Returns what ends the watch; it may be called more than once. */
  watch(watch: KeyWatch, sink: KeyWatchSink): () => void {
    const line = this.#line ?? this.#newLine();
    const watchId = ++this.#lastId;
    line.sinks.set(watchId, sink);
    line.asked.push(watchId);
    send(line, encode('WatchRequest', { createRequest: { ...watch, watchId } }));
    return () => {
      if (!line.sinks.delete(watchId) || line.over) return;
      if (line.sinks.size === 0) this.#end(line);
      else send(line, encode('WatchRequest', { cancelRequest: { watchId } }));
    };
  }

  #newLine(): Line {
    const giveUp = new AbortController();
    const line: Line = { sinks: new Map(), asked: [], unsent: [], open: undefined, over: false, giveUp };
    this.#line = line;
    void this.#open(line);
    return line;
  }

  async #open(line: Line): Promise<void> {
    const sink = {
      message: (bytes: Uint8Array): void => this.#hear(line, bytes),
      end: (failure: CallFailure | undefined): void =>
        this.#broken(line, failure ?? new CallFailure(grpcCodes.unavailable, 'the stream of watches ended', true)),
    };
    try {
      const patience = { timeoutMs: openMs, signal: line.giveUp.signal };
      const open = await this.#core.streams.open('watch', sink, patience);
      if (line.over) return open.call.cancel();
      line.open = open;
      for (const bytes of line.unsent.splice(0)) open.call.write(bytes);
    } catch (error) {
      this.#over(line, error instanceof LeaseError ? error : new LeaseError('unknown', String(error)));
    }
  }

  #hear(line: Line, bytes: Uint8Array): void {
    let answer: WatchResponse;
    try {
      answer = decode('WatchResponse', bytes);
    } catch (error) {
      this.#broken(
        line,
        error instanceof CallFailure ? error : new CallFailure(grpcCodes.internal, String(error), true),
      );
      return;
    }
    const watchId = answer.created ? (line.asked.shift() ?? answer.watchId) : answer.watchId;
    const sink = line.sinks.get(watchId);
    if (answer.canceled) {
      line.sinks.delete(watchId);
      sink?.broken(refusal(answer));
      if (line.sinks.size === 0 && !line.over) this.#end(line);
    } else if (answer.events.length > 0) {
      sink?.events(answer.events, headerOf(answer).revision);
    }
  }

  #broken(line: Line, failure: CallFailure): void {
    if (line.over) return;
    const told = leaseError(failure, 'read');
    const error = told.code === 'permission_denied' || told.code === 'auth_failed' ? told : passing(told);
    if (line.open !== undefined) this.#core.streams.failed(line.open.channel, error);
    line.open?.call.cancel();
    this.#over(line, error);
  }

  /** Nobody watches any more. */
  #end(line: Line): void {
    this.#over(line, new LeaseError('closed', 'the watch is closed'));
    line.giveUp.abort();
    line.open?.call.cancel();
  }

  #over(line: Line, error: LeaseError): void {
    line.over = true;
    if (this.#line === line) this.#line = undefined;
    const sinks = [...line.sinks.values()];
    line.sinks.clear();
    for (const sink of sinks) sink.broken(error);
  }
}

function send(line: Line, bytes: Uint8Array): void {
  if (line.open === undefined) line.unsent.push(bytes);
  else line.open.call.write(bytes);
}

/** Whatever else ends a stream says nothing about the keys. */
function passing(cause: LeaseError): LeaseError {
  return cause.retryable ? cause : new LeaseError('unavailable', cause.message, { retryable: true, cause });
}

/** Why the server ended or refused a watch. */
function refusal({ compactRevision, cancelReason }: WatchResponse): LeaseError {
  if (compactRevision > 0n) return new LeaseError('compacted', `compacted up to ${compactRevision}`);
  if (cancelReason === '') return new LeaseError('unavailable', 'the server ended the watch', { retryable: true });
  const code = cancelReason.includes('permission denied') ? grpcCodes.permissionDenied : grpcCodes.unavailable;
  return leaseError(new CallFailure(code, cancelReason, true), 'read');
}
