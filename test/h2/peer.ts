/** The asking side of a connection in memory: sends frames of any kind, and reads what comes back. */
import { Connection, type ConnectionHost, writerBytes } from '../../src/h2/connection.ts';
import { FrameWriter } from '../../src/h2/frame-writer.ts';
import { HpackDecoder } from '../../src/h2/hpack-decoder.ts';
import type { RequestHead } from '../../src/h2/request-head.ts';
import type { Stream, StreamUser } from '../../src/h2/stream.ts';
import { StreamRoom } from '../../src/h2/stream-room.ts';
import { http2Frame } from '../cluster/wire.ts';

export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
export const emptySettings = http2Frame(4, 0, 0);
export const endStream = 1;
export const endHeaders = 4;
export const padded = 8;

/** Header fields as HPACK literals without indexing. */
export function literals(fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]));
}

/** A string of HPACK, not coded. */
export function text(letters: string): Buffer {
  const bytes = Buffer.from(letters, 'latin1');
  if (bytes.length < 127) return Buffer.concat([Buffer.of(bytes.length), bytes]);
  const head = [127];
  let left = bytes.length - 127;
  for (; left >= 128; left >>>= 7) head.push(0x80 | (left & 0x7f));
  return Buffer.concat([Buffer.from([...head, left]), bytes]);
}

export const requestFields: readonly (readonly [string, string])[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/a/b'],
  [':authority', 'http://a:1'],
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
];
export const requestBlock = literals(requestFields);

export const headers = (id: number, ends = false, block: Uint8Array = requestBlock): Buffer =>
  http2Frame(1, endHeaders | (ends ? endStream : 0), id, block);
export const data = (id: number, body: Uint8Array, ends = false): Buffer =>
  http2Frame(0, ends ? endStream : 0, id, body);
export const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
export const windowUpdate = (id: number, more: number): Buffer => http2Frame(8, 0, id, uint32(more));
export const reset = (id: number, code = 8): Buffer => http2Frame(3, 0, id, uint32(code));
export const ping = (letters = 'pingpong', ack = 0): Buffer => http2Frame(6, ack, 0, Buffer.from(letters));
export const settings = (...pairs: readonly (readonly [number, number])[]): Buffer =>
  http2Frame(
    4,
    0,
    0,
    Buffer.concat(pairs.map(([id, value]) => Buffer.concat([Buffer.from([id >> 8, id & 255]), uint32(value)]))),
  );

/** A frame that came back. */
export interface Heard {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

/** A call as its server has it; takes all it gets at once, unless told not to. */
export class ToyCall implements StreamUser {
  readonly stream: Stream;
  readonly head: RequestHead;
  body_ = Buffer.alloc(0);
  takes = true;
  halfClosed_ = false;
  gone_ = false;
  drained_ = 0;

  constructor(stream: Stream, head: RequestHead) {
    this.stream = stream;
    this.head = head;
  }
  body(bytes: Uint8Array, from: number, to: number): void {
    this.body_ = Buffer.concat([this.body_, bytes.subarray(from, to)]);
    if (this.takes) this.stream.took(to - from);
  }
  halfClosed(): void {
    this.halfClosed_ = true;
  }
  gone(): void {
    this.gone_ = true;
  }
  drained(): void {
    this.drained_++;
  }
}

export class H2Peer implements ConnectionHost {
  readonly connection: Connection;
  readonly calls: ToyCall[] = [];
  readonly heard: Heard[] = [];
  /** Fields of all header blocks that came back. */
  readonly fields: string[] = [];
  readonly #decoder = new HpackDecoder();
  readonly #writer = new FrameWriter(writerBytes);
  #rest = Buffer.alloc(0);
  nowMs = 1_000_000;
  wantsSend = 0;
  wantsLetGo = 0;
  idles = 0;
  onCall: (call: ToyCall) => void = () => {};

  constructor(streamsMax = 100, room = new StreamRoom(streamsMax, 2 ** 30, 1), address = 'one') {
    this.connection = new Connection(this, streamsMax, room.share(address));
  }

  /** One that has said hello and was heard. */
  static settled(streamsMax = 100, room?: StreamRoom, address?: string): H2Peer {
    const peer = new H2Peer(streamsMax, room, address);
    peer.send(preface, emptySettings);
    peer.heard.length = 0;
    return peer;
  }

  called(stream: Stream, head: RequestHead): void {
    const call = new ToyCall(stream, head);
    this.calls.push(call);
    stream.user = call;
    this.onCall(call);
  }
  sendable(): void {
    this.wantsSend++;
  }
  lingering(): void {
    this.wantsLetGo++;
  }
  idle(): void {
    this.idles++;
  }

  /** All in one chunk; then reads what comes back. */
  send(...frames: readonly Uint8Array[]): void {
    this.connection.read(Buffer.concat(frames), this.nowMs);
    this.receive();
  }

  receive(): void {
    for (let more = true; more; ) {
      more = this.connection.write(this.#writer);
      this.#hear(this.#writer.take());
    }
  }

  /** `type id: payload in hex` of what came back since it was asked last. */
  news(): string[] {
    return this.heard
      .splice(0)
      .map(({ type, flags, id, payload }) => `${type}/${flags} ${id}: ${payload.toString('hex')}`);
  }

  /** The code of the last frame if that is a GOAWAY and the connection is over. */
  get fault(): number | undefined {
    const last = this.heard.at(-1);
    return this.connection.ended && last?.type === 7 ? last.payload.readUInt32BE(4) : undefined;
  }

  /** Codes of streams that were reset. */
  get resets(): (readonly [number, number])[] {
    return this.heard.filter(({ type }) => type === 3).map(({ id, payload }) => [id, payload.readUInt32BE(0)] as const);
  }

  /** All data of a stream so far. */
  bodyOf(id: number): Buffer {
    return Buffer.concat(
      this.heard.filter((frame) => frame.type === 0 && frame.id === id).map(({ payload }) => payload),
    );
  }

  #hear(bytes: Buffer): void {
    const all = Buffer.concat([this.#rest, bytes]);
    let at = 0;
    while (all.length - at >= 9) {
      const end = at + 9 + all.readUIntBE(at, 3);
      if (end > all.length) break;
      const frame: Heard = {
        type: all[at + 3] as number,
        flags: all[at + 4] as number,
        id: all.readUInt32BE(at + 5),
        payload: Buffer.from(all.subarray(at + 9, end)),
      };
      if (frame.type === 1)
        this.#decoder.read(frame.payload, 0, frame.payload.length, {
          field: ({ name, value }) => void this.fields.push(`${frame.id} ${name}: ${value}`),
        });
      this.heard.push(frame);
      at = end;
    }
    this.#rest = all.subarray(at);
  }
}
