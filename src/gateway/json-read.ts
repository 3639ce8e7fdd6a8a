/**
 * JSON → message, as etcd's gateway reads it (golang/protobuf's jsonpb on encoding/json): both spellings of a name, unknown
 * names passed over, numbers as numbers or strings with every bit kept, enums by name or number, null as unset. What is wrong
 * is said in Go's words. Works on a text the scanner has passed, so it never meets a syntax error.
 */
import { messageDepthMax } from '../base/limits.ts';
import { rpcError } from '../rpc/errors.ts';
import { int64Of } from '../rpc/int64.ts';
import { base64Bytes } from './base64.ts';
import { quoteGo } from './go-quote.ts';
import type { JsonField, JsonMessage } from './json-fields.ts';
import { faultOf } from './json-scan.ts';

/** A JSON value that is no such message; the text is for the client. */
export class JsonError extends Error {
  override readonly name = 'JsonError';
}

/** A message as protobufjs encodes it. */
type Shape = Record<string, unknown>;

/** The message on gRPC's wire. Throws `JsonError`, or the table's error for a txn nested too deeply. */
export function messageBytes(message: JsonMessage, json: Buffer): Uint8Array {
  const shape = readMessage(message, new JsonText(json.toString()), 0, 0);
  return message.type.encode(shape ?? {}).finish();
}

/** Undefined for null. */
function readMessage(message: JsonMessage, text: JsonText, from: number, depth: number): Shape | undefined {
  if (depth > messageDepthMax) throw rpcError('tooManyOps');
  const start = text.value(from);
  if (text.kind(start) === 'null') return undefined;
  if (text.kind(start) !== 'object') throw mismatch(text, start, 'map[string]json.RawMessage');
  const members = text.members(start, message.names);
  const shape: Shape = {};
  for (const field of message.readOrder) {
    const at = members.get(field.camelName) ?? members.get(field.name);
    if (at === undefined) continue;
    const value = field.repeated ? readList(field, text, at, depth) : readOne(field, text, at, depth);
    if (value === undefined && (field.oneof === undefined || field.kind === 'message')) continue;
    for (const other of field.oneof ?? []) delete shape[other];
    shape[field.property] = value ?? zeroOf(field);
  }
  return shape;
}

function readList(field: JsonField, text: JsonText, at: number, depth: number): unknown[] | undefined {
  const kind = text.kind(at);
  if (kind === 'null') return undefined;
  if (kind === 'string' && field.kind === 'enum') {
    enumNumber(field, text.raw(at));
    throw new JsonError(`invalid target "slice" for enum ${field.goType}`);
  }
  if (kind !== 'array') throw mismatch(text, at, '[]json.RawMessage');
  const list: unknown[] = [];
  for (const item of text.items(at)) {
    const value = readOne(field, text, item, depth);
    // etcd's gateway dies of it, and drops the connection.
    if (value === undefined && field.kind === 'message')
      throw new JsonError('a list holds null where a message is due');
    list.push(value ?? zeroOf(field));
  }
  return list;
}

/** Undefined for null. */
function readOne(field: JsonField, text: JsonText, at: number, depth: number): unknown {
  const kind = text.kind(at);
  if (kind === 'null') return undefined;
  switch (field.kind) {
    case 'message':
      return readMessage(field.message(), text, at, depth + 1);
    case 'bool':
      if (kind !== 'bool') throw mismatch(text, at, field.goType);
      return text.raw(at) === 'true';
    case 'string':
      if (kind !== 'string') throw mismatch(text, at, field.goType);
      return text.string(at);
    case 'bytes':
      return readBytes(field, text, at);
    case 'enum':
      if (kind === 'string') return enumNumber(field, text.raw(at));
      return Number(integer(text, at, field.goType, 32, true));
    case 'int32':
    case 'uint32':
      return Number(maybeQuoted(text, at, field, 32) ?? 0n);
    case 'int64':
    case 'uint64':
      return int64Of(maybeQuoted(text, at, field, 64) ?? 0n);
  }
}

function readBytes(field: JsonField, text: JsonText, at: number): Uint8Array {
  const kind = text.kind(at);
  if (kind === 'string') {
    const bytes = base64Bytes(text.string(at));
    if (typeof bytes === 'number') throw new JsonError(`illegal base64 data at input byte ${bytes}`);
    return bytes;
  }
  // In Go a list of numbers is bytes as well.
  if (kind !== 'array') throw mismatch(text, at, field.goType);
  const bytes: number[] = [];
  for (const item of text.items(at)) {
    bytes.push(text.kind(item) === 'null' ? 0 : Number(integer(text, item, 'uint8', 8, false)));
  }
  return Uint8Array.from(bytes);
}

/** Of a name between its quotes. */
function enumNumber(field: JsonField, name: string): number {
  const number = field.enumNumbers.get(name);
  if (number === undefined) throw new JsonError(`unknown value ${quoteGo(name)} for enum ${field.goType}`);
  return number;
}

/** A number in quotes is read as if they were not there: what stands between them must be JSON of its own. */
function maybeQuoted(text: JsonText, at: number, field: JsonField, bits: number): bigint | undefined {
  const signed = field.kind === 'int32' || field.kind === 'int64';
  if (text.kind(at) !== 'string') return integer(text, at, field.goType, bits, signed);
  const inner = text.raw(at);
  const fault = faultOf(Buffer.from(inner));
  if (fault !== undefined) throw new JsonError(fault);
  const quoted = new JsonText(inner);
  const start = quoted.value(0);
  return quoted.kind(start) === 'null' ? undefined : integer(quoted, start, field.goType, bits, signed);
}

