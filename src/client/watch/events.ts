/**
 * What a watch tells, as its reader sees it. Values are decoded when they are looked at, so a bad one ends no watch.
 */
import { KeyValue, type Reading } from '../kv/views.ts';
import { textOf } from '../values.ts';
import type { Event as WireEvent } from '../wire/messages.ts';

/** What reading a watch yields; told apart by `type`. */
export type WatchEvent<T = Uint8Array> = PutEvent<T> | DeleteEvent<T> | ResyncEvent<T> | ProgressEvent;

/** A key was put. */
export class PutEvent<T = Uint8Array> {
  readonly type = 'put';
  readonly kv: KeyValue<T>;
  /** What was there before, if asked for with `prevKv` and not compacted. */
  readonly prev: KeyValue<T> | undefined;

  constructor(kv: KeyValue<T>, prev: KeyValue<T> | undefined) {
    this.kv = kv;
    this.prev = prev;
  }

  get key(): Uint8Array {
    return this.kv.key;
  }

  get keyText(): string {
    return this.kv.keyText;
  }

  /** Throws what the codec throws. */
  get value(): T {
    return this.kv.value;
  }

  get revision(): bigint {
    return this.kv.modRevision;
  }

  /** The key was not there before. */
  get created(): boolean {
    return this.kv.version === 1n;
  }
}

/** A key was deleted, by whomever: a caller, or the end of its lease. */
export class DeleteEvent<T = Uint8Array> {
  readonly type = 'delete';
  readonly key: Uint8Array;
  /** What was there before, if asked for with `prevKv` and not compacted. */
  readonly prev: KeyValue<T> | undefined;
  readonly revision: bigint;

  constructor(key: Uint8Array, prev: KeyValue<T> | undefined, revision: bigint) {
    this.key = key;
    this.prev = prev;
    this.revision = revision;
  }

  get keyText(): string {
    return textOf(this.key);
  }
}

/**
 * What came next was compacted before it could be told, so here is all there is instead: keys that are not among
 * `items` are gone. Events after it are behind `revision`.
 */
export interface ResyncEvent<T = Uint8Array> {
  readonly type: 'resync';
  readonly items: readonly KeyValue<T>[];
  /** At which the items were read. */
  readonly revision: bigint;
}

/** Everything up to that revision has been told. */
export interface ProgressEvent {
  readonly type: 'progress';
  readonly revision: bigint;
}

/** An event of the wire; undefined for one without a key, which no server sends. */
export function eventOf<T>(
  { type, kv, prevKv }: WireEvent,
  reading: Reading<T>,
): PutEvent<T> | DeleteEvent<T> | undefined {
  if (kv === null || kv === undefined) return undefined;
  const view = new KeyValue(kv, reading);
  const prev = prevKv ? new KeyValue(prevKv, reading) : undefined;
  return type === 1 ? new DeleteEvent(view.key, prev, view.modRevision) : new PutEvent(view, prev);
}

/** Bytes that an event keeps in memory, roughly: what is written of it, and what stands around that. */
export function weightOf(event: WatchEvent<unknown>): number {
  switch (event.type) {
    case 'put':
      return kvWeight(event.kv) + (event.prev === undefined ? 0 : kvWeight(event.prev));
    case 'delete':
      return around + event.key.length + (event.prev === undefined ? 0 : kvWeight(event.prev));
    case 'resync':
      return event.items.reduce((sum, kv) => sum + kvWeight(kv), around);
    case 'progress':
      return around;
  }
}

const around = 200;

function kvWeight({ key, bytes }: KeyValue<unknown>): number {
  return around + key.length + bytes.length;
}
