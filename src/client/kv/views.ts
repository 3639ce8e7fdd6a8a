/**
 * What is read: keys and values as callers see them, without the client's namespace. Values are decoded when they are
 * looked at, so one that a codec cannot read troubles only who reads it, and not the list or the watch that it came
 * with.
 */
import { type Codec, json, textOf, withoutNamespace } from '../values.ts';
import type { KeyValue as WireKeyValue } from '../wire/messages.ts';

/** How stored bytes become views. */
export interface Reading<T> {
  readonly namespace: Uint8Array;
  readonly codec: Codec<T>;
}

/** Values as they are stored. */
export const raw: Codec<Uint8Array> = { encode: (value) => value, decode: (bytes) => bytes };

/**
 * Whoever leaves the codec out gets bytes: the type parameter of all options with a codec has `Uint8Array` as its
 * default.
 */
export function codecOf<T>(codec: Codec<T> | undefined): Codec<T> {
  return codec ?? (raw as unknown as Codec<T>);
}

/**
 * A key and its value at some revision.
 * @example
 * const found = await client.get('config/db', { codec: json<Config>() });
 * found?.value.host;
 */
export class KeyValue<T = Uint8Array> {
  /** Without the client's namespace. */
  readonly key: Uint8Array;
  /** The value as it is stored; empty where only keys were asked for. */
  readonly bytes: Uint8Array;
  /** The revision at which the key came to be; it is another one after it was deleted and put again. */
  readonly createRevision: bigint;
  /** The revision of the last put. */
  readonly modRevision: bigint;
  /** Puts since the key came to be: 1 for the first. */
  readonly version: bigint;
  /** Id of the lease that the key ends with; 0 if none. */
  readonly lease: bigint;
  readonly #codec: Codec<T>;
  #value: { readonly decoded: T } | undefined;

  constructor(kv: WireKeyValue, { namespace, codec }: Reading<T>) {
    this.key = withoutNamespace(kv.key, namespace);
    this.bytes = kv.value;
    this.createRevision = kv.createRevision;
    this.modRevision = kv.modRevision;
    this.version = kv.version;
    this.lease = kv.lease;
    this.#codec = codec;
  }

  /** The key as UTF-8. */
  get keyText(): string {
    return textOf(this.key);
  }

  /**
   * The value as the codec of the call reads it, bytes if there was none; decoded once. Throws what the codec throws.
   */
  get value(): T {
    this.#value ??= { decoded: this.#codec.decode(this.bytes) };
    return this.#value.decoded;
  }

  /** The value as UTF-8. */
  get text(): string {
    return textOf(this.bytes);
  }

  /** The value as JSON, whatever the codec. Throws a SyntaxError if it is none. */
  json<U = unknown>(): U {
    return json<U>().decode(this.bytes);
  }
}

/** Some keys as they were at one revision. */
export interface Listing<T = Uint8Array> {
  /** In the order asked for; by key if none was. */
  readonly items: readonly KeyValue<T>[];
  /** There are more than `limit`. */
  readonly more: boolean;
  /** All there are in the range, whatever `limit`. */
  readonly count: number;
  /** The newest revision when it was read; a watch from the next one misses nothing. */
  readonly revision: bigint;
}

/** A put that was applied. */
export interface Written<T = Uint8Array> {
  /** The revision of the write. */
  readonly revision: bigint;
  /** What was there before, if asked for with `prevKv`. */
  readonly prev: KeyValue<T> | undefined;
}

/** A delete that was applied. */
export interface Deleted<T = Uint8Array> {
  /** The revision of the delete; the newest one if there was nothing to delete. */
  readonly revision: bigint;
  /** How many keys there were to delete. */
  readonly deleted: number;
  /** What they were, if asked for with `prevKv`. */
  readonly prev: readonly KeyValue<T>[];
}