function integer(text: JsonText, at: number, goType: string, bits: number, signed: boolean): bigint {
  if (text.kind(at) !== 'number') throw mismatch(text, at, goType);
  const raw = text.raw(at);
  // As many digits as fit and no more are worth a bigint.
  const value = /^-?\d{1,20}$/.test(raw) ? BigInt(raw) : undefined;
  const fits = value === (signed ? BigInt.asIntN(bits, value ?? 0n) : BigInt.asUintN(bits, value ?? 0n));
  if (value === undefined || !fits || (!signed && raw.startsWith('-'))) {
    throw new JsonError(`json: cannot unmarshal number ${raw} into Go value of type ${goType}`);
  }
  return value;
}

function mismatch(text: JsonText, at: number, goType: string): JsonError {
  return new JsonError(`json: cannot unmarshal ${text.kind(at)} into Go value of type ${goType}`);
}

function zeroOf(field: JsonField): unknown {
  switch (field.kind) {
    case 'bytes':
      return new Uint8Array(0);
    case 'string':
      return '';
    case 'bool':
      return false;
    default:
      return 0;
  }
}

type ValueKind = 'object' | 'array' | 'string' | 'number' | 'bool' | 'null';

/** A text that holds a well-formed JSON value, looked into by index; builds nothing it is not asked for. */
class JsonText {
  readonly #text: string;
  readonly #ends = new Map<number, number>();

  constructor(text: string) {
    this.#text = text;
  }

  /** Where the value begins that comes at or after `at`. */
  value(at: number): number {
    if (this.#text.charCodeAt(at) > 0x20) return at;
    spaces.lastIndex = at;
    return at + (spaces.exec(this.#text)?.[0].length ?? 0);
  }

  kind(at: number): ValueKind {
    switch (this.#text[at]) {
      case '{':
        return 'object';
      case '[':
        return 'array';
      case '"':
        return 'string';
      case 't':
      case 'f':
        return 'bool';
      case 'n':
        return 'null';
      default:
        return 'number';
    }
  }

  /** A word or number as it stands, a string as it stands between its quotes. */
  raw(at: number): string {
    const end = this.#end(at);
    return this.#text[at] === '"' ? this.#text.slice(at + 1, end - 1) : this.#text.slice(at, end);
  }

  string(at: number): string {
    const raw = this.raw(at);
    // Half of a surrogate pair is no text; Go reads the replacement character.
    return raw.includes('\\') ? String(JSON.parse(`"${raw}"`)).replace(/\p{Surrogate}/gu, '\ufffd') : raw;
  }

  /** Where the values of these members of an object begin; of one given twice, the last. */
  members(at: number, names: ReadonlySet<string>): ReadonlyMap<string, number> {
    const found = new Map<string, number>();
    for (let key = this.value(at + 1); this.#text[key] === '"'; ) {
      const name = this.string(key);
      const start = this.value(this.value(this.#end(key)) + 1);
      if (names.has(name)) found.set(name, start);
      key = this.#next(start);
    }
    return found;
  }

  /** Where the items of an array begin. */
  *items(at: number): Generator<number> {
    const first = this.value(at + 1);
    if (this.#text[first] === ']') return;
    for (let item = first; ; item = this.#next(item)) {
      yield item;
      if (this.#text[this.value(this.#end(item))] === ']') return;
    }
  }

  /** What comes after a member or item and its comma. */
  #next(at: number): number {
    return this.value(this.value(this.#end(at)) + 1);
  }

  /** Where the value that begins at `at` ends. */
  #end(at: number): number {
    const first = this.#text[at];
    if (first === '"') return this.#stringEnd(at);
    if (first !== '{' && first !== '[') {
      wordOrNumber.lastIndex = at;
      return at + (wordOrNumber.exec(this.#text)?.[0].length ?? 0);
    }
    return this.#ends.get(at) ?? this.#compositeEnd(at);
  }

  #compositeEnd(at: number): number {
    const open: number[] = [];
    for (let end = at; ; end++) {
      const char = this.#text[end];
      if (char === '"') end = this.#stringEnd(end) - 1;
      else if (char === '{' || char === '[') open.push(end);
      else if (char === '}' || char === ']') {
        const start = open.pop() ?? at;
        if (end - start > walkAgainCharsMax) this.#ends.set(start, end + 1);
        if (open.length === 0) return end + 1;
      }
    }
  }

  #stringEnd(at: number): number {
    let end = this.#text.indexOf('"', at + 1);
    while (this.#escaped(end)) end = this.#text.indexOf('"', end + 1);
    return end + 1;
  }

  /** Whether an odd number of backslashes stands before it. */
  #escaped(at: number): boolean {
    let before = at;
    while (this.#text[before - 1] === '\\') before--;
    return (at - before) % 2 === 1;
  }
}

const spaces = /[ \t\r\n]*/y;
const wordOrNumber = /[-+.\w]*/y;
/** Of objects and lists longer than this the end is remembered, so that a text is walked once however deep it nests. */
const walkAgainCharsMax = 64;
