/** What a txn is made conditional on: compares of one key, or of every key of a range, with a constant. */
import {
  bytesOf,
  count64,
  type KeyLike,
  type KeyRange,
  type LeaseIdLike,
  leaseId,
  type ValueLike,
  wireRange,
} from '../values.ts';
import type { Sparse } from '../wire/codec.ts';
import type { Compare } from '../wire/messages.ts';
import type { Guard } from './guard.ts';

/** One thing about a key, to be compared with a constant. */
export interface Comparable<V> {
  eq(value: V): Guard;
  ne(value: V): Guard;
  gt(value: V): Guard;
  lt(value: V): Guard;
}

/**
 * What can be compared of a key. One that is not there has version, revisions and lease 0, and fails every compare of
 * its value. Of a range, every key must pass; a range without keys passes as one key that is not there.
 */
export interface Comparables {
  /** 0 if the key is not there. */
  readonly version: Comparable<bigint>;
  /** The revision at which the key came to be. */
  readonly createRevision: Comparable<bigint>;
  /** The revision of the last put. */
  readonly modRevision: Comparable<bigint>;
  /** The stored bytes, compared as such. */
  readonly value: Comparable<ValueLike>;
  /** Id of the lease that the key ends with; 0 if none. */
  readonly lease: Comparable<LeaseIdLike>;
  /** The key is there. */
  exists(): Guard;
  /** The key is not there. */
  missing(): Guard;
}

const equal = 0;
const greater = 1;
const less = 2;
const notEqual = 3;

/** Names the keys that compares are about; see `Txn.if`. */
export class Compares {
  readonly #namespace: Uint8Array;

  constructor(namespace: Uint8Array) {
    this.#namespace = namespace;
  }

  /** About one key. */
  key(key: KeyLike): Comparables {
    return this.range(key);
  }

  /** About every key of a range. */
  range(range: KeyRange): Comparables {
    const about = wireRange(range, this.#namespace);
    const comparable = <V>(target: number, operand: (value: V) => Sparse<Compare>): Comparable<V> => {
      const compare = (result: number, value: V): Guard => ({
        compare: [{ ...about, target, result, ...operand(value) }],
      });
      return {
        eq: (value) => compare(equal, value),
        ne: (value) => compare(notEqual, value),
        gt: (value) => compare(greater, value),
        lt: (value) => compare(less, value),
      };
    };
    const version = comparable<bigint>(0, (value) => ({ version: count64(value, 'version') }));
    return {
      version,
      createRevision: comparable<bigint>(1, (value) => ({ createRevision: count64(value, 'createRevision') })),
      modRevision: comparable<bigint>(2, (value) => ({ modRevision: count64(value, 'modRevision') })),
      value: comparable<ValueLike>(3, (value) => ({ value: bytesOf(value) })),
      lease: comparable<LeaseIdLike>(4, (value) => ({ lease: leaseId(value) })),
      exists: () => version.gt(0n),
      missing: () => version.eq(0n),
    };
  }
}
