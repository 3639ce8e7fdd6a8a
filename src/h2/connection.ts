/**
 * An HTTP/2 connection at the side that answers (RFC 9113), without its socket: bytes in, calls out; messages in, bytes out. Owns the order
 * in which frames may come, settings, signs of life and the end. What a client does wrong ends its stream or the connection, as the RFC
 * says which; what it does too much of ends the connection (floods.ts). Knows no gRPC beyond the shape of an answer.
 */
import { ControlFrames } from './control-frames.ts';
import { Floods } from './floods.ts';
import { FrameReader, type FrameSink, readUint31, readUint32 } from './frame-reader.ts';
import type { FrameWriter } from './frame-writer.ts';
import { HeaderBlocks } from './header-blocks.ts';
import type { RequestHead } from './request-head.ts';
import type { Stream } from './stream.ts';
import type { StreamShare } from './stream-room.ts';
import { Streams, type StreamsHost } from './streams.ts';
import {
  ConnectionFault,
  errorCodes,
  flags,
  framePayloadBytesMax,
  frameTypes,
  int31Max,
  settingIds,
  windowBytesDefault,
} from './words.ts';

/** Whose connection it is: who has the socket, and serves the calls. */
export type ConnectionHost = StreamsHost;

/** What `write` wants room for. */
export const writerBytes = 128 * 1024;

export class Connection implements FrameSink, StreamsHost {
  readonly #host: ConnectionHost;
  readonly #reader = new FrameReader(this);
  readonly #blocks = new HeaderBlocks();
  readonly #control = new ControlFrames();
  readonly #floods = new Floods();
  readonly #streams: Streams;
  /** The client's first SETTINGS have come. */
  #settled = false;
  /** As it was set last. A frame may set it thousands of times, and each that counts goes to all streams. */
  #firstWindow = windowBytesDefault;
  #leaving = false;
  /** Nothing more is read; the last that is written is a GOAWAY. */
  ended = false;
  /** Our last ping was answered. */
  alive = true;

  /** `streamsMax` of its own; `room` for those of all connections from its address. */
  constructor(host: ConnectionHost, streamsMax: number, room: StreamShare) {
    this.#host = host;
    this.#streams = new Streams(this, streamsMax, room, this.#control, this.#floods);
    this.#control.open(streamsMax);
    host.sendable();
  }

  /** Open streams. */
  get streamCount(): number {
    return this.#streams.count;
  }

  /** Bytes of answers that are not in a frame yet. */
  get keptBytes(): number {
    return this.#streams.keptBytes;
  }

