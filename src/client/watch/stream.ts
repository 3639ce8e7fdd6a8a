/**
 * One watch stream of the wire, with many watches on it: which answer belongs to which. Servers answer creations in the
 * order in which they were asked, and with ids that hold for this stream only. Knows nothing of revisions, and does not
 * open itself again.
 */
import { CallFailure, grpcCodes, LeaseError, leaseError } from '../errors.ts';
import type { StreamCall, StreamSink } from '../transport/channel.ts';
import { decode, encode, headerOf, type Sparse } from '../wire/codec.ts';
import type { WatchCreateRequest, WatchRequest, WatchResponse } from '../wire/messages.ts';

/** A watch, as its stream sees it. None of these may throw. */
export interface Subscriber {
  /** What is to be asked for now. */
  request(): Sparse<WatchCreateRequest>;
  /** It stands; `revision` is the newest that the member had. */
  created(revision: bigint): void;
  /** Events, or a note of progress. */
  answered(answer: WatchResponse): void;
  /** What it is to begin with is gone. It is no longer on the stream. */
  compacted(): void;
  /** The server does not want it, or no longer; `atOnce`: it never stood. It is no longer on the stream. */
  cancelled(error: LeaseError, atOnce: boolean): void;
}

export class WatchStream implements StreamSink {
  readonly #ended: (failure: CallFailure | undefined) => void;
  #call: StreamCall | undefined;
  #over = false;
  #answered = false;
  /** Asked for and not answered, in order; undefined for those that were left meanwhile. */
  #creating: (Subscriber | undefined)[] = [];
  readonly #byId = new Map<bigint, Subscriber>();
  readonly #idOf = new Map<Subscriber, bigint>();
  #outbox: Uint8Array[] = [];
  #flushing = false;

  /** `ended` is told once, unless `close` came first. */
  constructor(ended: (failure: CallFailure | undefined) => void) {
    this.#ended = ended;
  }

  /** The stream is open. */
  attach(call: StreamCall): void {
    this.#call = call;
    if (this.#over) call.cancel();
    else this.#flush();
  }

  create(subscriber: Subscriber): void {
    this.#creating.push(subscriber);
    this.#send({ createRequest: subscriber.request() });
  }

  /** It is told nothing more. */
  leave(subscriber: Subscriber): void {
    const id = this.#idOf.get(subscriber);
    if (id !== undefined) {
      this.#forget(id);
      this.#send({ cancelRequest: { watchId: id } });
    } else {
      const i = this.#creating.indexOf(subscriber);
      if (i >= 0) this.#creating[i] = undefined;
    }
  }

  /** It has answered something, so that the member was well at first. */
  get answered(): boolean {
    return this.#answered;
  }

  close(): void {
    this.#over = true;
    this.#outbox = [];
    this.#call?.cancel();
  }

  message(bytes: Uint8Array): void {
    if (this.#over) return;
    try {
      this.#take(decode('WatchResponse', bytes));
    } catch (error) {
      this.#call?.cancel();
      this.end(error instanceof CallFailure ? error : new CallFailure(grpcCodes.internal, String(error), true));
    }
  }

  end(failure: CallFailure | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#outbox = [];
    this.#ended(failure);
  }

  #take(answer: WatchResponse): void {
    this.#answered = true;
    const { watchId } = answer;
    if (answer.created) this.#created(answer);
    else if (answer.canceled) {
      const subscriber = this.#byId.get(watchId);
      if (subscriber === undefined) return;
      this.#forget(watchId);
      // Its id stays taken on some servers until this is said.
      if (answer.compactRevision > 0n) this.#send({ cancelRequest: { watchId } });
      tell(subscriber, answer, false);
    } else this.#byId.get(watchId)?.answered(answer);
  }

  #created(answer: WatchResponse): void {
    const { watchId } = answer;
    const subscriber = this.#creating.shift();
    if (answer.canceled) {
      if (subscriber !== undefined) tell(subscriber, answer, true);
    } else if (subscriber === undefined) this.#send({ cancelRequest: { watchId } });
    else {
      this.#byId.set(watchId, subscriber);
      this.#idOf.set(subscriber, watchId);
      subscriber.created(headerOf(answer).revision);
    }
  }

  #forget(id: bigint): void {
    const subscriber = this.#byId.get(id);
    this.#byId.delete(id);
    if (subscriber !== undefined) this.#idOf.delete(subscriber);
  }

  #send(request: Sparse<WatchRequest>): void {
    if (this.#over) return;
    this.#outbox.push(encode('WatchRequest', request));
    this.#flush();
  }

  /** Writes as long as the stream takes more; goes on when it has drained. */
  #flush(): void {
    const call = this.#call;
    if (call === undefined || this.#flushing) return;
    for (let i = 0; i < this.#outbox.length; i++) {
      if (call.write(this.#outbox[i] as Uint8Array)) continue;
      this.#outbox = this.#outbox.slice(i + 1);
      this.#flushing = true;
      void call.whenWritable().then(() => {
        this.#flushing = false;
        this.#flush();
      });
      return;
    }
    this.#outbox = [];
  }
}

function tell(subscriber: Subscriber, answer: WatchResponse, atOnce: boolean): void {
  const reason = answer.cancelReason === '' ? 'the server cancelled the watch' : answer.cancelReason;
  const error = leaseError(new CallFailure(grpcCodes.unknown, reason, true), 'read');
  const refused = atOnce && error.code === 'unknown';
  if (answer.compactRevision > 0n || error.code === 'compacted') subscriber.compacted();
  else subscriber.cancelled(refused ? new LeaseError('invalid_argument', reason) : error, atOnce);
}
