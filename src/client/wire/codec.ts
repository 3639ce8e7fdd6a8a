/**
 * Bytes ⇄ messages, for the messages of `schema.ts`. The only place of the library that trusts a cast: the interfaces of
 * `messages.ts` are held to the schema, and the schema to `proto/`, by tests.
 */
import protobuf from 'protobufjs/light.js';
import { CallFailure, grpcCodes } from '../errors.ts';
import type { Messages, ResponseHeader } from './messages.ts';
import { type CallName, calls, type MessageName, type RequestName, type ResponseName, schema } from './schema.ts';

/** What may be left out when a message is made: everything, as in proto3. */
export type Sparse<T> = T extends bigint | Uint8Array | string | boolean | number
  ? T
  : T extends readonly (infer Item)[]
    ? readonly Sparse<Item>[]
    : T extends object
      ? { readonly [Field in keyof T]?: Sparse<T[Field]> | undefined }
      : T;

/** The request of a call as it may be given, and its answer as it is read. */
export type RequestOf<N extends CallName> = Sparse<Messages[RequestName<N>]>;
export type ResponseOf<N extends CallName> = Messages[ResponseName<N>];

/** One call, ready for a channel that moves bytes. */
export interface WireCall<N extends CallName> {
  /** As gRPC wants it: `/package.Service/Method`. */
  readonly path: string;
  encode(request: RequestOf<N>): Uint8Array;
  /** Throws a `CallFailure` for bytes that are no such message. */
  decode(bytes: Uint8Array): ResponseOf<N>;
}

const types = typesOf();

/** The call of that name. */
export function wireCall<N extends CallName>(name: N): WireCall<N> {
  const [path, request, response] = calls[name];
  return {
    path,
    encode: (message) => encode(request, message),
    decode: (bytes) => decode(response, bytes) as ResponseOf<N>,
  };
}

export function encode<M extends MessageName>(name: M, message: Sparse<Messages[M]>): Uint8Array {
  const type = typeOf(name);
  return type.encode(type.fromObject(sendable(message, type))).finish();
}

export function decode<M extends MessageName>(name: M, bytes: Uint8Array): Messages[M] {
  const type = typeOf(name);
  try {
    return type.toObject(type.decode(bytes), { longs: BigInt, defaults: true, arrays: true }) as Messages[M];
  } catch (error) {
    throw new CallFailure(grpcCodes.internal, `the answer is no ${name}: ${String(error)}`, true);
  }
}

/** The header of an answer; all zeros if none was sent, as other clients read it. */
export function headerOf(answer: { readonly header?: ResponseHeader | null | undefined }): ResponseHeader {
  return answer.header ?? { clusterId: 0n, memberId: 0n, revision: 0n, raftTerm: 0n };
}

function typeOf(name: MessageName): protobuf.Type {
  return types.get(name) as protobuf.Type;
}

function typesOf(): ReadonlyMap<MessageName, protobuf.Type> {
  const space = new protobuf.Root();
  for (const [name, fields] of Object.entries(schema)) {
    const type = new protobuf.Type(name);
    const members: string[] = [];
    for (const field of fields.split(' ').filter((text) => text !== '')) {
      const [, label = '', id = '', rule = '', kind = ''] = /^(\w+)=(\d+):([*?]?)(\w+)$/.exec(field) ?? [];
      type.add(new protobuf.Field(label, Number(id), kind, rule === '*' ? 'repeated' : undefined));
      if (rule === '?') members.push(label);
    }
    if (members.length > 0) type.add(new protobuf.OneOf('oneof', members));
    space.add(type);
  }
  space.resolveAll();
  return new Map(Object.keys(schema).map((name) => [name as MessageName, space.lookupType(name)]));
}

/**
 * A message as protobufjs takes it: 64-bit numbers as decimal strings, without loss, and empty bytes left out as proto3 has it. The
 * latter is no matter of size: etcd takes a `rangeEnd` that is there and empty for "all keys from here on", of a delete too.
 */
function sendable(message: object, type: protobuf.Type | null): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(message)) {
    if (value === undefined || value === null) continue;
    const field = type?.fields[name];
    if (value instanceof Uint8Array && value.length === 0 && field?.partOf === null) continue;
    fields[name] = sendableField(value, field?.resolvedType instanceof protobuf.Type ? field.resolvedType : null);
  }
  return fields;
}

function sendableField(value: unknown, type: protobuf.Type | null): unknown {
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return value.map((each) => sendableField(each, type));
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  return sendable(value, type);
}