  /** Takes what came. `nowMs` of a clock that does not go back. */
  read(chunk: Uint8Array, nowMs: number): void {
    if (this.ended) return;
    this.#floods.pass(nowMs);
    try {
      this.#reader.push(chunk);
    } catch (error) {
      if (!(error instanceof ConnectionFault)) throw error;
      this.end(error.code);
    }
    if (this.#control.full) this.end(errorCodes.enhanceYourCalm);
  }

  /** Writes what there is to send, as long as there is room, into a writer that is empty. Returns whether there is more. */
  write(out: FrameWriter): boolean {
    this.#control.moveTo(out);
    if (this.ended) return false;
    const before = out.length;
    const more = this.#streams.queue.write(out);
    if (out.length > before) this.#floods.used();
    return more;
  }

  /** Asks for a sign of life; `alive` says whether it has come. */
  ping(): void {
    this.alive = false;
    this.#control.ping(false);
    this.#host.sendable();
  }

  /** Says goodbye in two steps: calls that are under way, and those on their way to us, may end. */
  goodbye(): void {
    if (this.ended || this.#leaving) return;
    this.#leaving = true;
    this.#control.goAway(int31Max, errorCodes.noError);
    this.#control.ping(true);
    this.#host.sendable();
  }

  /** Ends the connection now, with a word to the client. */
  end(code: number): void {
    if (this.ended) return;
    this.lost();
    this.#control.clear();
    this.#control.goAway(this.#streams.lastServed, code);
    this.#host.sendable();
  }

  /** Its socket is gone. */
  lost(): void {
    this.ended = true;
    this.#streams.end();
  }

  letGo(): void {
    if (!this.ended) this.#streams.letGo();
  }

  // ── StreamsHost ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  called(stream: Stream, head: RequestHead): void {
    this.#host.called(stream, head);
  }

  sendable(): void {
    this.#host.sendable();
  }

  lingering(): void {
    this.#host.lingering();
  }

  idle(): void {
    this.#host.idle();
    if (this.#streams.servedMax < int31Max) this.#endWhenSent();
  }

  // ── FrameSink ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  frame(type: number, frameFlags: number, id: number, bytes: Uint8Array, from: number, to: number): void {
    if (!this.#settled) {
      if (type !== frameTypes.settings || (frameFlags & flags.ack) !== 0) throw protocol('settings come first');
      this.#settled = true;
    }
    const { stream: blockStream } = this.#blocks;
    if (blockStream !== 0 && (type !== frameTypes.continuation || id !== blockStream))
      throw protocol('a header block is broken off');
    switch (type) {
      case frameTypes.data:
        this.#streams.onData(frameFlags, id, bytes, from, to);
        break;
      case frameTypes.headers:
        if (id % 2 === 0) throw protocol('HEADERS on a stream that no client opens');
        if (this.#blocks.begin(frameFlags, id, bytes, from, to)) this.#onHead(id);
        break;
      case frameTypes.continuation:
        if (this.#blocks.go(frameFlags, bytes, from, to)) this.#onHead(id);
        break;
      case frameTypes.resetStream:
        if (to - from !== 4) throw frameSize();
        this.#streams.onReset(id);
        break;
      case frameTypes.windowUpdate:
        if (to - from !== 4) throw frameSize();
        this.#onWindowUpdate(id, readUint31(bytes, from));
        break;
      case frameTypes.settings:
        this.#onSettings(frameFlags, id, bytes, from, to);
        break;
      case frameTypes.ping:
        this.#onPing(frameFlags, id, bytes, from, to);
        break;
      case frameTypes.pushPromise:
        throw protocol('a client does not push');
      default:
        this.#onOther(type, id, to - from);
    }
  }

  #onHead(id: number): void {
    const { head, ends } = this.#blocks;
    if (head !== undefined) this.#streams.onHead(head, id, ends);
  }

  #onWindowUpdate(id: number, more: number): void {
    this.#floods.idle();
    if (id !== 0) this.#streams.onWindowUpdate(id, more);
    else if (more === 0) throw protocol('WINDOW_UPDATE of nothing');
    else this.#streams.widen(more);
  }

  #onSettings(frameFlags: number, id: number, bytes: Uint8Array, from: number, to: number): void {
    if (id !== 0) throw protocol('SETTINGS on a stream');
    const ack = (frameFlags & flags.ack) !== 0;
    if ((to - from) % 6 !== 0 || (ack && to > from)) throw frameSize();
    if (ack) {
      this.#floods.idle();
      return;
    }
    this.#floods.settings();
    for (let at = from; at < to; at += 6)
      this.#set(((bytes[at] as number) << 8) | (bytes[at + 1] as number), readUint32(bytes, at + 2));
    this.#streams.firstWindow(this.#firstWindow);
    this.#control.settingsAck();
    this.#host.sendable();
  }

  #set(id: number, value: number): void {
    switch (id) {
      case settingIds.headerTableSize:
        this.#streams.queue.heads.tableSize(value);
        break;
      case settingIds.enablePush:
        if (value > 1) throw protocol('ENABLE_PUSH is no or yes');
        break;
      case settingIds.initialWindowSize:
        if (value > int31Max) throw new ConnectionFault(errorCodes.flowControl, 'a window too large');
        this.#firstWindow = value;
        break;
      case settingIds.maxFrameSize:
        if (value < framePayloadBytesMax || value >= 2 ** 24) throw protocol('a frame size that is none');
    }
  }

  #onPing(frameFlags: number, id: number, bytes: Uint8Array, from: number, to: number): void {
    if (id !== 0) throw protocol('PING on a stream');
    if (to - from !== 8) throw frameSize();
    this.#floods.idle();
    if ((frameFlags & flags.ack) === 0) {
      this.#control.pong(bytes, from);
      this.#host.sendable();
    } else if (!this.#control.isGoodbye(bytes, from)) this.alive = true;
    else if (this.#leaving && this.#streams.servedMax === int31Max) this.#lastGoodbye();
  }

  /** The client knows that it must not call any more, and what it called before has come. */
  #lastGoodbye(): void {
    this.#streams.closeDoor();
    if (this.#streams.count === 0) this.end(errorCodes.noError);
    else {
      this.#control.goAway(this.#streams.lastServed, errorCodes.noError);
      this.#host.sendable();
    }
  }

  /** The last call has its answer, which may stand in the piece that is being written. */
  #endWhenSent(): void {
    if (this.ended) return;
    this.ended = true;
    this.#host.sendable();
  }

  /** PRIORITY, GOAWAY, and frames that we do not know: nothing to be done. */
  #onOther(type: number, id: number, length: number): void {
    this.#floods.idle();
    if (type === frameTypes.priority) {
      if (id === 0) throw protocol('PRIORITY of nothing');
      // A fault of the stream alone, but on one that is idle or gone no reset may be sent.
      if (length !== 5) throw frameSize();
    } else if (type === frameTypes.goAway) {
      if (id !== 0) throw protocol('GOAWAY on a stream');
      if (length < 8) throw frameSize();
    }
  }
}

function protocol(text: string): ConnectionFault {
  return new ConnectionFault(errorCodes.protocol, text);
}

function frameSize(): ConnectionFault {
  return new ConnectionFault(errorCodes.frameSize, 'a frame of the wrong size');
}
