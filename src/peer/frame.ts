/**
 * Frames: what cuts the byte stream between two members into pieces that arrived whole and unchanged. Owns the layout and the
 * incremental parser; knows no message and no socket. Invariants: S2 (a damaged byte is never taken in), S3.
 *
 *     crc32 u32le · length u32le · type u8 · body (length bytes)        the CRC covers length, type and body
 */
import { crc32 } from 'node:zlib';
import { assert } from '../base/assert.ts';
import { longLivedBytes } from '../base/bytes.ts';
import { peerFrameBytesMax } from '../base/limits.ts';
import { ByteWriter } from './byte-writer.ts';

/** CRC, length and type. */
export const frameHeaderBytes = 9;

/** What a body is. The numbers are the wire's and never change their meaning. */
export type FrameType =
  | 'hello'
  | 'refusal'
  | 'message'
  | 'ping'
  | 'pong'
  | 'askAnswer'
  | 'snapshotHead'
  | 'snapshotChunk'
  | 'snapshotEnd'
  | 'snapshotTaken';

const typeNumbers: Readonly<Record<FrameType, number>> = {
  hello: 1,
  refusal: 2,
  message: 3,
  ping: 4,
  pong: 5,
  askAnswer: 6,
  snapshotHead: 7,
  snapshotChunk: 8,
  snapshotEnd: 9,
  snapshotTaken: 10,
};
const typeNames: readonly (FrameType | undefined)[] = [
  undefined,
  'hello',
  'refusal',
  'message',
  'ping',
  'pong',
  'askAnswer',
  'snapshotHead',
  'snapshotChunk',
  'snapshotEnd',
  'snapshotTaken',
];

/** A frame that arrived whole. */
export interface Frame {
  readonly type: FrameType;
  readonly body: Buffer;
  /** The body is memory of its own; else it is a view of a whole read from the socket and must be copied to be kept. */
  readonly owned: boolean;
}

/** Why a stream cannot be read on. Final: what follows has no known beginning. */
export type FrameFault = 'frame too large' | 'frame checksum differs' | 'unknown frame type';

/** Bytes ready for the socket: the pieces of whole frames, in order. Never split between two connections. */
export interface FrameBytes {
  readonly pieces: readonly Buffer[];
  readonly bytes: number;
}

/** Makes frames; small ones made one after another lie in one stretch of memory (see `outbox.ts`). */
export class FrameWriter {
  readonly #writer: ByteWriter;

  constructor(slabBytes?: number) {
    this.#writer = new ByteWriter(slabBytes);
  }

  /** One frame with the body that `fill` writes; undefined if that is longer than any peer would take. */
  frame(type: FrameType, fill: (writer: ByteWriter) => void): FrameBytes | undefined {
    this.#writer.begin();
    this.#writer.reserve(frameHeaderBytes);
    fill(this.#writer);
    const pieces = this.#writer.end();
    const head = pieces[0];
    assert(head !== undefined && head.byteLength >= frameHeaderBytes, 'frame: the header lies in the first piece');
    let bytes = 0;
    for (const piece of pieces) bytes += piece.byteLength;
    if (bytes > peerFrameBytesMax) return undefined;
    head.writeUInt32LE(bytes - frameHeaderBytes, 4);
    head[8] = typeNumbers[type];
    let sum = crc32(head.subarray(4));
    for (let i = 1; i < pieces.length; i++) sum = crc32(pieces[i] as Buffer, sum);
    head.writeUInt32LE(sum, 0);
    return { pieces, bytes };
  }
}

/**
 * Cuts a byte stream into frames, however it arrives. Pull it: `push` what the socket read, then `next` until undefined. What
 * it holds is what arrived and was not pulled yet; an announced length allocates nothing.
 */
export class FrameParser {
  /** Total bytes of a frame, header included. Small until the handshake is over. */
  #frameBytesMax: number;
  /** Bytes before `#at` of the first chunk are done with. */
  #chunks: Buffer[] = [];
  #at = 0;
  #held = 0;
  #fault: FrameFault | undefined;

  constructor(frameBytesMax: number) {
    this.#frameBytesMax = frameBytesMax;
  }

  /** Bytes that arrived and were not pulled. */
  get heldBytes(): number {
    return this.#held;
  }

  /** The other side has shown who it is: longer frames may come. */
  allow(frameBytesMax: number): void {
    this.#frameBytesMax = frameBytesMax;
  }

  push(chunk: Buffer): void {
    if (chunk.byteLength === 0) return;
    this.#chunks.push(chunk);
    this.#held += chunk.byteLength;
  }

  /** The next whole frame; a fault (for ever after); undefined: wait for more bytes. */
  next(): Frame | FrameFault | undefined {
    if (this.#fault !== undefined) return this.#fault;
    if (this.#held < frameHeaderBytes) return undefined;
    const first = this.#joinHeader();
    const total = frameHeaderBytes + first.readUInt32LE(this.#at + 4);
    if (total > this.#frameBytesMax) return this.#fail('frame too large');
    if (this.#held < total) return undefined;
    const owned = first.byteLength - this.#at < total;
    const frame = this.#take(total);
    const sum = crc32(frame.subarray(4));
    if (sum !== frame.readUInt32LE(0)) return this.#fail('frame checksum differs');
    const type = typeNames[frame[8] as number];
    if (type === undefined) return this.#fail('unknown frame type');
    return { type, body: frame.subarray(frameHeaderBytes), owned };
  }

  #fail(fault: FrameFault): FrameFault {
    this.#fault = fault;
    this.#chunks = [];
    this.#held = 0;
    return fault;
  }

  /** The first chunk, which then holds the whole header at `#at`. */
  #joinHeader(): Buffer {
    const first = this.#chunks[0] as Buffer;
    if (first.byteLength - this.#at >= frameHeaderBytes) return first;
    // Rare: the header itself came in two reads. Join just the first chunks; a body that follows is joined once, in `take`.
    let joined = first.subarray(this.#at);
    let used = 1;
    while (joined.byteLength < frameHeaderBytes) joined = Buffer.concat([joined, this.#chunks[used++] as Buffer]);
    this.#chunks.splice(0, used, joined);
    this.#at = 0;
    return joined;
  }

  /** Removes `total` held bytes: a view if one chunk holds them all, else joined into memory of their own. */
  #take(total: number): Buffer {
    this.#held -= total;
    const first = this.#chunks[0] as Buffer;
    const inFirst = first.byteLength - this.#at;
    if (inFirst >= total) {
      const view = first.subarray(this.#at, this.#at + total);
      this.#at += total;
      if (inFirst === total) this.#dropChunks(1, 0);
      return view;
    }
    const joined = longLivedBytes(total);
    let filled = first.copy(joined, 0, this.#at);
    let used = 1;
    while (filled < total) {
      const chunk = this.#chunks[used] as Buffer;
      const copied = chunk.copy(joined, filled, 0, Math.min(chunk.byteLength, total - filled));
      filled += copied;
      if (copied < chunk.byteLength) {
        this.#dropChunks(used, copied);
        return joined;
      }
      used++;
    }
    this.#dropChunks(used, 0);
    return joined;
  }

  #dropChunks(count: number, at: number): void {
    if (count === this.#chunks.length) this.#chunks = [];
    else this.#chunks.splice(0, count);
    this.#at = at;
  }
}
