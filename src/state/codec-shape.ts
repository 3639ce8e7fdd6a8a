/**
 * Looks over msgpack bytes before a library reads them: only the few forms our tuples use, every length within the bytes, no
 * deep nesting, nothing left over. So bytes from a peer can neither make the reader allocate, recurse nor build types of its own.
 */
import { txnDepthMax } from '../base/limits.ts';

/** Tuples in lists in tuples: a txn is a tuple that holds lists of tuples, and the innermost hold one list of values more. */
const DEPTH_MAX = 2 * txnDepthMax + 2;

/** What a first byte says: bytes of a fixed size behind it, or a length to be read from so many bytes. */
type Form =
  | { readonly type: 'fixed'; readonly bytes: number }
  | { readonly type: 'blob'; readonly lengthBytes: number }
  | { readonly type: 'list'; readonly lengthBytes: number };

/** Every first byte above the one-byte forms that may appear. */
const forms: ReadonlyMap<number, Form> = new Map<number, Form>([
  [0xc4, { type: 'blob', lengthBytes: 1 }],
  [0xc5, { type: 'blob', lengthBytes: 2 }],
  [0xc6, { type: 'blob', lengthBytes: 4 }],
  [0xcb, { type: 'fixed', bytes: 8 }],
  [0xcc, { type: 'fixed', bytes: 1 }],
  [0xcd, { type: 'fixed', bytes: 2 }],
  [0xce, { type: 'fixed', bytes: 4 }],
  [0xcf, { type: 'fixed', bytes: 8 }],
  [0xd0, { type: 'fixed', bytes: 1 }],
  [0xd1, { type: 'fixed', bytes: 2 }],
  [0xd2, { type: 'fixed', bytes: 4 }],
  [0xd3, { type: 'fixed', bytes: 8 }],
  [0xd9, { type: 'blob', lengthBytes: 1 }],
  [0xda, { type: 'blob', lengthBytes: 2 }],
  [0xdb, { type: 'blob', lengthBytes: 4 }],
  [0xdc, { type: 'list', lengthBytes: 2 }],
  [0xdd, { type: 'list', lengthBytes: 4 }],
]);

/** Whether the bytes are one value of the known forms and nothing else. */
export function isWellFormed(bytes: Uint8Array): boolean {
  return endOf(bytes, 0, 0) === bytes.length;
}

/** The position behind the value at `at`, or -1. */
function endOf(bytes: Uint8Array, at: number, depth: number): number {
  const first = bytes[at];
  if (first === undefined || depth > DEPTH_MAX) return -1;
  if (first < 0x80 || first >= 0xe0) return at + 1;
  if (first >= 0x90 && first <= 0x9f) return endOfList(bytes, at + 1, first & 0x0f, depth);
  if (first >= 0xa0 && first <= 0xbf) return within(bytes, at + 1 + (first & 0x1f));
  const form = forms.get(first);
  if (form === undefined) return -1;
  if (form.type === 'fixed') return within(bytes, at + 1 + form.bytes);
  const start = at + 1 + form.lengthBytes;
  if (start > bytes.length) return -1;
  let length = 0;
  for (let i = at + 1; i < start; i++) length = length * 256 + (bytes[i] as number);
  return form.type === 'blob' ? within(bytes, start + length) : endOfList(bytes, start, length, depth);
}

function within(bytes: Uint8Array, end: number): number {
  return end <= bytes.length ? end : -1;
}

function endOfList(bytes: Uint8Array, start: number, count: number, depth: number): number {
  let at = start;
  for (let i = 0; i < count && at >= 0; i++) at = endOf(bytes, at, depth + 1);
  return at;
}
