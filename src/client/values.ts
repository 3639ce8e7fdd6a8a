/**
 * What users write and what the wire takes: durations, lease ids, keys, values, ranges of keys. Everything that cannot be one
 * throws a `LeaseError` with code `invalid_argument` that names the mistake.
 */
import { LeaseError } from './errors.ts';

/** Milliseconds, or a number with a unit: `'500ms'`, `'10s'`, `'5m'`, `'1h'`, `'2d'`. */
export type Duration = number | string;
/** A lease id: bigint, or a string of decimal digits, or hexadecimal after `0x`. Never a number: ids exceed 2^53. */
export type LeaseIdLike = bigint | string;
/** A key as users write it; strings are UTF-8. */
export type KeyLike = string | Uint8Array;
/** A value as it is stored. */
export type ValueLike = string | Uint8Array;

const invalid = (text: string): LeaseError => new LeaseError('invalid_argument', text);

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of a duration; `name` is what the error calls it. */
export function durationMs(duration: Duration, name: string): number {
  const [, digits = '', unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(String(duration)) ?? [];
  const ms = typeof duration === 'number' ? duration : Number(digits) * (unitMs[unit] ?? Number.NaN);
  if (Number.isFinite(ms) && ms >= 0 && (digits !== '') === (typeof duration === 'string')) return ms;
  throw invalid(
    `${name} ${JSON.stringify(duration)} is no duration; write milliseconds, or '500ms', '10s', '5m', '1h'`,
  );
}

/** TTLs travel in whole seconds; a part of one is rounded up, so that nobody gets less than was asked for. */
export function ttlSeconds(ttl: Duration): bigint {
  const ms = durationMs(ttl, 'ttl');
  if (ms <= 0) throw invalid(`ttl ${JSON.stringify(ttl)} is not positive`);
  return BigInt(Math.ceil(ms / 1_000));
}

const int64Max = 2n ** 63n - 1n;

/** A revision, a version, a limit: what the wire counts in 64 bits and never below 0. `name` is what the error calls it. */
export function count64(value: bigint, name: string): bigint {
  if (typeof value !== 'bigint') throw invalid(`${name} ${String(value)} is a ${typeof value}; write a bigint (7n)`);
  if (value < 0n) throw invalid(`${name} ${value} is negative`);
  if (value > int64Max) throw invalid(`${name} ${value} does not fit into 64 bits`);
  return value;
}

export function leaseId(id: LeaseIdLike): bigint {
  const text = typeof id === 'string' ? id : undefined;
  if (text !== undefined && !/^-?\d+$|^0x[0-9a-fA-F]{1,16}$/.test(text))
    throw invalid(`lease id ${JSON.stringify(id)} is neither decimal digits nor hexadecimal after 0x`);
  if (text === undefined && typeof id !== 'bigint')
    throw invalid(`lease id ${String(id)} is a ${typeof id}; ids exceed 2^53, so write a bigint (123n) or a string`);
  const value = BigInt(id);
  if (value < -int64Max - 1n || value > int64Max) throw invalid(`lease id ${String(id)} does not fit into 64 bits`);
  return value;
}

const utf8 = new TextEncoder();
const text = new TextDecoder();

export function bytesOf(value: KeyLike | ValueLike): Uint8Array {
  if (typeof value === 'string') return utf8.encode(value);
  if (value instanceof Uint8Array) return value;
  throw invalid(`${typeof value} is neither a string nor bytes`);
}

export function textOf(bytes: Uint8Array): string {
  return text.decode(bytes);
}

/** How values are written and read; see `json`. */
export interface Codec<T> {
  /** What is stored. What it throws is what the call rejects with; nothing is sent then. */
  encode(value: T): ValueLike;
  /** What is stored, read. What it throws comes out of `value`, where it is looked at. */
  decode(bytes: Uint8Array): T;
}

/** Values as JSON. `decode` throws a SyntaxError on what is none. */
export function json<T>(): Codec<T> {
  return { encode: (value) => JSON.stringify(value), decode: (bytes) => JSON.parse(textOf(bytes)) as T };
}

/**
 * Some keys: one, all with a prefix, all from one on, or from one up to (not including) another. It is one of these: what
 * names two of them at once is refused, and so is a `to` that no key is before.
 */
export type KeyRange =
  | KeyLike
  | { readonly prefix: KeyLike }
  | { readonly from: KeyLike; readonly to?: KeyLike }
  | { readonly all: true };

/** A range as the wire takes it; an empty `rangeEnd` is the one key. */
export interface WireRange {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
}

const zero = Uint8Array.of(0);
const none = new Uint8Array();

/** The range under the client's `namespace`, which every key gets in front and which bounds what has no end of its own. */
export function wireRange(range: KeyRange, namespace: Uint8Array): WireRange {
  if (typeof range === 'string' || range instanceof Uint8Array) {
    const key = bytesOf(range);
    if (key.length === 0) throw invalid('an empty key; name all keys by {all: true} or {prefix: ""}');
    return { key: joined(namespace, key), rangeEnd: none };
  }
  if (typeof range !== 'object' || range === null) throw invalid(`${String(range)} is no range of keys`);
  const ways = ['all', 'prefix', 'from'].filter((way) => way in range);
  if (ways.length !== 1) throw invalid(`a range has one of all, prefix and from; this one has ${ways.length}`);
  if ('to' in range && !('from' in range)) throw invalid('a range with a to needs a from');
  if ('all' in range) {
    if (range.all !== true) throw invalid('all is not true; leave it out to name other keys');
    return prefixRange(namespace);
  }
  if ('prefix' in range) return prefixRange(joined(namespace, bytesOf(range.prefix)));
  const key = joined(namespace, bytesOf(range.from));
  const rangeEnd = range.to === undefined ? prefixRange(namespace).rangeEnd : joined(namespace, endOf(range.to));
  return { key: key.length === 0 ? zero : key, rangeEnd };
}

/** On the wire an empty end means the one key, and a zero byte all keys; no key is before either, so nobody can mean them. */
function endOf(to: KeyLike): Uint8Array {
  const end = bytesOf(to);
  if (end.length === 0 || (end.length === 1 && end[0] === 0))
    throw invalid('no key is before that to; leave it out for no end');
  return end;
}

/** One key under the namespace. */
export function wireKey(key: KeyLike, namespace: Uint8Array): Uint8Array {
  return wireRange(key, namespace).key;
}

/** Whether a key is one of the namespace's. */
export function isWithin(key: Uint8Array, namespace: Uint8Array): boolean {
  return key.length >= namespace.length && namespace.every((byte, i) => key[i] === byte);
}

/** What a key is called by those who use the namespace. */
export function withoutNamespace(key: Uint8Array, namespace: Uint8Array): Uint8Array {
  return namespace.length === 0 ? key : key.subarray(namespace.length);
}

/** All keys that begin with `prefix`: up to the next byte string of its length; all keys at all if there is no such. */
function prefixRange(prefix: Uint8Array): WireRange {
  if (prefix.length === 0) return { key: zero, rangeEnd: zero };
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length--;
  if (length === 0) return { key: prefix, rangeEnd: zero };
  const rangeEnd = prefix.slice(0, length);
  rangeEnd[length - 1] = (rangeEnd[length - 1] as number) + 1;
  return { key: prefix, rangeEnd };
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
