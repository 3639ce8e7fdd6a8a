/**
 * Text as Go's standard library prints it, because scripts read etcdctl's output: numbers, durations, quoted strings, JSON.
 */

/** A number parsed, or the sentence Go gives for why it is none. */
export type ParsedInt = { readonly ok: true; readonly value: bigint } | { readonly ok: false; readonly why: string };

/** As `strconv.ParseInt(text, base, 64)`. */
export function parseInt64(text: string, base: 10 | 16): ParsedInt {
  const digits = base === 16 ? /^([+-]?)([0-9a-fA-F]+)$/ : /^([+-]?)([0-9]+)$/;
  const match = digits.exec(text);
  const sentence = (reason: string): ParsedInt => ({
    ok: false,
    why: `strconv.ParseInt: parsing ${quoteGo(Buffer.from(text))}: ${reason}`,
  });
  if (match === null) return sentence('invalid syntax');
  const size = BigInt(`${base === 16 ? '0x' : ''}${match[2]}`);
  const value = match[1] === '-' ? -size : size;
  if (value !== BigInt.asIntN(64, value)) return sentence('value out of range');
  return { ok: true, value };
}

/** As strconv.ParseUint. */
export function parseUint64(text: string, base: 10 | 16): ParsedInt {
  const sentence = (reason: string): ParsedInt => ({
    ok: false,
    why: `strconv.ParseUint: parsing ${quoteGo(Buffer.from(text))}: ${reason}`,
  });
  if (!(base === 16 ? /^[0-9a-fA-F]+$/ : /^[0-9]+$/).test(text)) return sentence('invalid syntax');
  const value = BigInt(`${base === 16 ? '0x' : ''}${text}`);
  return value === BigInt.asUintN(64, value) ? { ok: true, value } : sentence('value out of range');
}

/** As `%016x` of an int64. */
export function hex16(id: bigint): string {
  return id < 0n ? `-${(-id).toString(16).padStart(15, '0')}` : id.toString(16).padStart(16, '0');
}

/** As `time.Duration.String()`; from milliseconds, to the nanosecond. */
export function durationText(ms: number): string {
  const ns = Math.round(ms * 1e6);
  if (ns === 0) return '0s';
  if (ns < 1e3) return `${ns}ns`;
  if (ns < 1e6) return `${decimal(ns, 1e3)}µs`;
  if (ns < 1e9) return `${decimal(ns, 1e6)}ms`;
  const minutes = Math.floor(ns / 60e9);
  const seconds = `${decimal(ns - minutes * 60e9, 1e9)}s`;
  if (minutes === 0) return seconds;
  const hours = Math.floor(minutes / 60);
  return hours === 0 ? `${minutes}m${seconds}` : `${hours}h${minutes % 60}m${seconds}`;
}

/** `ns / unit` with as many decimals as it has, no trailing zeros. */
function decimal(ns: number, unit: number): string {
  const fraction = String(ns % unit)
    .padStart(String(unit).length - 1, '0')
    .replace(/0+$/, '');
  return `${Math.floor(ns / unit)}${fraction === '' ? '' : `.${fraction}`}`;
}

const escapes: ReadonlyMap<number, string> = new Map([
  [0x07, '\\a'],
  [0x08, '\\b'],
  [0x09, '\\t'],
  [0x0a, '\\n'],
  [0x0b, '\\v'],
  [0x0c, '\\f'],
  [0x0d, '\\r'],
  [0x22, '\\"'],
  [0x5c, '\\\\'],
]);

/** As `%q` of a string with these bytes: printable UTF-8 stays, all else is escaped. */
export function quoteGo(bytes: Uint8Array): string {
  let out = '"';
  for (let i = 0; i < bytes.length; ) {
    const rune = runeAt(bytes, i);
    if (rune === undefined) {
      out += `\\x${(bytes[i] ?? 0).toString(16).padStart(2, '0')}`;
      i++;
      continue;
    }
    out += quoteRune(rune);
    i += Buffer.byteLength(String.fromCodePoint(rune));
  }
  return `${out}"`;
}

function quoteRune(rune: number): string {
  const known = escapes.get(rune);
  if (known !== undefined) return known;
  if (rune < 0x20 || rune === 0x7f) return `\\x${rune.toString(16).padStart(2, '0')}`;
  const text = String.fromCodePoint(rune);
  if (rune === 0x20 || /^[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u.test(text)) return text;
  return rune > 0xffff ? `\\U${rune.toString(16).padStart(8, '0')}` : `\\u${rune.toString(16).padStart(4, '0')}`;
}

/** The code point whose UTF-8 form begins at `at`, or undefined where the bytes are not UTF-8. */
function runeAt(bytes: Uint8Array, at: number): number | undefined {
  const first = bytes[at] ?? 0;
  const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  const slice = bytes.subarray(at, at + length);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(slice).codePointAt(0);
  } catch {
    return undefined;
  }
}

/** As humanize.Bytes: decimal units, one decimal below ten. */
export function bytesText(count: bigint): string {
  const size = Number(count);
  if (size < 10) return `${size} B`;
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'];
  const exponent = Math.min(Math.floor(Math.log(size) / Math.log(1000)), units.length - 1);
  const value = Math.floor((size / 1000 ** exponent) * 10 + 0.5) / 10;
  return `${value < 10 ? value.toFixed(1) : halfToEven(value)} ${units[exponent]}`;
}

/** Go rounds a half to the even neighbour, where `toFixed` goes up: 20.5 kB is "20 kB". */
function halfToEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** A value as Go's `encoding/json` can hold it; undefined members are left out, bytes become base64. */
export type JsonValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | Uint8Array
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue | undefined };

/** As `json.Marshal`: no spaces, bigints as numbers, and `<`, `>`, `&` escaped. */
export function jsonText(value: JsonValue): string {
  if (value instanceof Uint8Array) return `"${Buffer.from(value).toString('base64')}"`;
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'string') return jsonString(value);
  if (value === null || typeof value !== 'object') return String(value);
  if (isList(value)) return `[${value.map(jsonText).join(',')}]`;
  const members = Object.entries(value).flatMap(([name, member]) =>
    member === undefined ? [] : [`${jsonString(name)}:${jsonText(member)}`],
  );
  return `{${members.join(',')}}`;
}

function isList(
  value: readonly JsonValue[] | { readonly [name: string]: JsonValue | undefined },
): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function jsonString(text: string): string {
  return JSON.stringify(text).replace(
    /[<>&\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
