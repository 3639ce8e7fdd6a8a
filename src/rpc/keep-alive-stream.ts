/**
 * A stream of keep-alives, whichever messages carry them (`keep-alive.ts`: etcd's, `keep-alive-batches.ts`: ours). All that comes before
 * the next turn of the node is asked together, and a lease that must wait (a forward, a clear, an expiry under way) holds up no other
 * (etcd's O10); answers of one lease leave in the order they were asked, those of one turn together. A dead lease is TTL 0 on the open
 * stream. The header is taken before the renewal (§2.5.5). L2, L3.
 */
import { keepAlivesPerStreamMax } from '../base/limits.ts';
import type { RenewalAnswer, Unavailable } from '../node/answer.ts';
import { type Asker, Asking, type Askings } from '../node/asking.ts';
import { unavailableError } from './errors.ts';
import type { FramedMessages } from './framed-messages.ts';
import type { HeaderField, Headers } from './header.ts';
import { int64From } from './hot/fields.ts';
import type { TakeId } from './hot/keep-alive-codec.ts';
import type { LeaseObserver } from './lease-wire.ts';
import type { Member } from './member.ts';
import type { CallContext, Incoming, Method, Outgoing } from './transport.ts';

/** One lease to renew, and what may be told of it. */
export class Renewal extends Asking {
  /** The id as int32 halves. */
  readonly hi: number;
  readonly lo: number;
  /** As it was when the lease was asked for. */
  readonly header: HeaderField;
  answered = false;
  /** As the answer says it; 0: there is no such lease. */
  ttl = 0;

  constructor(hi: number, lo: number, header: HeaderField, asker: Asker) {
    super('keepAlive', int64From(hi, lo), asker);
    this.hi = hi;
    this.lo = lo;
    this.header = header;
  }
}

/** The messages of a stream. */
export interface KeepAliveMessages {
  /** Calls `take` with the leases a request names. Throws `RpcError`, which ends the stream. */
  read(request: Uint8Array, take: TakeId): void;
  /** What an answer says of a lease that lives so long. */
  ttlOf(ttlMs: number): number;
  /** Responses for these, in this order; there is at least one. */
  responses(renewals: readonly Renewal[]): readonly FramedMessages[];
}

/** `unansweredMax`: leases of one stream owed an answer, above which it is read no further. */
export function keepAliveStream(
  messages: KeepAliveMessages,
  member: Member,
  headers: Headers,
  observer: LeaseObserver,
  unansweredMax = keepAlivesPerStreamMax,
): Method {
  return {
    kind: 'bidi',
    call: (incoming, outgoing, ctx) =>
      new KeepAliveStream(messages, member, headers, observer, unansweredMax, incoming, outgoing, ctx),
  };
}

class KeepAliveStream implements Asker {
  readonly #messages: KeepAliveMessages;
  readonly #member: Member;
  readonly #headers: Headers;
  readonly #observer: LeaseObserver;
  readonly #unansweredMax: number;
  readonly #incoming: Incoming;
  readonly #outgoing: Outgoing;
  readonly #ctx: CallContext;
  /** What is asked before the next turn. */
  #asking: Askings | undefined;
  /** As of the last request. */
  #header: HeaderField;
  /** Asked and not yet told of, oldest first. */
  #asked: Renewal[] = [];
  /** Of these, answered. */
  #answered = 0;
  #unavailable: Unavailable | undefined;
  #flushing = false;
  #halfClosed = false;
  #over = false;
  #blocked = false;
  #paused = false;

  constructor(
    messages: KeepAliveMessages,
    member: Member,
    headers: Headers,
    observer: LeaseObserver,
    unansweredMax: number,
    incoming: Incoming,
    outgoing: Outgoing,
    ctx: CallContext,
  ) {
    this.#messages = messages;
    this.#member = member;
    this.#headers = headers;
    this.#header = headers.field();
    this.#observer = observer;
    this.#unansweredMax = unansweredMax;
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#ctx = ctx;
    ctx.signal.addEventListener('abort', () => this.#close());
    incoming.listen({
      message: (bytes) => this.#receive(bytes),
      end: () => {
        this.#halfClosed = true;
        this.#endIfDone();
      },
    });
  }

  #receive(bytes: Uint8Array): void {
    if (this.#over) return;
    this.#header = this.#headers.field();
    this.#messages.read(bytes, this.#ask);
    this.#adjustReading();
  }

  readonly #ask = (hi: number, lo: number): void => {
    const renewal = new Renewal(hi, lo, this.#header, this);
    this.#asked.push(renewal);
    if (this.#asking === undefined || this.#asking.taken) this.#asking = this.#member.askings(this.#ctx);
    this.#asking.add(renewal);
  };

  /** Called inside a turn; what one turn answers leaves together, after it. */
  answered(renewal: Asking, answer: RenewalAnswer): void {
    if (this.#over || !(renewal instanceof Renewal)) return;
    if (answer.type === 'unavailable') this.#unavailable ??= answer.why;
    else {
      renewal.answered = true;
      if (answer.type === 'alive') renewal.ttl = this.#messages.ttlOf(answer.grantedMs);
      this.#answered++;
    }
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(this.#flush);
  }

  readonly #flush = (): void => {
    this.#flushing = false;
    if (this.#over) return;
    const renewals = this.#takeAnswered();
    let taken = true;
    if (renewals.length > 0) {
      let alive = 0;
      for (const { ttl } of renewals) if (ttl > 0) alive++;
      this.#observer.leaseRenewed(alive);
      for (const response of this.#messages.responses(renewals)) taken = response.send(this.#outgoing) && taken;
    }
    if (this.#unavailable !== undefined) {
      this.#outgoing.fail(unavailableError(this.#unavailable));
      return;
    }
    if (!taken && !this.#blocked) {
      this.#blocked = true;
      this.#outgoing.whenWritable().then(() => {
        this.#blocked = false;
        this.#adjustReading();
      });
    }
    this.#adjustReading();
    this.#endIfDone();
  };

  /** What may be told now: mostly all that was asked, up to a place. */
  #takeAnswered(): readonly Renewal[] {
    const asked = this.#asked;
    let front = 0;
    while (front < asked.length && (asked[front] as Renewal).answered) front++;
    this.#answered -= front;
    if (this.#answered === 0) {
      this.#asked = front === asked.length ? [] : asked.slice(front);
      return front === asked.length ? asked : asked.slice(0, front);
    }
    // Others pass the one that waits, but not its own later ones.
    const told = asked.slice(0, front);
    const waiting = new Set<bigint>();
    this.#asked = [];
    for (let at = front; at < asked.length; at++) {
      const renewal = asked[at] as Renewal;
      if (!renewal.answered) waiting.add(renewal.id);
      if (waiting.has(renewal.id)) this.#asked.push(renewal);
      else {
        told.push(renewal);
        this.#answered--;
      }
    }
    return told;
  }

  /** Reads on only while the caller takes its answers and not too many are owed. */
  #adjustReading(): void {
    if (this.#over) return;
    const pause = this.#blocked || this.#asked.length >= this.#unansweredMax;
    if (pause === this.#paused) return;
    this.#paused = pause;
    if (pause) this.#incoming.pause();
    else this.#incoming.resume();
  }

  /** EOF ends the stream with OK once everything asked before it is answered. */
  #endIfDone(): void {
    if (this.#over || !this.#halfClosed || this.#asked.length > 0) return;
    this.#outgoing.end();
  }

  #close(): void {
    this.#over = true;
    this.#asked = [];
  }
}
