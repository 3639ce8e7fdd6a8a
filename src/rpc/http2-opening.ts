/**
 * What an HTTP/2 client says before HTTP/2 itself takes the connection: preface, settings, and its first request's header block,
 * whose `:authority` is made legal here (hpack-authority.ts). Pure: bytes in, a verdict out; the accept layer owns socket and time.
 *
 * A client may wait for the server's SETTINGS before it sends a request (grpc-go does). It then gets an empty SETTINGS frame of
 * ours, and its one ACK of it is taken out again wherever it stands: HTTP/2 sends SETTINGS of its own and would take it for theirs.
 * A client that has its request in the first bytes is not made to wait, and gets none. Whatever is odd goes on as it came.
 */
import { mendAuthority } from './hpack-authority.ts';

/**
 * more: wait for more bytes. greet: send `greeting`, then wait. done: `take()` the bytes and hand over. refused: no client would do
 * that; close.
 */
export type OpeningVerdict = 'more' | 'greet' | 'done' | 'refused';

/** An empty SETTINGS frame. */
export const greeting = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

const prefaceBytes = 24;
const headBytes = 9;
/** The longest frame while only default settings are in force. */
const frameBytesMax = 16_384;
const frameTypes = { headers: 1, priority: 2, settings: 4, windowUpdate: 8, continuation: 9 } as const;
const flag = { ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;
const padLengthBytes = 1;
const priorityBytes = 5;

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  /** Of the whole frame in the buffer, and where its payload begins. */
  readonly start: number;
  readonly payload: number;
  readonly end: number;
}

export class Http2Opening {
  readonly #bytesMax: number;
  /** All that came, at the front of a buffer that doubles. */
  #buffer = Buffer.alloc(256);
  #length = 0;
  /** Where the next frame begins. */
  #at = prefaceBytes;
  /** Still waiting for the end of the first header block. */
  #looking = true;
  /** Where its parts are, in one or more frames of one stream. */
  readonly #block: { readonly from: number; readonly to: number }[] = [];
  #blockStream = 0;
  #greeted = false;
  #ackAt: number | undefined;

  /** `bytesMax`: more than that is neither kept nor looked at. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The client has said a whole number of frames and asked for nothing yet: it may be handed over, or left to think. */
  get idle(): boolean {
    return this.#at === this.#length && this.#block.length === 0 && !this.#owed;
  }

  /** Takes the next bytes. The first must begin with the preface and a whole SETTINGS head (`protocolOf` saw them). */
  push(chunk: Uint8Array): OpeningVerdict {
    this.#append(chunk);
    const verdict = this.#scan();
    if (verdict !== 'more') return verdict;
    if (this.#length > this.#bytesMax) return this.#owed ? 'refused' : 'done';
    if (this.#greeted || !this.idle) return 'more';
    this.#greeted = true;
    return 'greet';
  }

  /** All that came, as HTTP/2 is to see it. */
  take(): Buffer {
    const all = this.#buffer.subarray(0, this.#length);
    if (this.#ackAt === undefined) return all;
    return Buffer.concat([all.subarray(0, this.#ackAt), all.subarray(this.#ackAt + headBytes)]);
  }

  /** Our SETTINGS went out and their ACK has not come. */
  get #owed(): boolean {
    return this.#greeted && this.#ackAt === undefined;
  }

  #append(chunk: Uint8Array): void {
    const length = this.#length + chunk.length;
    if (length > this.#buffer.length) {
      const larger = Buffer.alloc(Math.max(length, 2 * this.#buffer.length));
      this.#buffer.copy(larger, 0, 0, this.#length);
      this.#buffer = larger;
    }
    this.#buffer.set(chunk, this.#length);
    this.#length = length;
  }

  #scan(): OpeningVerdict {
    while (this.#looking || this.#owed) {
      if (this.#at + headBytes > this.#length) return 'more';
      const frame = this.#frame();
      // Only HTTP/2 can say what is wrong with it; we cannot look behind it.
      if (frame.end - frame.payload > frameBytesMax) return this.#owed ? 'refused' : 'done';
      if (this.#looking && !this.#belongs(frame)) {
        this.#looking = false;
        continue;
      }
      if (frame.end > this.#length) return 'more';
      if (this.#looking) this.#look(frame);
      if (this.#owed && isSettingsAck(frame)) this.#ackAt = frame.start;
      this.#at = frame.end;
    }
    return 'done';
  }

  #frame(): Frame {
    const start = this.#at;
    const payload = start + headBytes;
    return {
      type: this.#buffer[start + 3] as number,
      flags: this.#buffer[start + 4] as number,
      stream: this.#buffer.readUInt32BE(start + 5) & 0x7fff_ffff,
      start,
      payload,
      end: payload + this.#buffer.readUIntBE(start, 3),
    };
  }

  /** Whether the frame may come before, or in, the first header block. Others (a PING) want an answer of HTTP/2 itself. */
  #belongs({ type, stream }: Frame): boolean {
    if (this.#blockStream !== 0) return type === frameTypes.continuation && stream === this.#blockStream;
    switch (type) {
      case frameTypes.settings:
      case frameTypes.windowUpdate:
      case frameTypes.priority:
        return true;
      case frameTypes.headers:
        return stream !== 0;
      default:
        return false;
    }
  }

  #look(frame: Frame): void {
    if (frame.type !== frameTypes.headers && frame.type !== frameTypes.continuation) return;
    let { payload: from, end: to } = frame;
    if (frame.type === frameTypes.headers) {
      this.#blockStream = frame.stream;
      if ((frame.flags & flag.padded) !== 0) {
        to -= from < to ? (this.#buffer[from] as number) : 0;
        from += padLengthBytes;
      }
      if ((frame.flags & flag.priority) !== 0) from += priorityBytes;
    }
    // Padding that is longer than the frame: HTTP/2 refuses it.
    if (from > to) this.#looking = false;
    else this.#block.push({ from, to });
    if (!this.#looking || (frame.flags & flag.endHeaders) === 0) return;
    this.#looking = false;
    this.#mend();
  }

  /** A block may stand in several frames: it is mended as one, and laid back. */
  #mend(): void {
    const block = Buffer.concat(this.#block.map(({ from, to }) => this.#buffer.subarray(from, to)));
    if (!mendAuthority(block)) return;
    let at = 0;
    for (const { from, to } of this.#block) at += block.copy(this.#buffer, from, at, at + to - from);
  }
}

function isSettingsAck({ type, flags, stream, payload, end }: Frame): boolean {
  return type === frameTypes.settings && (flags & flag.ack) !== 0 && stream === 0 && end === payload;
}
