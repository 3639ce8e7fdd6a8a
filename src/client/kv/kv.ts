/**
 * Reading and writing keys. Reads are asked again until their time is over; a write is asked again only where it
 * certainly was not applied, and says in its error (`mayHaveApplied`) when that is not known.
 */
import type { Core } from '../core.ts';
import { LeaseError } from '../errors.ts';
import type { CallPlan, CallSettings } from '../transport/calls.ts';
import { count64, type KeyLike, type KeyRange, type ValueLike } from '../values.ts';
import { type DeleteOptions, type ListOptions, Operations, type PutOptions, type ReadOptions } from './operations.ts';
import { listPages, type ScanOptions } from './pages.ts';
import type { Deleted, KeyValue, Listing, Written } from './views.ts';

export interface CompactOptions extends CallSettings {
  /** Answer only when the space is given back too. */
  readonly physical?: boolean | undefined;
}

export class Kv {
  readonly #core: Core;
  readonly #operations: Operations;

  constructor(core: Core) {
    this.#core = core;
    this.#operations = new Operations(core.namespace);
  }

  async get<T>(key: KeyLike, options: ReadOptions<T> & CallSettings): Promise<KeyValue<T> | undefined> {
    const { request, read } = this.#operations.get(key, options);
    return read(await this.#core.calls.call('range', request, readPlan(options), options));
  }

  async list<T>(range: KeyRange, options: ListOptions<T> & CallSettings): Promise<Listing<T>> {
    const { request, read } = this.#operations.list(range, options);
    return read(await this.#core.calls.call('range', request, readPlan(options), options));
  }

  async count(range: KeyRange, options: ReadOptions & CallSettings): Promise<number> {
    const { request, read } = this.#operations.count(range, options);
    return read(await this.#core.calls.call('range', request, readPlan(options), options));
  }

  async *scan<T>(range: KeyRange, options: ScanOptions<T>): AsyncGenerator<KeyValue<T>, void, undefined> {
    for await (const page of listPages(this.#core, range, options)) yield* page.items;
  }

  async put<T>(key: KeyLike, value: T | ValueLike, options: PutOptions<T> & CallSettings): Promise<Written<T>> {
    const { request, read } = this.#operations.put(key, value, options);
    return read(await this.#core.calls.call('put', request, { kind: 'once' }, options));
  }

  async delete<T>(range: KeyRange, options: DeleteOptions<T> & CallSettings): Promise<Deleted<T>> {
    const { request, read } = this.#operations.delete(range, options);
    return read(await this.#core.calls.call('deleteRange', request, { kind: 'once' }, options));
  }

  /** `compacted` only if no earlier attempt of this call can have done it. */
  async compact(revision: bigint, { physical = false, ...settings }: CompactOptions): Promise<void> {
    let attempts = 0;
    const plan = { kind: 'repeatable', onAttempt: () => attempts++ } as const;
    try {
      const request = { revision: count64(revision, 'revision'), physical };
      await this.#core.calls.call('compact', request, plan, settings);
    } catch (error) {
      if (!(error instanceof LeaseError) || error.code !== 'compacted' || attempts < 2) throw error;
    }
  }
}

function readPlan({ serializable = false }: ReadOptions<unknown>): CallPlan {
  return { kind: 'read', withoutLeader: serializable };
}
