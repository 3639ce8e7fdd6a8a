/**
 * One header field of a request, with what HTTP/2 has against it (RFC 9113 §8.2, §8.3) looked at once: fields stand in tables and are met
 * again with every request. Owns nothing beyond it.
 */

/** Which field it is, as far as we care, or what is wrong with it. */
export const fieldKinds = {
  other: 0,
  method: 1,
  scheme: 2,
  path: 3,
  authority: 4,
  contentType: 5,
  contentLength: 6,
  te: 7,
  grpcTimeout: 8,
  grpcEncoding: 9,
  /** Must not be in a request. */
  malformed: 10,
} as const;

type FieldKind = (typeof fieldKinds)[keyof typeof fieldKinds];

const kindsByName: ReadonlyMap<string, FieldKind> = new Map<string, FieldKind>([
  [':method', fieldKinds.method],
  [':scheme', fieldKinds.scheme],
  [':path', fieldKinds.path],
  [':authority', fieldKinds.authority],
  ['content-type', fieldKinds.contentType],
  ['content-length', fieldKinds.contentLength],
  ['te', fieldKinds.te],
  ['grpc-timeout', fieldKinds.grpcTimeout],
  ['grpc-encoding', fieldKinds.grpcEncoding],
  ['connection', fieldKinds.malformed],
  ['proxy-connection', fieldKinds.malformed],
  ['keep-alive', fieldKinds.malformed],
  ['transfer-encoding', fieldKinds.malformed],
  ['upgrade', fieldKinds.malformed],
]);

/** RFC 7541 §4.1: what a field counts for beside its letters. */
const fieldOverheadBytes = 32;
/** A token of RFC 9110 §5.6.2 without capitals; pseudo-fields are known by name. */
const fieldName = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** RFC 9113 §8.2.1. */
const badValue = /[\0\n\r]|^[ \t]|[ \t]$/;

export class HeaderField {
  readonly name: string;
  /** One character a byte. */
  readonly value: string;
  readonly kind: FieldKind;
  /** As tables and lists count it. */
  readonly bytes: number;

  constructor(name: string, value: string) {
    this.name = name;
    this.value = value;
    this.bytes = name.length + value.length + fieldOverheadBytes;
    this.kind = kindOf(name, value);
  }
}

function kindOf(name: string, value: string): FieldKind {
  const known = kindsByName.get(name);
  if (badValue.test(value) || (known === fieldKinds.te && value !== 'trailers')) return fieldKinds.malformed;
  if (known !== undefined) return known;
  return fieldName.test(name) ? fieldKinds.other : fieldKinds.malformed;
}
