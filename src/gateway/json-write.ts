/**
 * Message → JSON, byte for byte as etcd's gateway prints it (golang/protobuf's jsonpb): declared names in declared order, what
 * is zero left out, 64-bit numbers in quotes, bytes as base64, enums by name.
 */
import { asBuffer } from '../base/bytes.ts';
import { jsonAnswerCharsMax } from '../base/limits.ts';
import { rpcError } from '../rpc/errors.ts';
import { bigintOf, type Int } from '../rpc/int64.ts';
import { jsonString } from './go-quote.ts';
import type { JsonField, JsonMessage } from './json-fields.ts';

/** The JSON of a message as it came from a service of ours. Throws the table's `answerTooLarge`. */
export function messageJson(message: JsonMessage, bytes: Uint8Array): string {
  return write(message, message.type.decode(asBuffer(bytes)));
}

function write(message: JsonMessage, shape: object): string {
  let members = '';
  for (const field of message.fields) {
    // What was on the wire is the message's own; what was not is a default of its prototype.
    if (!Object.hasOwn(shape, field.property)) continue;
    const value: unknown = Reflect.get(shape, field.property);
    const json = field.repeated
      ? list(field, value as readonly unknown[])
      : one(field, value, field.oneof !== undefined);
    if (json !== undefined) members += bounded(`${members === '' ? '' : ','}"${field.name}":${json}`, members);
  }
  return `{${members}}`;
}

function list(field: JsonField, values: readonly unknown[]): string | undefined {
  if (values.length === 0) return undefined;
  let items = '';
  for (const value of values) items += bounded(`${items === '' ? '' : ','}${one(field, value, true)}`, items);
  return `[${items}]`;
}

/** What is to be added to a text, if there is room. */
function bounded(more: string, text: string): string {
  if (text.length + more.length > jsonAnswerCharsMax) throw rpcError('answerTooLarge');
  return more;
}

/** Undefined: zero, and not to be said. */
function one(field: JsonField, value: unknown, evenZero: boolean): string | undefined {
  switch (field.kind) {
    case 'message':
      return value === null ? undefined : write(field.message(), value as object);
    case 'bytes': {
      const bytes = value as Uint8Array;
      return bytes.length > 0 || evenZero ? `"${asBuffer(bytes).toString('base64')}"` : undefined;
    }
    case 'string':
      return value !== '' || evenZero ? jsonString(value as string) : undefined;
    case 'bool':
      return value === true || evenZero ? String(value) : undefined;
    case 'int64':
    case 'uint64': {
      const number = decimal(value as Int);
      return number !== '0' || evenZero ? `"${number}"` : undefined;
    }
    case 'enum':
      if (value === 0 && !evenZero) return undefined;
      return enumJson(field, value as number);
    case 'int32':
    case 'uint32':
      return value !== 0 || evenZero ? String(value) : undefined;
  }
}

/** A number that has no name is printed bare. */
function enumJson(field: JsonField, number: number): string {
  const name = field.enumNames.get(number);
  return name === undefined ? String(number) : `"${name}"`;
}

/** Most are small; only ids need a bigint. */
function decimal(value: Int): string {
  if (typeof value === 'number') return String(value);
  return value.high === 0 ? String(value.low >>> 0) : bigintOf(value).toString();
}
