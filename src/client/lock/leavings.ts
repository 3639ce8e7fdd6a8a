/**
 * Takes away what candidates leave in a queue: the keys of waits that were given up, and of locks and terms that are over. It goes on in
 * the background until the key is gone or the session is, which takes it along. Where entering was asked and not answered, the key
 * may still come; so the place is looked after for a while.
 */
import { sleep } from '../clock.ts';
import type { Core } from '../core.ts';
import { LeaseError } from '../errors.ts';
import type { CallSettings } from '../transport/calls.ts';
import { leaveTxn } from './queue-wire.ts';
import type { SessionUse } from './session.ts';

/** A key that is to go. */
export interface Leaving {
  readonly key: Uint8Array;
  /** Its create revision; undefined: it is not known whether it came to be. */
  readonly token: bigint | undefined;
  /** An attempt to make it was not answered, and may still be on its way. */
  readonly unsettled: boolean;
  /** Given back when the key is gone, or is the session's to take along. */
  readonly use: SessionUse;
}

const pauseMsMin = 100;
const pauseMsMax = 5_000;
/** Pauses between looks at a place where a key may still come: 1 s, 2 s, and so on, 17 minutes together. */
const latecomerMs = 1_000;
const latecomerLooks = 10;

export class Leavings {
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  /**
   * Resolves when the key is gone; false if somebody else had taken it away. Rejects if the first try fails, and then goes on without
   * its caller.
   */
  async leave(leaving: Leaving, settings: CallSettings = {}): Promise<boolean> {
    try {
      const found = await this.#delete(leaving, settings);
      await this.#done(leaving, settings);
      return found;
    } catch (error) {
      void this.#insist(leaving, error);
      throw error;
    }
  }

  /** The same without anybody who waits for it. */
  leaveSoon(leaving: Leaving): void {
    void this.leave(leaving).catch(() => {});
  }

  async #delete({ key, token }: Leaving, settings: CallSettings): Promise<boolean> {
    let inDoubt = false;
    const onAttempt = (isRepeated: boolean): void => {
      inDoubt = isRepeated;
    };
    const plan = { kind: 'repeatable', onAttempt } as const;
    const answer = await this.#core.calls.call('txn', leaveTxn(key, token), plan, settings);
    // A later attempt finds nothing where an earlier one was applied and not answered.
    return inDoubt || (answer.responses[0]?.responseDeleteRange?.deleted ?? 0n) > 0n;
  }

  /** Tries again as long as the session lives. Refused for good, it is left to the session's end. */
  async #insist(leaving: Leaving, failure: unknown): Promise<void> {
    const { clock, closed } = this.#core;
    const { session } = leaving.use;
    for (let attempt = 0; isPassing(failure) && session.held() && !closed.aborted; attempt++) {
      const pauseMs = Math.min(pauseMsMax, pauseMsMin * 2 ** attempt) * (0.5 + clock.random());
      await sleep(clock, pauseMs, session.signal);
      try {
        await this.#delete(leaving, { signal: session.signal });
        break;
      } catch (error) {
        failure = error;
      }
    }
    await this.#done(leaving, {});
  }

  async #done(leaving: Leaving, settings: CallSettings): Promise<void> {
    if (leaving.unsettled) void this.#lookAfter(leaving);
    await leaving.use.giveBack(settings);
  }

  async #lookAfter(leaving: Leaving): Promise<void> {
    const { clock } = this.#core;
    const { session } = leaving.use;
    for (let look = 0; look < latecomerLooks; look++) {
      await sleep(clock, latecomerMs * 2 ** look, session.signal);
      if (!session.held()) return;
      // Whatever comes late has another create revision.
      await this.#delete({ ...leaving, token: undefined }, { signal: session.signal }).catch(() => {});
    }
  }
}

/** Whether it is worth trying again: a call that its caller's own timeout or signal cut short is, as is one whose end is not known. */
function isPassing(failure: unknown): boolean {
  if (!(failure instanceof LeaseError) || failure.code === 'closed') return false;
  return failure.retryable || failure.mayHaveApplied || failure.code === 'cancelled';
}
