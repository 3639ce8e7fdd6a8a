/**
 * The keep-alive stream (etcd: LeaseKeepAlive). Every request is asked at once, so that a lease that must wait (a forward, a
 * clear, an expiry under way) holds up no other (etcd's O10); answers of one lease leave in the order they were asked. A dead
 * lease is TTL 0 on the open stream. The header is taken before the renewal (§2.5.5). L2, L3.
 */
import { keepAlivesPerStreamMax } from '../base/limits.ts';
import type { RenewalAnswer } from '../node/input.ts';
import type { Sparse } from './codec.ts';
import { unavailableError } from './errors.ts';
import type { Headers } from './header.ts';
import { bigintOf, type Int } from './int64.ts';
import { type LeaseObserver, wholeSeconds } from './lease-wire.ts';
import type { Member } from './member.ts';
import { type HeaderMessage, wire } from './messages.ts';
import type { CallContext, Incoming, Method, Outgoing } from './transport.ts';

/** One request: answered when the member has answered it and all earlier ones of the same lease have left. */
interface Asked {
  readonly id: Int;
  readonly key: bigint;
  readonly header: Sparse<HeaderMessage>;
  answer: RenewalAnswer | undefined;
}

/** `unansweredMax`: requests of one stream owed an answer, above which it is read no further. */
export function keepAliveMethod(
  member: Member,
  headers: Headers,
  observer: LeaseObserver,
  unansweredMax = keepAlivesPerStreamMax,
): Method {
  return {
    kind: 'bidi',
    call: (incoming, outgoing, ctx) =>
      new KeepAliveStream(member, headers, observer, unansweredMax, incoming, outgoing, ctx),
  };
}

class KeepAliveStream {
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
  #halfClosed = false;
  #over = false;
  #blocked = false;
  #paused = false;

  constructor(
    member: Member,
    headers: Headers,
    observer: LeaseObserver,
    unansweredMax: number,
    incoming: Incoming,
    outgoing: Outgoing,
    ctx: CallContext,
  ) {
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
    const id = wire.LeaseKeepAliveRequest.decode(bytes).ID;
    const asked: Asked = { id, key: bigintOf(id), header: this.#headers.now(), answer: undefined };
    const before = this.#waiting.get(asked.key);
    if (before === undefined) this.#waiting.set(asked.key, [asked]);
    else before.push(asked);
    this.#unanswered++;
    this.#adjustReading();
    this.#member.keepAlive(asked.key, this.#ctx).then((answer) => {
      asked.answer = answer;
      this.#send(asked.key);
    });
  }

  /** Sends what may leave for one lease. */
  #send(key: bigint): void {
    const queue = this.#waiting.get(key);
    while (!this.#over && queue !== undefined) {
      const [asked] = queue;
      if (asked === undefined) this.#waiting.delete(key);
      if (asked?.answer === undefined) break;
      if (asked.answer.type === 'unavailable') {
        this.#outgoing.fail(unavailableError(asked.answer.why));
        return;
      }
      queue.shift();
      this.#unanswered--;
      this.#write(asked, asked.answer);
    }
    this.#adjustReading();
    this.#endIfDone();
  }

  #write(asked: Asked, answer: Exclude<RenewalAnswer, { type: 'unavailable' }>): void {
    const ttlSeconds = answer.type === 'alive' ? wholeSeconds(answer.grantedMs) : 0;
    if (answer.type === 'alive') this.#observer.leaseRenewed();
    const more = this.#outgoing.write(
      wire.LeaseKeepAliveResponse.encode({ header: asked.header, ID: asked.id, TTL: ttlSeconds }),
    );
    if (more || this.#blocked) return;
    this.#blocked = true;
    this.#outgoing.whenWritable().then(() => {
      this.#blocked = false;
      this.#adjustReading();
    });
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
  }
}
