/**
 * The one stream on which a client asks for renewals: kept open while it is wanted, on another member after it broke or fell silent, in the
 * batch dialect where the member has it. An id has at most one unanswered renewal on it, so that an answer belongs to exactly one
 * sending. Decides nothing about leases.
 */
import { onAbort } from '../abort.ts';
import { type Clock, instantOf, sleep } from '../clock.ts';
import type { Core } from '../core.ts';
import { LeaseError, leaseError } from '../errors.ts';
import type { Channel } from '../transport/channel.ts';
import type { OpenStream } from '../transport/streams.ts';
import { batchDialect, etcdDialect, type RenewalDialect } from '../wire/keep-alive.ts';
import type { Burst } from './kept.ts';
import { retryMs, silenceMs } from './timing.ts';

/** Who uses the stream. None of these may throw. */
export interface StreamUser {
  /** There is a stream; nothing is unanswered on it. */
  opened(): void;
  /** What could not be written for a while may be now. */
  writable(): void;
  answered(id: bigint, ttlMs: number, burst: Burst): void;
  /** The stream is gone, and these will not be answered. Another follows. */
  broken(unanswered: Iterable<bigint>, error: LeaseError): void;
  /** Of all leases. */
  shortestTtlMs(): number;
}

interface Open extends OpenStream {
  readonly dialect: RenewalDialect;
  /** Ends it, once. */
  readonly end: (error: LeaseError) => void;
  /** Ends it for one on a better member. */
  readonly move: () => void;
}

/** How a stream came to its end. */
interface Over {
  readonly error: LeaseError;
  /** The same member may be asked in the other dialect. */
  readonly otherDialect: boolean;
  /** It owed nothing, and was left for one on a better member. */
  readonly moved: boolean;
}

export class RenewalStream {
  readonly #core: Core;
  readonly #clock: Clock;
  readonly #user: StreamUser;
  /** Members that do not have the batch dialect, until their connection is seen to break. */
  readonly #withoutBatch = new WeakSet<Channel>();
  #asked = new Map<bigint, Burst>();
  /** The number of the last sending. */
  #bursts = 0;
  #stop: AbortController | undefined;
  #open: Open | undefined;
  #failures = 0;
  #full = false;
  /** Since when nothing was heard though something is unanswered; monotonic ms. */
  #quietSinceMs = 0;

  constructor(core: Core, user: StreamUser) {
    this.#core = core;
    this.#clock = core.clock;
    this.#user = user;
  }

  /** Sendings so far. */
  get bursts(): number {
    return this.#bursts;
  }

  get started(): boolean {
    return this.#stop !== undefined;
  }

