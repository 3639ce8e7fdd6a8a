/** mvccpb.KeyValue and mvccpb.Event by hand, as ranges and watches send them. */
import type { EventView } from '../../state/history.ts';
import type { KeyValue } from '../../state/outcome.ts';
import {
  bytesFieldSize,
  halvesFieldSize,
  halvesOf,
  lengthFieldSize,
  numberFieldSize,
  putBytesField,
  putHalvesField,
  putLength,
  putNumberField,
} from './fields.ts';

export function keyValueSize({ key, createRevision, modRevision, version, value, lease }: KeyValue): number {
  const size =
    bytesFieldSize(key) +
    numberFieldSize(createRevision) +
    numberFieldSize(modRevision) +
    numberFieldSize(version) +
    bytesFieldSize(value);
  if (lease === 0n) return size;
  const { hi, lo } = halvesOf(lease);
  return size + halvesFieldSize(hi, lo);
}

export function putKeyValue(bytes: Uint8Array, start: number, kv: KeyValue): number {
  let at = putBytesField(bytes, start, 1, kv.key);
  at = putNumberField(bytes, at, 2, kv.createRevision);
  at = putNumberField(bytes, at, 3, kv.modRevision);
  at = putNumberField(bytes, at, 4, kv.version);
  at = putBytesField(bytes, at, 5, kv.value);
  if (kv.lease === 0n) return at;
  const { hi, lo } = halvesOf(kv.lease);
  return putHalvesField(bytes, at, 6, hi, lo);
}

/** An event as the field of that number, in memory of its own, which must not pin a slab of Node's pool while it is kept. */
export function eventField(field: number, { type, kv, prevKv }: EventView): Uint8Array {
  const kvSize = keyValueSize(kv);
  const prevSize = prevKv === undefined ? 0 : keyValueSize(prevKv);
  const kind = type === 'delete' ? 1 : 0;
  const size = numberFieldSize(kind) + lengthFieldSize(kvSize) + (prevKv === undefined ? 0 : lengthFieldSize(prevSize));
  const bytes = Buffer.allocUnsafeSlow(lengthFieldSize(size));
  let at = putNumberField(bytes, putLength(bytes, 0, field, size), 1, kind);
  at = putKeyValue(bytes, putLength(bytes, at, 2, kvSize), kv);
  if (prevKv !== undefined) putKeyValue(bytes, putLength(bytes, at, 3, prevSize), prevKv);
  return bytes;
}
