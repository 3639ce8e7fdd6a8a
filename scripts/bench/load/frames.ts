/** HTTP/2's frames (RFC 9113) as the load writes them: into one buffer, which leaves in one write a turn. */
import type { Socket } from 'node:net';

export const frameHeadBytes = 9;
/** What one frame may hold, as long as nobody has said more. */
export const frameBytesMax = 16_384;
/** As grpc-go's servers and ours have it at first. */
export const initialWindow = 65_535;
export const type = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
};
export const flag = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 };
export const setting = { headerTableSize: 1, initialWindowSize: 4 };

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export class FrameWriter {
  #out = Buffer.allocUnsafeSlow(2 ** 16);
  #used = 0;

  /** What a client says first; `streamWindow` and `connectionWindow`: what may come unasked for. */
  opening(streamWindow: number, connectionWindow: number): void {
    this.#put(preface);
    const settings = Buffer.alloc(12);
    settings.writeUInt16BE(2, 0);
    settings.writeUInt16BE(setting.initialWindowSize, 6);
    settings.writeUInt32BE(streamWindow, 8);
    this.frame(type.settings, 0, 0, settings);
    this.windowUpdate(0, connectionWindow - initialWindow);
  }

  frame(frameType: number, flags: number, id: number, payload: Buffer): void {
    this.#head(payload.length, frameType, flags, id);
    this.#put(payload);
  }

  windowUpdate(id: number, bytes: number): void {
    this.#head(4, type.windowUpdate, 0, id);
    this.#used = this.#room(4).writeUInt32BE(bytes, this.#used);
  }

  flush(socket: Socket): void {
    if (this.#used === 0) return;
    socket.write(this.#out.subarray(0, this.#used));
    // The kernel has it all already, or the buffer is the socket's from here on.
    if (socket.writableLength > 0) this.#out = Buffer.allocUnsafeSlow(this.#out.length);
    this.#used = 0;
  }

  #head(length: number, frameType: number, flags: number, id: number): void {
    const out = this.#room(frameHeadBytes);
    const at = this.#used;
    out[at] = length >> 16;
    out[at + 1] = length >> 8;
    out[at + 2] = length;
    out[at + 3] = frameType;
    out[at + 4] = flags;
    out[at + 5] = id >>> 24;
    out[at + 6] = id >> 16;
    out[at + 7] = id >> 8;
    out[at + 8] = id;
    this.#used += frameHeadBytes;
  }

  #put(bytes: Buffer): void {
    bytes.copy(this.#room(bytes.length), this.#used);
    this.#used += bytes.length;
  }

  #room(bytes: number): Buffer {
    if (this.#used + bytes > this.#out.length) {
      const larger = Buffer.allocUnsafeSlow(2 * this.#out.length + bytes);
      this.#out.copy(larger, 0, 0, this.#used);
      this.#out = larger;
    }
    return this.#out;
  }
}
