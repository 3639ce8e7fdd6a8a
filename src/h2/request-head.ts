/**
 * The head of a request: its fields, as far as gRPC wants them, and whether HTTP/2 allows them (RFC 9113 §8.2, §8.3). Owns the last head
 * of a connection: a client that asks the same again sends the same bytes again, and gets the same head.
 */
import { headerListBytesMax } from '../base/limits.ts';
import { fieldKinds, type HeaderField } from './header-field.ts';
import { type FieldSink, HpackDecoder } from './hpack-decoder.ts';

export class RequestHead implements FieldSink {
  method = '';
  path = '';
  contentType: string | undefined;
  grpcTimeout: string | undefined;
  grpcEncoding: string | undefined;
  /** Undefined: the client did not say. */
  contentLength: number | undefined;
  /** HTTP/2 forbids it. */
  malformed = false;
  /** It has pseudo-fields, so it is no trailer. */
  pseudo = false;
  #scheme = '';
  #authority = false;
  #bytes = 0;
  readonly #fields: HeaderField[] = [];
  /** Open streams that have it. */
  streams = 0;

  /** As HPACK counts them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** More than we said we take; what was beyond was not kept. */
  get tooLarge(): boolean {
    return this.#bytes > headerListBytesMax;
  }

  /** Whether it is a request that HTTP/2 allows. */
  get wellFormed(): boolean {
    return !this.malformed && this.method !== '' && this.#scheme !== '' && this.path !== '';
  }

  /** Of a field that is no pseudo-field: its first value. */
  get(name: string): string | undefined {
    for (const field of this.#fields) if (field.name === name) return field.value;
    return undefined;
  }

  field(field: HeaderField): void {
    this.#bytes += field.bytes;
    if (this.tooLarge) return;
    const { kind, value } = field;
    if (kind >= fieldKinds.method && kind <= fieldKinds.authority) {
      this.#pseudoField(kind, value);
      return;
    }
    this.#fields.push(field);
    switch (kind) {
      case fieldKinds.malformed:
        this.malformed = true;
        break;
      case fieldKinds.contentType:
        this.contentType ??= value;
        break;
      case fieldKinds.grpcTimeout:
        this.grpcTimeout ??= value;
        break;
      case fieldKinds.grpcEncoding:
        this.grpcEncoding ??= value;
        break;
      case fieldKinds.contentLength:
        if (!/^\d{1,15}$/.test(value) || this.contentLength !== undefined) this.malformed = true;
        else this.contentLength = Number(value);
    }
  }

  /** Each at most once, ahead of all others, and none of them empty. */
  #pseudoField(kind: number, value: string): void {
    this.pseudo = true;
    if (this.#fields.length > 0) this.malformed = true;
    if (kind === fieldKinds.method) {
      this.malformed ||= this.method !== '' || value === '';
      this.method = value;
    } else if (kind === fieldKinds.scheme) {
      this.malformed ||= this.#scheme !== '' || value === '';
      this.#scheme = value;
    } else if (kind === fieldKinds.path) {
      this.malformed ||= this.path !== '' || value === '';
      this.path = value;
    } else {
      this.malformed ||= this.#authority;
      this.#authority = true;
    }
  }
}

export class HeadReader {
  readonly #decoder = new HpackDecoder();
  /** The block that was read last, if reading it again brings the same. */
  #lastBlock = Buffer.allocUnsafe(0);
  #lastVersion = -1;
  #last: RequestHead | undefined;

  /** Throws a `ConnectionFault`. A head may be shared by several requests. */
  read(bytes: Uint8Array, from: number, to: number): RequestHead {
    if (this.#last !== undefined && this.#isLast(bytes, from, to)) return this.#last;
    const before = this.#decoder.version;
    const head = new RequestHead();
    this.#decoder.read(bytes, from, to, head);
    if (this.#decoder.version === before && to - from <= rememberedBytesMax) {
      this.#lastBlock = Buffer.from(bytes.subarray(from, to));
      this.#lastVersion = before;
      this.#last = head;
    }
    return head;
  }

  #isLast(bytes: Uint8Array, from: number, to: number): boolean {
    const block = this.#lastBlock;
    if (block.length !== to - from || this.#lastVersion !== this.#decoder.version) return false;
    for (let at = 0; at < block.length; at++) if (block[at] !== bytes[from + at]) return false;
    return true;
  }
}

/** A longer block is not one that was sent before. */
const rememberedBytesMax = 128;
