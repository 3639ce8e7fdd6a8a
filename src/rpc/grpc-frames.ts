/**
 * gRPC's framing of messages over HTTP/2 (PROTOCOL-HTTP2.md of gRPC): a flag, a length, the message. Pure: chunks in, whole
 * messages out, many from one chunk without copying; and the words of its headers.
 */
import { RpcError } from './errors.ts';

const headBytes = 5;

/** Puts messages together again. What is wrong with the stream is thrown as the status it ends with. */
export class MessageReader {
  readonly #bytesMax: number;
  readonly #onMessage: (message: Uint8Array) => void;
  /** The beginning of a message of which the rest has not come. */
  #parts: Uint8Array[] = [];
  #partsBytes = 0;
  /** What the part message needs in all, head included; `headBytes` until its length is known. */
  #needed = headBytes;

  /** `bytesMax`: of one message. `onMessage` gets bytes of the chunk itself, which are the receiver's from then on. */
  constructor(bytesMax: number, onMessage: (message: Uint8Array) => void) {
    this.#bytesMax = bytesMax;
    this.#onMessage = onMessage;
  }

  /** In the middle of a message. */
  get torn(): boolean {
    return this.#partsBytes > 0;
  }

  /** Throws an `RpcError` when the stream cannot go on. */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#partsBytes === 0 && chunk.length - at >= headBytes) {
        const end = at + headBytes + this.#lengthAt(chunk, at);
        if (end <= chunk.length) {
          this.#onMessage(chunk.subarray(at + headBytes, end));
          at = end;
          continue;
        }
        this.#needed = end - at;
      }
      at += this.#keep(chunk, at);
    }
  }

  /** Adds to the part message what the chunk has of it; hands it over when it is whole. Returns the bytes taken. */
  #keep(chunk: Uint8Array, at: number): number {
    const taken = Math.min(this.#needed - this.#partsBytes, chunk.length - at);
    this.#parts.push(chunk.subarray(at, at + taken));
    this.#partsBytes += taken;
    if (this.#partsBytes < this.#needed) return taken;
    const whole = this.#parts.length === 1 ? (this.#parts[0] as Uint8Array) : Buffer.concat(this.#parts);
    const length = this.#lengthAt(whole, 0);
    if (this.#partsBytes < headBytes + length) {
      this.#parts = [whole];
      this.#needed = headBytes + length;
      return taken;
    }
    this.#parts = [];
    this.#partsBytes = 0;
    this.#needed = headBytes;
    this.#onMessage(whole.subarray(headBytes));
    return taken;
  }

  #lengthAt(bytes: Uint8Array, at: number): number {
    if (bytes[at] !== 0) throw compressedError('');
    const [high = 0, , , low = 0] = bytes.subarray(at + 1, at + headBytes);
    const middle = ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 8);
    const length = high * 2 ** 24 + (middle | low);
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

/** Messages as they go out: all of them in one piece. */
export function framed(messages: readonly Uint8Array[], bytes: number): Buffer {
  const piece = Buffer.allocUnsafe(bytes + messages.length * headBytes);
  let at = 0;
  for (const message of messages) {
    piece[at] = 0;
    piece.writeUInt32BE(message.length, at + 1);
    piece.set(message, at + headBytes);
    at += headBytes + message.length;
  }
  return piece;
}

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** Milliseconds of a `grpc-timeout`; undefined where it is none. Parts of a millisecond are none: who asks for less waits no longer. */
export function timeoutMs(header: string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d{1,8})([HMSmun])$/.exec(header) ?? [];
  return digits === '' ? undefined : Math.floor(Number(digits) * (unitMs[unit] as number));
}

/** `grpc-message` is printable ASCII without `%`; everything else is written as UTF-8, byte by byte. */
export function statusText(text: string): string {
  return /^[ -$&-~]*$/.test(text) ? text : encodeURIComponent(text).replaceAll('%20', ' ');
}

/** What is refused before any message is read, by its content type. */
export function isGrpc(contentType: unknown): boolean {
  return typeof contentType === 'string' && /^application\/grpc($|[+;])/.test(contentType);
}

/** A header that may stand there more than once: its first value. */
export function firstOf(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : header?.[0];
}
