/** Elections: candidates queue as for a lock; who is first leads, and the value of its key is what it proclaims. */
import { sleep } from '../clock.ts';
import { LeaseError } from '../errors.ts';
import { type Stoppable, stoppable } from '../stoppable.ts';
import type { CallSettings } from '../transport/calls.ts';
import { bytesOf, type Duration, type KeyLike, type ValueLike, type WireRange } from '../values.ts';
import { Ends } from './ends.ts';
import { type Leader, leaders, oldest } from './leaders.ts';
import { firstPlace, type QueueParts } from './queue.ts';
import { queueRange } from './queue-wire.ts';
import type { Session, Sessions } from './session.ts';
import { Term } from './term.ts';

export interface ElectionOptions {
  /** What terms are held under. If not given, a session of the client's own, a new one after each loss. */
  readonly session?: Session | undefined;
  /** Of the client's own session; 15 s if not given. */
  readonly ttl?: Duration | undefined;
}

export interface CampaignOptions {
  /** Ends the campaign, and the loop without an error; a term's `signal` follows it. */
  readonly signal?: AbortSignal | undefined;
}

const pauseMsMin = 100;
const pauseMsMax = 5_000;

/** One election by its name. Made by `client.election()`; asks nothing by itself. */
export class Election {
  readonly #parts: QueueParts;
  readonly #sessions: Sessions;
  readonly #queue: WireRange;
  readonly #options: ElectionOptions;

  constructor(parts: QueueParts, sessions: Sessions, name: KeyLike, options: ElectionOptions) {
    this.#parts = parts;
    this.#sessions = sessions;
    this.#queue = queueRange(name, parts.core.namespace);
    this.#options = options;
  }

  /**
   * Waits to lead, once for each turn of the loop. A turn that ends resigns, however it ends; a lost term aborts its `signal`, and the
   * next turn begins when this candidate has queued up and won again. It ends without an error when `signal` fires, and with one when
   * the given session is lost, the client is closed, or the cluster refuses for good.
   * @example
   * for await (const term of client.election('scheduler').campaign('host-7', { signal: stop })) {
   *   await runScheduler({ signal: term.signal, fence: term.token });
   * }
   */
  campaign(value: ValueLike, { signal }: CampaignOptions = {}): Stoppable<Term> {
    const bytes = bytesOf(value);
    return stoppable(signal, (stop) => this.#terms(bytes, stop));
  }

  /**
   * Who leads, from now on: first the present leader, then each change of it or of its value; undefined while there is none. None is left
   * out unless the reader is far behind or the cluster compacted meanwhile. Ends without an error when `signal` fires.
   */
  observe({ signal }: CampaignOptions = {}): Stoppable<Leader | undefined> {
    return stoppable(signal, (stop) => leaders(this.#parts, this.#queue, stop));
  }

  /** Who leads now; undefined if nobody does. */
  leader(settings: CallSettings = {}): Promise<Leader | undefined> {
    return oldest(this.#parts.core, this.#queue, settings);
  }

  async *#terms(value: Uint8Array, stop: AbortSignal): AsyncGenerator<Term, void, undefined> {
    const { clock } = this.#parts.core;
    for (let failures = 0; !stop.aborted; ) {
      let term: Term;
      try {
        term = await this.#term(value, stop);
        failures = 0;
      } catch (error) {
        if (stop.aborted) return;
        if (!this.#mayPass(error)) throw error;
        const pauseMs = Math.min(pauseMsMax, pauseMsMin * 2 ** failures++) * (0.5 + clock.random());
        await sleep(clock, pauseMs, stop);
        continue;
      }
      try {
        yield term;
      } finally {
        await term[Symbol.asyncDispose]();
      }
    }
  }

  async #term(value: Uint8Array, stop: AbortSignal): Promise<Term> {
    const ends = new Ends(this.#parts.core, { signal: stop }, 'the campaign');
    try {
      const use = await this.#sessions.use(this.#options.session, this.#options.ttl, ends.signal);
      const place = await firstPlace(this.#parts, this.#queue, { use, value }, ends);
      return new Term(this.#parts, place, stop);
    } finally {
      ends.close();
    }
  }

  /** Whether to queue up once more. */
  #mayPass(error: unknown): boolean {
    if (!(error instanceof LeaseError)) return false;
    const { session } = this.#options;
    return error.retryable || (error.code === 'lease_lost' && (session === undefined || session.held()));
  }
}
