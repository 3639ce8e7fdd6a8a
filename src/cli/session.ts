/**
 * A lease of the tool's own, kept alive while a command holds or waits for something under it. Its end is the end of what was
 * taken with it: closing revokes the lease, which deletes the keys of this life and no others.
 */
import { status } from '@grpc/grpc-js';
import { CallError, type Connection } from './connection.ts';
import { type Context, Exit, exitCodes } from './context.ts';
import { moveOnMs, pause, renewing } from './renewing.ts';
import type { CallName, Fields, ResponseOf } from './wire.ts';

export class Session {
  readonly id: bigint;
  readonly #context: Context;
  readonly #waiting: Connection;
  readonly #over = new AbortController();
  readonly #renewing: Promise<void>;
  #died = false;

  private constructor(context: Context, id: bigint, ttlSeconds: bigint) {
    this.#context = context;
    this.id = id;
    this.#waiting = context.ownConnection();
    const end = (): void => this.#over.abort();
    if (context.interrupted.aborted) end();
    else context.interrupted.addEventListener('abort', end);
    const validMs = Number(ttlSeconds) * 1000;
    this.#renewing = renewing(context.ownConnection(), id, this.#over.signal, () => {}, validMs)
      .catch((error: unknown) => {
        if (!(error instanceof CallError)) throw error;
      })
      .finally(() => {
        this.#died = !this.#over.signal.aborted;
        end();
      });
  }

  static async open(context: Context, ttlSeconds: bigint): Promise<Session> {
    const { ID, TTL } = await context.connection().unary('LeaseGrant', { TTL: ttlSeconds, ID: 0n }, 'write');
    return new Session(context, ID, TTL);
  }

  /** Fires when the lease is gone, or the user has had enough. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** The lease is gone, and with it all that was held. */
  get died(): boolean {
    return this.#died;
  }

  /**
   * A call that waits for its turn. Where a member is lost another is asked: the key of this lease is in the queue already, and keeps
   * its place.
   */
  async turn<N extends CallName>(name: N, fields: Fields): Promise<ResponseOf<N>> {
    while (!this.over.aborted) {
      try {
        return await this.#waiting.patient(name, { ...fields, lease: this.id }, this.over);
      } catch (error) {
        if (!(error instanceof CallError)) throw error;
        const lost = error.code === status.UNAVAILABLE || error.code === status.DEADLINE_EXCEEDED;
        if (!lost && !this.over.aborted) throw error;
        this.#waiting.moveOn();
        await pause(moveOnMs, this.over);
      }
    }
    throw new Exit(exitCodes.error, this.#died ? 'session expired' : 'context canceled');
  }

  /** Gives up all that is held. If nobody can be told, the lease ends by itself. */
  async close(): Promise<void> {
    const died = this.#died;
    this.#over.abort();
    await this.#renewing;
    if (died) return;
    try {
      await this.#context.ownConnection().unary('LeaseRevoke', { ID: this.id }, 'write');
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
    }
  }
}

/** Returns when the signal fires. */
export function fired(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
}