  /**
   * Renewals that can be sent at once; 0 while there is no stream, or it is full, or it owes too many answers, or another member is
   * preferred: then the stream moves there as soon as it owes none.
   */
  room(): number {
    const open = this.#open;
    if (open === undefined || this.#full) return 0;
    if (this.#core.streams.hasBetter(open.channel)) {
      if (this.#asked.size === 0) open.move();
      return 0;
    }
    const { burstMax, unansweredMax } = open.dialect;
    return Math.max(0, Math.min(burstMax, unansweredMax - this.#asked.size));
  }

  /** The unanswered renewal of an id. */
  asked(id: bigint): Burst | undefined {
    return this.#asked.get(id);
  }

  start(): void {
    if (this.#stop !== undefined) return;
    this.#stop = new AbortController();
    void this.#run(this.#stop.signal);
  }

  /** Ends it without a word to the user; `start` begins anew. */
  stop(): void {
    this.#stop?.abort();
    this.#stop = undefined;
    this.#asked = new Map();
    this.#open = undefined;
  }

  /** Sends one burst, of at most `room` ids none of which is unanswered. */
  ask(ids: readonly bigint[]): void {
    const open = this.#open;
    if (open === undefined) return;
    const sent = instantOf(this.#clock);
    const burst: Burst = { number: ++this.#bursts, sent };
    if (this.#asked.size === 0) this.#quietSinceMs = sent.monotonicMs;
    for (const id of ids) this.#asked.set(id, burst);
    let full = false;
    for (const message of open.dialect.encode(ids)) full = !open.call.write(message);
    if (!full) return;
    this.#full = true;
    void open.call.whenWritable().then(() => {
      if (this.#open !== open) return;
      this.#full = false;
      this.#user.writable();
    });
  }

  /** When the stream is given up if nothing is heard until then; undefined if nothing is unanswered. */
  silentAtMs(): number | undefined {
    if (this.#open === undefined || this.#asked.size === 0) return undefined;
    return this.#quietSinceMs + silenceMs(this.#user.shortestTtlMs());
  }

  /** This process stood still for so long; that is no silence of the other side. */
  excuse(stalledMs: number): void {
    this.#quietSinceMs += stalledMs;
  }

  /** Gives the stream up, for another. */
  fail(text: string): void {
    this.#open?.end(new LeaseError('unavailable', text, { retryable: true }));
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { error, otherDialect, moved } = await this.#live(signal);
      if (signal.aborted) return;
      if (moved) continue;
      const unanswered = this.#asked.keys();
      this.#asked = new Map();
      this.#user.broken(unanswered, error);
      if (otherDialect) continue;
      const pauseMs = retryMs(this.#failures++, this.#user.shortestTtlMs(), this.#clock.random());
      await sleep(this.#clock, pauseMs, signal);
    }
  }

  /** Opens a stream and resolves when it is over, with why. */
  async #live(signal: AbortSignal): Promise<Over> {
    let moved = false;
    let over: LeaseError | undefined;
    let resolve: (error: LeaseError) => void = () => undefined;
    const ended = new Promise<LeaseError>((settle) => {
      resolve = settle;
    });
    const end = (error: LeaseError): void => {
      over ??= error;
      if (this.#open?.end === end) this.#open = undefined;
      resolve(over);
    };
    let dialect: RenewalDialect = etcdDialect;
    const pathOn = (chosen: Channel): string => {
      dialect = this.#withoutBatch.has(chosen) ? etcdDialect : batchDialect;
      return dialect.path;
    };
    const sink = {
      message: (bytes: Uint8Array): void => {
        if (over === undefined && !signal.aborted) this.#message(bytes, dialect, end);
      },
      end: (failure: Parameters<typeof leaseError>[0] | undefined): void =>
        end(failure === undefined ? endedByMember() : leaseError(failure, 'write')),
    };
    let stream: OpenStream;
    try {
      stream = await this.#core.streams.openPath(pathOn, sink, { timeoutMs: openMs, signal });
    } catch (error) {
      return { error: error as LeaseError, otherDialect: false, moved };
    }
    const undo = onAbort(signal, () => end(endedByMember()));
    if (over === undefined) {
      const move = (): void => {
        moved = true;
        end(endedByMember());
      };
      this.#open = { ...stream, dialect, end, move };
      this.#full = false;
      this.#user.opened();
    }
    const error = await ended;
    undo();
    stream.call.cancel();
    if (signal.aborted || moved) return { error, otherDialect: false, moved };
    const otherDialect = error.code === 'unimplemented' && dialect === batchDialect;
    if (otherDialect) this.#withoutBatch.add(stream.channel);
    else {
      this.#withoutBatch.delete(stream.channel);
      this.#core.streams.failed(stream.channel, error);
    }
    return { error, otherDialect, moved };
  }

  #message(bytes: Uint8Array, dialect: RenewalDialect, end: (error: LeaseError) => void): void {
    try {
      dialect.decode(bytes, (id, ttlMs) => {
        const burst = this.#asked.get(id);
        if (burst === undefined) return;
        this.#asked.delete(id);
        this.#user.answered(id, ttlMs, burst);
      });
      if (this.#failures > 0 && this.#open !== undefined) this.#core.streams.worked(this.#open.channel);
      this.#failures = 0;
      this.#quietSinceMs = this.#clock.monotonicMs();
      if (this.#asked.size <= dialect.unansweredMax / 2) this.#user.writable();
    } catch (error) {
      end(leaseError(error as Parameters<typeof leaseError>[0], 'write'));
    }
  }
}

/** How long a member is looked for before the pauses between attempts begin to grow. */
const openMs = 3_000;

function endedByMember(): LeaseError {
  return new LeaseError('unavailable', 'the member ended the stream of renewals', { retryable: true });
}
