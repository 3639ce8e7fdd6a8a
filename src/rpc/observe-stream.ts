/**
 * One Observe stream: pulls a cursor over an election's leaders (`watch/leaders.ts`) while the caller takes what was sent, so a
 * reader that stops costs one cursor and one bounded buffer (W12). F5: leaders in order.
 */
import { watchPullBytesMax, watchPullsPerTurnMax } from '../base/limits.ts';
import { Leaders } from '../watch/leaders.ts';
import { keyValueMessage } from './convert.ts';
import { type RpcError, rpcError, UnavailableError, unavailableError, unknownError } from './errors.ts';
import { Headers } from './header.ts';
import type { Member } from './member.ts';
import { queueWire } from './queue-messages.ts';
import type { CallContext, Outgoing } from './transport.ts';

export class ObserveStream {
  readonly #member: Member;
  readonly #headers: Headers;
  readonly #outgoing: Outgoing;
  readonly #leaders: Leaders;
  #blocked = false;
  #flushDue = false;
  #over = false;

  constructor(member: Member, prefix: Uint8Array, outgoing: Outgoing, ctx: CallContext) {
    this.#member = member;
    this.#headers = new Headers(member);
    this.#outgoing = outgoing;
    this.#leaders = new Leaders(member.hub, prefix, () => this.#flushSoon(queueMicrotask));
    ctx.signal.addEventListener('abort', () => this.#close());
    void this.#begin(ctx);
  }

  /** From the present as the whole cluster has it, not as this member does. */
  async #begin(ctx: CallContext): Promise<void> {
    try {
      await this.#member.barrier(ctx);
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      this.#fail(unavailableError(error.why));
    }
    this.#flush();
  }

  #flushSoon(later: (step: () => void) => void): void {
    if (this.#flushDue || this.#blocked || this.#over) return;
    this.#flushDue = true;
    later(() => {
      this.#flushDue = false;
      this.#flush();
    });
  }

  /** Pulls and sends until there is no more, the caller is slow, or others should have the event loop. */
  #flush(): void {
    for (let pulls = 0; pulls < watchPullsPerTurnMax && !this.#blocked && !this.#over; pulls++) {
      const pulled = this.#leaders.pull(this.#member.state, watchPullBytesMax);
      if (pulled === 'tooManyWatchers') {
        this.#fail(rpcError('tooManyWatchers'));
        return;
      }
      for (const { kv, revision } of pulled.seen) {
        const response = { header: this.#headers.at(revision), kv: keyValueMessage(kv) };
        this.#write(queueWire.LeaderResponse.encode(response));
      }
      if (!pulled.more) return;
    }
    this.#flushSoon(setImmediate);
  }

  #write(bytes: Uint8Array): void {
    if (this.#outgoing.write(bytes) || this.#blocked) return;
    this.#blocked = true;
    this.#outgoing.whenWritable().then(() => {
      this.#blocked = false;
      this.#flushSoon(setImmediate);
    });
  }

  #fail(error: RpcError): void {
    this.#close();
    this.#outgoing.fail(unknownError(error));
  }

  #close(): void {
    this.#over = true;
    this.#leaders.end();
  }
}
