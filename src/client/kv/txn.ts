/**
 * A txn as it is written down and committed: conditions, then one of two branches, at one revision. It is sent once;
 * one that only reads is asked again as any read.
 */
import type { Core } from '../core.ts';
import { LeaseError } from '../errors.ts';
import type { CallSettings } from '../transport/calls.ts';
import type { Codec, KeyLike, KeyRange, ValueLike } from '../values.ts';
import { headerOf, type Sparse } from '../wire/codec.ts';
import type { Compare, RequestOp, ResponseOp, TxnRequest, TxnResponse } from '../wire/messages.ts';
import { Compares } from './compare.ts';
import type { Guard } from './guard.ts';
import {
  type DeleteOptions,
  type ListOptions,
  type Operation,
  Operations,
  type PutOptions,
  type ReadOptions,
} from './operations.ts';
import type { Deleted, KeyValue, Listing, Written } from './views.ts';

/** One operation; `R` is what its answer is read as. Made by `TxnOperations`. */
export interface TxnOperation<R> {
  /** @internal */
  readonly request: Sparse<RequestOp>;
  /** @internal */
  readonly readOnly: boolean;
  /** @internal */
  read(response: ResponseOp | undefined): R;
}

/** Operations of a branch, whatever they are read as. */
export type AnyOperations = readonly TxnOperation<unknown>[];

/** What a branch's operations are read as, one by one. */
export type Results<Ops extends AnyOperations> = {
  readonly [I in keyof Ops]: Ops[I] extends TxnOperation<infer R> ? R : never;
};

/** Which branch was taken, and what each of its operations says, in order. */
export type TxnResult<S extends AnyOperations, F extends AnyOperations> =
  | { readonly succeeded: true; readonly revision: bigint; readonly responses: Results<S> }
  | { readonly succeeded: false; readonly revision: bigint; readonly responses: Results<F> };

/** A guard, or what makes some of compares. */
export type Condition = Guard | ((compares: Compares) => Guard | readonly Guard[]);

/**
 * What a branch is made of: one operation, or some in order. The empty tuple makes the compiler see tuples, not arrays.
 */
export type Made = TxnOperation<unknown> | AnyOperations | readonly [];
/** Makes the operations of a branch. */
export type Branch<M extends Made> = (operations: TxnOperations) => M;
/** The operations of a branch, in order. */
export type OperationsOf<M extends Made> = M extends AnyOperations
  ? Readonly<M>
  : M extends TxnOperation<unknown>
    ? readonly [M]
    : never;

export interface CompiledTxn<S extends AnyOperations, F extends AnyOperations>
  extends Operation<Sparse<TxnRequest>, TxnResponse, TxnResult<S, F>> {
  readonly readOnly: boolean;
}

interface Parts {
  readonly compare: readonly Sparse<Compare>[];
  readonly success: AnyOperations | undefined;
  readonly failure: AnyOperations | undefined;
}

/**
 * Each step gives a new txn; `commit` sends it, once.
 * @example
 * const result = await client
 *   .txn()
 *   .if((c) => c.key('lock').missing())
 *   .then((t) => [t.put('lock', 'me', { lease }), t.count({ prefix: 'queue/' })])
 *   .else((t) => t.get('lock'))
 *   .commit();
 * if (result.succeeded) result.responses[1]; // number
 * else result.responses[0]?.text; // the holder
 */
export class Txn<S extends AnyOperations = readonly [], F extends AnyOperations = readonly []> {
  readonly #core: Core;
  readonly #parts: Parts;
  #committed = false;

  constructor(core: Core, parts: Parts = { compare: [], success: undefined, failure: undefined }) {
    this.#core = core;
    this.#parts = parts;
  }

