/**
 * The four things that can be asked about keys, each as a request, how its answer is read, and whether it changes
 * anything. A plain call and an operation of a txn are made of the same.
 */
import { LeaseError } from '../errors.ts';
import {
  bytesOf,
  type Codec,
  count64,
  type KeyLike,
  type KeyRange,
  type LeaseIdLike,
  leaseId,
  type ValueLike,
  wireKey,
  wireRange,
} from '../values.ts';
import { headerOf, type Sparse } from '../wire/codec.ts';
import type {
  DeleteRangeRequest,
  DeleteRangeResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
} from '../wire/messages.ts';
import { codecOf, type Deleted, KeyValue, type Listing, type Written } from './views.ts';

/** A request and the reading of its answer. */
export interface Operation<Request, Answer, Result> {
  readonly request: Request;
  read(answer: Answer): Result;
}

/** A lease by its id, or anything that has one. */
export type LeaseLike = LeaseIdLike | { readonly id: bigint };

/** How keys are read. */
export interface ReadOptions<T = Uint8Array> {
  /** How values are read; bytes if not given. */
  readonly codec?: Codec<T> | undefined;
  /** As of that revision; the newest if not given or 0. `compacted` or `future_revision` if it is not to be had. */
  readonly revision?: bigint | undefined;
  /** From what the member that is asked has, which may be old, without asking the leader. */
  readonly serializable?: boolean | undefined;
}

/** What listings are sorted by. */
export type SortTarget = 'key' | 'version' | 'createRevision' | 'modRevision' | 'value';

/** Which keys of a range are listed, and in which order. */
export interface ListOptions<T = Uint8Array> extends ReadOptions<T> {
  /** At most that many; 0 is all. */
  readonly limit?: number | bigint | undefined;
  /** By `key`, ascending, if not given; `order` is ascending if not given. */
  readonly sort?: { readonly by: SortTarget; readonly order?: 'ascending' | 'descending' } | undefined;
  /** Leave the values out. */
  readonly keysOnly?: boolean | undefined;
  /** Only keys last put at these revisions (inclusive). */
  readonly minModRevision?: bigint | undefined;
  readonly maxModRevision?: bigint | undefined;
  /** Only keys that came to be at these revisions (inclusive). */
  readonly minCreateRevision?: bigint | undefined;
  readonly maxCreateRevision?: bigint | undefined;
}

/** How a key is written. */
export interface PutOptions<T = Uint8Array> {
  /** How the value is written, and the previous one read. */
  readonly codec?: Codec<T> | undefined;
  /** The key ends with that lease; with none if not given. */
  readonly lease?: LeaseLike | undefined;
  /** Tell what was there before. */
  readonly prevKv?: boolean | undefined;
  /** Keep the value that is there, give an empty one; `key_not_found` if there is none. */
  readonly ignoreValue?: boolean | undefined;
  /** Keep the lease that is there; `key_not_found` if there is no key. */
  readonly ignoreLease?: boolean | undefined;
}

/** What is told of what was deleted. */
export interface DeleteOptions<T = Uint8Array> {
  /** How values that were there are read; bytes if not given. */
  readonly codec?: Codec<T> | undefined;
  /** Tell what was there before. */
  readonly prevKv?: boolean | undefined;
}

type Range<Result> = Operation<Sparse<RangeRequest>, RangeResponse, Result>;

const sortTargets: readonly SortTarget[] = ['key', 'version', 'createRevision', 'modRevision', 'value'];

/** Makes operations under a namespace. All throw `invalid_argument` for what cannot be asked. */
export class Operations {
  readonly #namespace: Uint8Array;

  constructor(namespace: Uint8Array) {
    this.#namespace = namespace;
  }

  get<T>(key: KeyLike, options: ReadOptions<T>): Range<KeyValue<T> | undefined> {
    const reading = this.#reading(options.codec);
    const request = { key: wireKey(key, this.#namespace), ...readFields(options) };
    return { request, read: ({ kvs: [kv] }) => (kv === undefined ? undefined : new KeyValue(kv, reading)) };
  }

  list<T>(range: KeyRange, options: ListOptions<T>): Range<Listing<T>> {
    const reading = this.#reading(options.codec);
    const { limit = 0n, sort, keysOnly = false } = options;
    const request = {
      ...wireRange(range, this.#namespace),
      ...readFields(options),
      ...boundsOf(options),
      limit: count64(Number.isSafeInteger(limit) ? BigInt(limit) : (limit as bigint), 'limit'),
      keysOnly,
      ...(sort === undefined ? {} : sortOf(sort)),
    };
    return {
      request,
      read: (answer) => ({
        items: answer.kvs.map((kv) => new KeyValue(kv, reading)),
        more: answer.more,
        count: Number(answer.count),
        revision: headerOf(answer).revision,
      }),
    };
  }

  count(range: KeyRange, options: ReadOptions): Range<number> {
    const request = { ...wireRange(range, this.#namespace), ...readFields(options), countOnly: true };
    return { request, read: ({ count }) => Number(count) };
  }

  put<T>(
    key: KeyLike,
    value: T | ValueLike,
    options: PutOptions<T>,
  ): Operation<Sparse<PutRequest>, PutResponse, Written<T>> {
    const reading = this.#reading(options.codec);
    const { codec, lease, prevKv = false, ignoreValue = false, ignoreLease = false } = options;
    const request = {
      key: wireKey(key, this.#namespace),
      value: bytesOf(codec === undefined ? (value as ValueLike) : codec.encode(value as T)),
      ...(lease === undefined ? {} : { lease: leaseId(typeof lease === 'object' ? lease.id : lease) }),
      ...{ prevKv, ignoreValue, ignoreLease },
    };
    return {
      request,
      read: (answer) => ({
        revision: headerOf(answer).revision,
        prev: answer.prevKv ? new KeyValue(answer.prevKv, reading) : undefined,
      }),
    };
  }

  delete<T>(
    range: KeyRange,
    options: DeleteOptions<T>,
  ): Operation<Sparse<DeleteRangeRequest>, DeleteRangeResponse, Deleted<T>> {
    const reading = this.#reading(options.codec);
    const request = { ...wireRange(range, this.#namespace), prevKv: options.prevKv === true };
    return {
      request,
      read: (answer) => ({
        revision: headerOf(answer).revision,
        deleted: Number(answer.deleted),
        prev: answer.prevKvs.map((kv) => new KeyValue(kv, reading)),
      }),
    };
  }

  #reading<T>(codec: Codec<T> | undefined) {
    return { namespace: this.#namespace, codec: codecOf(codec) };
  }
}

function readFields({ revision = 0n, serializable = false }: ReadOptions<unknown>) {
  return { revision: count64(revision, 'revision'), serializable };
}

const bounds = ['minModRevision', 'maxModRevision', 'minCreateRevision', 'maxCreateRevision'] as const;

function boundsOf(options: ListOptions<unknown>): Sparse<RangeRequest> {
  const given = bounds.flatMap((name) => (options[name] === undefined ? [] : [[name, count64(options[name], name)]]));
  return Object.fromEntries(given);
}

function sortOf({ by, order }: NonNullable<ListOptions['sort']>): Sparse<RangeRequest> {
  const sortTarget = sortTargets.indexOf(by);
  if (sortTarget < 0) throw new LeaseError('invalid_argument', `sort.by is none of ${sortTargets.join(', ')}`);
  return { sortTarget, sortOrder: order === 'descending' ? 2 : 1 };
}
