/**
 * One queue of a lock or an election: in, wait, first. A candidate waits for the next older key alone, so that a queue of n costs each
 * release one wake and not n; it owns the queue when one linearizable look shows its own key and none that is older. A wait that is given
 * up, for whatever reason, takes its key with it.
 */
import { sleep } from '../clock.ts';
import type { Core } from '../core.ts';
import { LeaseError } from '../errors.ts';
import { type WireRange, withoutNamespace } from '../values.ts';
import type { Lanes } from '../watch/lanes.ts';
import { Watch } from '../watch/watch.ts';
import { type Ends, lostError } from './ends.ts';
import type { Leavings } from './leavings.ts';
import { candidateKey, entered, enterTxn, type Look, looked, lookTxn, type Seen } from './queue-wire.ts';
import type { SessionUse } from './session.ts';

/** What locks and elections of a client share. */
export interface QueueParts {
  readonly core: Core;
  /** Where watches are. */
  readonly lanes: Lanes;
  readonly leavings: Leavings;
}

/** The place of who owns a queue. Whoever gets one has to leave it. */
export interface FirstPlace {
  /** Full key. */
  readonly key: Uint8Array;
  readonly token: bigint;
  readonly modRevision: bigint;
  /** At which the key was seen first. */
  readonly revision: bigint;
  /** See `Leaving`. */
  readonly unsettled: boolean;
  readonly use: SessionUse;
}

const pauseMsMin = 50;
const pauseMsMax = 2_000;

/** Who enters: under which session, with what value. */
export interface Candidacy {
  readonly use: SessionUse;
  readonly value: Uint8Array;
}

/**
 * Enters and waits for the turn. Takes over the candidate's use of its session: it goes on with the place, or is given back. Rejects with
 * the reason of `ends`, or `lease_lost`, or what entering came to.
 */
export async function firstPlace(
  parts: QueueParts,
  queue: WireRange,
  candidacy: Candidacy,
  ends: Ends,
): Promise<FirstPlace> {
  const place = await enter(parts, queue, candidacy, ends, false);
  if (place === undefined) throw new LeaseError('internal', 'the queue was not entered');
  return place;
}

/** As `firstPlace`, but enters only an empty queue, and else resolves to undefined. */
export function placeIfEmpty(
  parts: QueueParts,
  queue: WireRange,
  candidacy: Candidacy,
  ends: Ends,
): Promise<FirstPlace | undefined> {
  return enter(parts, queue, candidacy, ends, true);
}

async function enter(
  parts: QueueParts,
  queue: WireRange,
  { use, value }: Candidacy,
  ends: Ends,
  onlyEmpty: boolean,
): Promise<FirstPlace | undefined> {
  const { session } = use;
  const key = candidateKey(queue, session.id, session.nextSerial());
  const entry = new Entry(parts, { queue, key });
  try {
    ends.on(session.signal, () => lostError(session.signal));
    ends.check();
    const seen = await entry.enter(session.id, value, onlyEmpty, ends.signal);
    if (seen === undefined) {
      // An earlier attempt that still arrives may find the queue empty.
      if (entry.unsettled) parts.leavings.leaveSoon({ key, token: undefined, unsettled: true, use });
      else await use.giveBack();
      return undefined;
    }
    const { token } = seen;
    const own = seen.first ? seen : await entry.wait(token, ends.signal);
    if (!session.held()) throw lostError(session.signal);
    ends.check();
    return { key, token, modRevision: own.modRevision, revision: own.revision, unsettled: entry.unsettled, use };
  } catch (error) {
    if (entry.asked) parts.leavings.leaveSoon({ key, token: undefined, unsettled: entry.unsettled, use });
    // Nobody waits for that: who gives up is told at once, though no member answers.
    else void use.giveBack();
    if (!(error instanceof LeaseError) || error.code !== 'lease_not_found') throw ends.reasonOf(error);
    use.discard();
    throw ends.reasonOf(new LeaseError('lease_lost', 'the cluster does not know the lease', { cause: error }));
  }
}

class Entry {
  readonly #parts: QueueParts;
  readonly #at: { readonly queue: WireRange; readonly key: Uint8Array };
  #attempts = 0;
  #answered = false;

  constructor(parts: QueueParts, at: { readonly queue: WireRange; readonly key: Uint8Array }) {
    this.#parts = parts;
    this.#at = at;
  }

  /** The key may be there. */
  get asked(): boolean {
    return this.#attempts > 0;
  }

  /** All attempts but an answered one may still be on their way. */
  get unsettled(): boolean {
    return this.#attempts > (this.#answered ? 1 : 0);
  }

  async enter(lease: bigint, value: Uint8Array, onlyEmpty: boolean, signal: AbortSignal): Promise<Seen | undefined> {
    const plan = { kind: 'repeatable', onAttempt: () => this.#attempts++ } as const;
    const request = enterTxn(this.#at, lease, value, onlyEmpty);
    const answer = await this.#parts.core.calls.call('txn', request, plan, { signal });
    this.#answered = true;
    return entered(answer);
  }

  /** The state in which the candidate is first. */
  async wait(token: bigint, signal: AbortSignal): Promise<Pick<Seen, 'modRevision' | 'revision'>> {
    const { clock } = this.#parts.core;
    for (let failures = 0; ; ) {
      try {
        const { own, older, revision } = await this.#look(token, signal);
        if (own === undefined)
          throw new LeaseError('lease_lost', 'the key of the wait was deleted, as if its lease had ended');
        if (older === undefined) return { modRevision: own.modRevision, revision };
        await this.#changed([this.#at.key, older.key], revision, signal);
        if (signal.aborted) throw signal.reason;
        failures = 0;
      } catch (error) {
        if (signal.aborted || !(error instanceof LeaseError) || !error.retryable) throw error;
        const pauseMs = Math.min(pauseMsMax, pauseMsMin * 2 ** failures++) * (0.5 + clock.random());
        await sleep(clock, pauseMs, signal);
        if (signal.aborted) throw error;
      }
    }
  }

  async #look(token: bigint, signal: AbortSignal): Promise<Look> {
    const request = lookTxn(this.#at, token);
    return looked(await this.#parts.core.calls.call('txn', request, { kind: 'read' }, { signal }), token);
  }

  /** Resolves when one of the keys is deleted after that revision, or may have been; rejects when it can no longer be told. */
  async #changed(keys: readonly Uint8Array[], revision: bigint, signal: AbortSignal): Promise<void> {
    const { core, lanes } = this.#parts;
    const options = { from: revision + 1n, only: 'delete', signal } as const;
    const watches = keys.map((key) => new Watch(lanes, withoutNamespace(key, core.namespace), options));
    try {
      await Promise.race(watches.map((watch) => changed(watch)));
    } finally {
      for (const watch of watches) watch.close();
    }
  }
}

/** Resolves with the first event that is one, or with the end of the watch. */
async function changed(watch: Watch): Promise<void> {
  for await (const { type } of watch) if (type !== 'progress') return;
}
