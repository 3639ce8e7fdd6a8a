/** One term of a leader. */
import { onAbort } from '../abort.ts';
import { LeaseError } from '../errors.ts';
import type { CallSettings } from '../transport/calls.ts';
import { bytesOf, type ValueLike } from '../values.ts';
import { headerOf } from '../wire/codec.ts';
import { Held } from './held.ts';
import type { FirstPlace, QueueParts } from './queue.ts';
import { heldCompares, kvOf, proclaimTxn } from './queue-wire.ts';

/** Writes by others between ours and the next try; an operator's, if any. */
const triesMax = 3;

export class Term extends Held {
  readonly #signal = new AbortController();
  #modRevision: bigint;
  /** Proclamations go one after another, so that the last one asked for is the last one seen. */
  #proclaimed: Promise<void> = Promise.resolve();

  /** Inner. `stop`: the campaign's end, which `signal` follows. */
  constructor(parts: QueueParts, place: FirstPlace, stop: AbortSignal) {
    super(parts, place);
    this.#modRevision = place.modRevision;
    const undo = onAbort(stop, () => this.#signal.abort(stop.reason));
    onAbort(this.lost(), () => {
      undo();
      this.#signal.abort(this.lost().reason);
    });
  }

  /** As of a lock, and aborts too when the campaign's own signal fires, though the term is held until its turn of the loop ends. */
  override get signal(): AbortSignal {
    this.lost();
    return this.#signal.signal;
  }

  /**
   * Another value for all to see. Rejects with `lease_lost` or `not_held` if the term is over, and changes nothing then. If it fails
   * otherwise, the value may or may not have changed.
   */
  proclaim(value: ValueLike, settings: CallSettings = {}): Promise<void> {
    const bytes = bytesOf(value);
    const done = this.#proclaimed.then(() => this.#proclaim(bytes, settings));
    this.#proclaimed = done.catch(() => {});
    return done;
  }

  /** Gives up the term; the next candidate leads. See `release`. */
  resign(settings?: CallSettings): Promise<void> {
    return this.release(settings);
  }

  /**
   * The value is written only over the one known last: an earlier attempt that arrives late changes nothing, and one whose answer was lost
   * is known by its value.
   */
  async #proclaim(value: Uint8Array, settings: CallSettings): Promise<void> {
    const { key, token, use } = this.place;
    const put = { key, value, lease: use.session.id };
    for (let tries = 0; tries < triesMax; tries++) {
      this.check();
      const request = proclaimTxn(heldCompares(key, token, put.lease), put, this.#modRevision);
      const answer = await this.parts.core.calls.call('txn', request, { kind: 'repeatable' }, settings);
      const found = kvOf(answer, 0);
      if (answer.succeeded) this.#modRevision = headerOf(answer).revision;
      else if (found?.createRevision === token) this.#modRevision = found.modRevision;
      else throw new LeaseError('not_held', 'the term is over');
      if (answer.succeeded || (found !== undefined && sameBytes(found.value, value))) return;
    }
    throw new LeaseError('unavailable', 'somebody else writes to the key of this term', { retryable: true });
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
