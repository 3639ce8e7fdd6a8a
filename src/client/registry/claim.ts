/**
 * Writing a key that somebody else may have written: what is there is looked at first, and is written over only as it
 * was seen. So an attempt that arrives late changes nothing that came after it was sent, and one whose answer was lost
 * is known by what it left.
 */
import type { Core } from '../core.ts';
import { LeaseError } from '../errors.ts';
import type { Lease } from '../lease/lease.ts';
import type { CallSettings } from '../transport/calls.ts';
import { type KeyLike, wireKey } from '../values.ts';
import { headerOf } from '../wire/codec.ts';
import type { KeyValue } from '../wire/messages.ts';

export interface Claim {
  readonly key: KeyLike;
  readonly value: Uint8Array;
  /** Nothing is sent once it is lost. */
  readonly lease: Lease;
  /** Whether to write over what is there; undefined: nothing is. */
  readonly mayTake: (there: KeyValue | undefined) => boolean;
}

export interface Claimed {
  readonly ours: boolean;
  /** If it is not ours, whether it is anybody's. */
  readonly there: boolean;
  /** So it was at this revision. */
  readonly revision: bigint;
}

/** Looks that were overtaken by somebody else's write, in a row. */
const triesMax = 5;
/** Compare.EQUAL and Compare.MOD on the wire. */
const compareEqual = 0;
const compareMod = 2;

/** Rejects with a `LeaseError`: `lease_lost` if the lease is, `lease_not_found` if the cluster has none such. */
export async function claim(
  { calls, namespace }: Core,
  { key, value, lease, mayTake }: Claim,
  settings: CallSettings,
): Promise<Claimed> {
  const wire = wireKey(key, namespace);
  const looked = await calls.call('range', { key: wire }, { kind: 'read' }, settings);
  let there = looked.kvs[0];
  let { revision } = headerOf(looked);
  const mustHold = (): void => {
    if (!lease.held()) throw lease.signal.reason;
  };
  for (let tries = 0; tries < triesMax; tries++) {
    if (!mayTake(there)) return { ours: false, there: there !== undefined, revision };
    const request = {
      compare: [{ key: wire, result: compareEqual, target: compareMod, modRevision: there?.modRevision ?? 0n }],
      success: [{ requestPut: { key: wire, value, lease: lease.id } }],
      failure: [{ requestRange: { key: wire } }],
    };
    const answer = await calls.call('txn', request, { kind: 'repeatable', onAttempt: mustHold }, settings);
    ({ revision } = headerOf(answer));
    if (answer.succeeded) return { ours: true, there: true, revision };
    there = answer.responses[0]?.responseRange?.kvs[0];
    // An earlier attempt of this txn, whose answer was lost.
    if (there?.lease === lease.id && sameBytes(there.value, value))
      return { ours: true, there: true, revision: there.modRevision };
  }
  throw new LeaseError('unavailable', 'others write the key all the time', { retryable: true });
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}