  /** Conditions; all that are given, here and in further calls, must hold. Without any, `then` is taken. */
  if(...conditions: readonly Condition[]): Txn<S, F> {
    const compares = new Compares(this.#core.namespace);
    const guards = conditions.flatMap((condition) =>
      typeof condition === 'function' ? condition(compares) : condition,
    );
    const compare = [...this.#parts.compare, ...guards.flatMap((guard) => guard.compare)];
    return new Txn(this.#core, { ...this.#parts, compare });
  }

  /** What is done if the conditions hold. */
  // biome-ignore lint/suspicious/noThenProperty: etcd's word for it; that a txn is awaited by mistake is found out.
  then<const M extends Made>(build: Branch<M>): Txn<OperationsOf<M>, F>;
  // biome-ignore lint/suspicious/noThenProperty: as above.
  then(build: Branch<Made>, reject?: unknown): Txn<AnyOperations, F> {
    if (typeof reject === 'function') {
      reject(refused('a txn is no promise: await its commit()'));
      return this;
    }
    if (this.#parts.success !== undefined) throw refused('then was said already');
    return new Txn(this.#core, { ...this.#parts, success: this.#operations(build) });
  }

  /** What is done if one of the conditions does not hold. */
  else<const M extends Made>(build: Branch<M>): Txn<S, OperationsOf<M>>;
  else(build: Branch<Made>): Txn<S, AnyOperations> {
    if (this.#parts.failure !== undefined) throw refused('else was said already');
    return new Txn(this.#core, { ...this.#parts, failure: this.#operations(build) });
  }

  /** Rejects with a `LeaseError`; `mayHaveApplied` says whether one that writes may have happened all the same. */
  async commit(settings: CallSettings = {}): Promise<TxnResult<S, F>> {
    if (this.#committed) throw refused('the txn was committed already; write it down anew');
    this.#committed = true;
    const { request, readOnly, read } = this.compiled();
    return read(await this.#core.calls.call('txn', request, { kind: readOnly ? 'read' : 'once' }, settings));
  }

  /** @internal What a txn that this one is part of sends and reads. */
  compiled(): CompiledTxn<S, F> {
    const { compare, success = [], failure = [] } = this.#parts;
    return {
      request: {
        compare,
        success: success.map(({ request }) => request),
        failure: failure.map(({ request }) => request),
      },
      readOnly: [...success, ...failure].every(({ readOnly }) => readOnly),
      read: (answer) => {
        const branch = answer.succeeded ? success : failure;
        const responses = branch.map((operation, i) => operation.read(answer.responses[i]));
        return { succeeded: answer.succeeded, revision: headerOf(answer).revision, responses } as TxnResult<S, F>;
      },
    };
  }

  #operations(build: Branch<Made>): AnyOperations {
    const made = build(new TxnOperations(new Operations(this.#core.namespace), () => new Txn(this.#core)));
    return 'request' in made ? [made] : made;
  }
}

function refused(text: string): LeaseError {
  return new LeaseError('invalid_argument', text);
}

/**
 * Makes operations; what `then` and `else` of a txn are given. The options are those of the client's methods of the
 * same names.
 */
export class TxnOperations {
  readonly #operations: Operations;
  readonly #inner: () => Txn;

  constructor(operations: Operations, inner: () => Txn) {
    this.#operations = operations;
    this.#inner = inner;
  }

  /** As `client.get`. */
  get<T = Uint8Array>(key: KeyLike, options: ReadOptions<T> = {}): TxnOperation<KeyValue<T> | undefined> {
    const { request, read } = this.#operations.get(key, options);
    return ranged(request, read);
  }

  /** As `client.list`. */
  list<T = Uint8Array>(range: KeyRange, options: ListOptions<T> = {}): TxnOperation<Listing<T>> {
    const { request, read } = this.#operations.list(range, options);
    return ranged(request, read);
  }

  /** As `client.count`. */
  count(range: KeyRange, options: ReadOptions = {}): TxnOperation<number> {
    const { request, read } = this.#operations.count(range, options);
    return ranged(request, read);
  }

  /** As `client.put`. */
  put(key: KeyLike, value: ValueLike, options?: PutOptions): TxnOperation<Written>;
  put<T>(key: KeyLike, value: T, options: PutOptions<T> & { readonly codec: Codec<T> }): TxnOperation<Written<T>>;
  put<T>(key: KeyLike, value: T | ValueLike, options: PutOptions<T> = {}): TxnOperation<Written<T>> {
    const { request, read } = this.#operations.put(key, value, options);
    return {
      request: { requestPut: request },
      readOnly: false,
      read: (response) => read(present(response?.responsePut)),
    };
  }

  /** As `client.delete`. */
  delete<T = Uint8Array>(range: KeyRange, options: DeleteOptions<T> = {}): TxnOperation<Deleted<T>> {
    const { request, read } = this.#operations.delete(range, options);
    return {
      request: { requestDeleteRange: request },
      readOnly: false,
      read: (response) => read(present(response?.responseDeleteRange)),
    };
  }

  /**
   * A txn inside this one: `t.txn((inner) => inner.if(…).then(…))`. Its conditions are about keys as they were before
   * the whole txn; its operations see what operations before them have done.
   */
  txn<S extends AnyOperations, F extends AnyOperations>(
    build: (inner: Txn) => Txn<S, F>,
  ): TxnOperation<TxnResult<S, F>> {
    const { request, readOnly, read } = build(this.#inner()).compiled();
    return {
      request: { requestTxn: request },
      readOnly,
      read: (response) => read(present(response?.responseTxn)),
    };
  }
}

function ranged<R>(
  request: Sparse<RequestOp>['requestRange'],
  read: (answer: NonNullable<ResponseOp['responseRange']>) => R,
): TxnOperation<R> {
  return {
    request: { requestRange: request },
    readOnly: true,
    read: (response) => read(present(response?.responseRange)),
  };
}

/** Servers answer operations one by one; one that does not is not to be read. */
function present<A>(answer: A | null | undefined): A {
  if (answer !== null && answer !== undefined) return answer;
  throw new LeaseError('internal', 'the answer of the txn does not fit its operations', { mayHaveApplied: true });
}
