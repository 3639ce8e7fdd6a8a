/**
 * Tells bytes that every reader of protobuf reads alike from those on which readers differ: etcd's refuses a known field under
 * another wire type, and cuts field numbers to 32 bits; ours passes such a field over, and refuses such a number.
 */
import protobuf from 'protobufjs';
import { reflected } from '../../src/rpc/codec.ts';

/** `broken`: no reader can go on; `odd`: one may, another not. */
export type Encoding = 'plain' | 'broken' | 'odd';

export function encodingOf(typeName: string, bytes: Uint8Array): Encoding {
  return walk(reflected(typeName), bytes, 0);
}

function walk(type: protobuf.Type, bytes: Uint8Array, depth: number): Encoding {
  let at = 0;
  while (at < bytes.length) {
    const tag = varint(bytes, at);
    if (tag === undefined) return brokenOrOdd(bytes, at);
    at = tag.end;
    const [number, wireType] = [Math.floor(tag.value / 8), tag.value % 8];
    if (number === 0 || number >= 2 ** 29) return 'odd';
    const field = type.fieldsById[number];
    if (field !== undefined && wireType !== wireTypeOf(field)) return 'odd';
    if (wireType === 0) {
      const value = varint(bytes, at);
      if (value === undefined) return brokenOrOdd(bytes, at);
      at = value.end;
    } else if (wireType === 1 || wireType === 5) {
      at += wireType === 1 ? 8 : 4;
      if (at > bytes.length) return 'broken';
    } else if (wireType === 2) {
      const length = varint(bytes, at);
      if (length === undefined) return brokenOrOdd(bytes, at);
      at = length.end + length.value;
      if (length.value >= 2 ** 31) return 'odd';
      if (at > bytes.length) return 'broken';
      if (field?.resolvedType instanceof protobuf.Type) {
        if (depth > 100) return 'odd';
        const inner = walk(field.resolvedType, bytes.subarray(length.end, at), depth + 1);
        if (inner !== 'plain') return inner;
      }
    } else return 'odd';
  }
  return 'plain';
}

/** A varint that ends with the bytes is broken for all; one of more than ten bytes is read by some. */
function brokenOrOdd(bytes: Uint8Array, at: number): Encoding {
  return bytes.length - at < 10 ? 'broken' : 'odd';
}

function wireTypeOf(field: protobuf.Field): number {
  if (field.repeated && field.packed) return 2;
  if (field.resolvedType instanceof protobuf.Enum) return 0;
  return field.resolvedType !== null || field.type === 'bytes' || field.type === 'string' ? 2 : 0;
}

/** Loses bits beyond 2^53, which no length and no tag has. */
function varint(bytes: Uint8Array, from: number): { readonly value: number; readonly end: number } | undefined {
  let value = 0;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[from + i];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { value, end: from + i + 1 };
  }
  return undefined;
}
