/**
 * A stream of keep-alives, whichever messages carry them (`keep-alive.ts`: etcd's, `keep-alive-batches.ts`: ours). Every request is
 * asked at once, so that a lease that must wait (a forward, a clear, an expiry under way) holds up no other (etcd's O10); answers
 * of one lease leave in the order they were asked, those of one turn together. A dead lease is TTL 0 on the open stream. The
 * header is taken before the renewal (§2.5.5). L2, L3.
 */
import { keepAlivesPerStreamMax } from '../base/limits.ts';
import type { RenewalAnswer } from '../node/input.ts';
import type { Sparse } from './codec.ts';
import { unavailableError } from './errors.ts';
import type { Headers } from './header.ts';
import { bigintOf, type Int } from './int64.ts';
import type { LeaseObserver } from './lease-wire.ts';
import type { Member } from './member.ts';
import type { HeaderMessage } from './messages.ts';
import type { CallContext, Incoming, Method, Outgoing } from './transport.ts';

/** What may be told of one lease. */
export interface Renewal {
  readonly id: Int;
  /** As it was when the lease was asked for. */
  readonly header: Sparse<HeaderMessage>;
  /** 0: there is no such lease. */
  readonly ttlMs: number;
}

/** The messages of a stream. */
export interface KeepAliveMessages {
  /** The leases a request names. Throws `RpcError`, which ends the stream. */
  idsOf(request: Uint8Array): readonly Int[];
  /** Responses for these, in this order; there is at least one. */
  responses(renewals: readonly Renewal[]): readonly Uint8Array[];
}

/** One request: answered when the member has answered it and all earlier ones of the same lease have left. */
interface Asked {
  readonly id: Int;
  readonly header: Sparse<HeaderMessage>;
  answer: RenewalAnswer | undefined;
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

class KeepAliveStream {
  readonly #messages: KeepAliveMessages;
  readonly #member: Member;
  readonly #headers: Headers;
  readonly #observer: LeaseObserver;
  readonly #unansweredMax: number;
  readonly #incoming: Incoming;
  readonly #outgoing: Outgoing;
  readonly #ctx: CallContext;
  /** By lease, oldest first; only leases with something unanswered. */
  readonly #waiting = new Map<bigint, Asked[]>();
  #unanswered = 0;
  /** Answered in this turn, and not yet written. */
  #ready: Renewal[] = [];
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
    this.#observer = observer;
    this.#unansweredMax = unansweredMax;
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#ctx = ctx;
    ctx.signal.addEventListener('abort', () => this.#close());
    incoming.listen({
      message: (bytes) => this.#ask(bytes),
      end: () => {
        this.#halfClosed = true;
        this.#endIfDone();
      },
    });
  }

  #ask(bytes: Uint8Array): void {
    if (this.#over) return;
    const ids = this.#messages.idsOf(bytes);
    if (ids.length === 0) return;
    const header = this.#headers.now();
    this.#unanswered += ids.length;
    this.#adjustReading();
    for (const id of ids) {
      const key = bigintOf(id);
      const asked: Asked = { id, header, answer: undefined };
      const before = this.#waiting.get(key);
      if (before === undefined) this.#waiting.set(key, [asked]);
      else before.push(asked);
      this.#member.keepAlive(key, this.#ctx).then((answer) => {
        asked.answer = answer;
        this.#settle(key);
      });
    }
  }

  /** Takes what may leave for one lease; it leaves when all answers of this turn are here. */
  #settle(key: bigint): void {
    const queue = this.#waiting.get(key);
    while (!this.#over && queue !== undefined) {
      const [asked] = queue;
      if (asked === undefined) this.#waiting.delete(key);
      if (asked?.answer === undefined) return;
      if (asked.answer.type === 'unavailable') {
        this.#flush();
        this.#outgoing.fail(unavailableError(asked.answer.why));
        return;
      }
      queue.shift();
      const { answer, id, header } = asked;
      if (answer.type === 'alive') this.#observer.leaseRenewed();
      if (this.#ready.push({ id, header, ttlMs: answer.type === 'alive' ? answer.grantedMs : 0 }) > 1) continue;
      queueMicrotask(() => this.#flush());
    }
  }

  #flush(): void {
    if (this.#over || this.#ready.length === 0) return;
    const renewals = this.#ready;
    this.#ready = [];
    this.#unanswered -= renewals.length;
    let taken = true;
    for (const response of this.#messages.responses(renewals)) taken = this.#outgoing.write(response) && taken;
    if (!taken && !this.#blocked) {
      this.#blocked = true;
      this.#outgoing.whenWritable().then(() => {
        this.#blocked = false;
        this.#adjustReading();
      });
    }
    this.#adjustReading();
    this.#endIfDone();
  }

  /** Reads on only while the caller takes its answers and not too many are owed. */
  #adjustReading(): void {
    if (this.#over) return;
    const pause = this.#blocked || this.#unanswered >= this.#unansweredMax;
    if (pause === this.#paused) return;
    this.#paused = pause;
    if (pause) this.#incoming.pause();
    else this.#incoming.resume();
  }

  /** EOF ends the stream with OK once everything asked before it is answered. */
  #endIfDone(): void {
    if (this.#over || !this.#halfClosed || this.#unanswered > 0) return;
    this.#outgoing.end();
  }

  #close(): void {
    this.#over = true;
    this.#waiting.clear();
    this.#ready = [];
  }
}
