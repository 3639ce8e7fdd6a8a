/**
 * gRPC's framing of messages over HTTP/2 (PROTOCOL-HTTP2.md of gRPC): a flag, a length, the message. Pure: chunks in, whole
 * messages out, many from one chunk without copying; and the words of its headers.
 */
import { statusTextBytesMax } from '../base/limits.ts';
import { RpcError } from './errors.ts';

const headBytes = 5;

export interface MessageSink {
  /** One whole message, which is the sink's from then on. Returns whether it wants the next one. */
  message(bytes: Uint8Array): boolean;
}

/** Puts messages together again. What is wrong with the stream is thrown as the status it ends with. */
export class MessageReader {
  readonly #bytesMax: number;
  readonly #sink: MessageSink;
  /** The beginning of a message of which the rest has not come; a copy, as a client may cut it into single bytes. */
  #part: Buffer | undefined;
  #partBytes = 0;
  /** What the part message needs in all, head included; `headBytes` until its length is known. */
  #needed = headBytes;

  /** `bytesMax`: of one message. The sink gets bytes of the chunk itself. */
  constructor(bytesMax: number, sink: MessageSink) {
    this.#bytesMax = bytesMax;
    this.#sink = sink;
  }

  /** What is kept of a message of which the rest has not come. */
  get partBytes(): number {
    return this.#partBytes;
  }

  /** In the middle of a message. */
  get torn(): boolean {
    return this.#partBytes > 0;
  }

  /**
   * Reads `chunk` from `from` up to `to`, or until the sink wants no more; returns where it stopped. Throws an `RpcError` when the stream
   * cannot go on.
   */
  push(chunk: Uint8Array, from: number, to: number): number {
    let at = from;
    let wanted = true;
    while (wanted && at < to) {
      if (this.#partBytes === 0 && to - at >= headBytes) {
        const end = at + headBytes + this.#lengthAt(chunk, at);
        if (end <= to) {
          wanted = this.#sink.message(chunk.subarray(at + headBytes, end));
          at = end;
          continue;
        }
        this.#needed = end - at;
      }
      const taken = Math.min(this.#needed - this.#partBytes, to - at);
      wanted = this.#keep(chunk, at, at + taken);
      at += taken;
    }
    return at;
  }

  /** Adds to the part message; hands it over when it is whole. Returns whether more is wanted. */
  #keep(chunk: Uint8Array, from: number, to: number): boolean {
    const bytes = this.#partBytes + to - from;
    let part = this.#part;
    if (part === undefined || bytes > part.length) {
      part = Buffer.allocUnsafe(Math.max(bytes, Math.min(this.#needed, 2 * bytes)));
      this.#part?.copy(part, 0, 0, this.#partBytes);
      this.#part = part;
    }
    part.set(chunk.subarray(from, to), this.#partBytes);
    this.#partBytes = bytes;
    if (bytes < this.#needed) return true;
    this.#needed = headBytes + this.#lengthAt(part, 0);
    if (bytes < this.#needed) return true;
    this.#part = undefined;
    this.#partBytes = 0;
    this.#needed = headBytes;
    return this.#sink.message(part.subarray(headBytes, bytes));
  }

  #lengthAt(bytes: Uint8Array, at: number): number {
    if (bytes[at] !== 0) throw compressedError('');
    const high = bytes[at + 1] as number;
    const low = ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 8) | (bytes[at + 4] as number);
    const length = high * 2 ** 24 + low;
    if (length > this.#bytesMax)
      throw new RpcError(
        'ResourceExhausted',
        `grpc: received message larger than max (${length} vs. ${this.#bytesMax})`,
      );
    return length;
  }
}

/** Whether messages of a stream with that `grpc-encoding` can be read: we take them as they are, as etcd does. */
export function isReadable(encoding: string): boolean {
  return encoding === '' || encoding === 'identity';
}

/** grpc-go's words for what it has no way to read. */
export function compressedError(encoding: string): RpcError {
  return isReadable(encoding)
    ? new RpcError('Internal', 'grpc: compressed flag set with identity or empty encoding')
    : new RpcError(
        'Unimplemented',
        `grpc: Decompressor is not installed for grpc-encoding ${JSON.stringify(encoding)}`,
      );
}

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** Milliseconds of a `grpc-timeout`; undefined where it is none. Parts of a millisecond are none: who asks for less waits no longer. */
export function timeoutMs(header: string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d{1,8})([HMSmun])$/.exec(header) ?? [];
  return digits === '' ? undefined : Math.floor(Number(digits) * (unitMs[unit] as number));
}

/** `grpc-message` is printable ASCII without `%`; everything else is written as UTF-8, byte by byte. What is too long is cut. */
export function statusText(text: string, bytesMax = statusTextBytesMax): string {
  const written = /^[ -$&-~]*$/.test(text) ? text : encodeURIComponent(text).replaceAll('%20', ' ');
  if (written.length <= bytesMax) return written;
  // A part of a string keeps all of it, and the client may not take its answer for long.
  return Buffer.from(written.slice(0, bytesMax).replace(/%.?$/, ''), 'latin1').toString('latin1');
}

/** What is refused before any message is read, by its content type. */
export function isGrpc(contentType: string | undefined): boolean {
  return contentType === 'application/grpc' || /^application\/grpc[+;]/.test(contentType ?? '');
}
