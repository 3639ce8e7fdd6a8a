/**
 * The streams of a connection: how they begin, what comes on them, how they end (RFC 9113 §5.1, §8.1), and the two windows that all of
 * them share (§5.2). Owns the open ones, and which numbers were used.
 */
import { connectionWindowBytes, streamWindowBytes } from '../base/limits.ts';
import type { ControlFrames } from './control-frames.ts';
import type { Floods } from './floods.ts';
import type { RequestHead } from './request-head.ts';
import { SendQueue } from './send-queue.ts';
import { Stream, type StreamHome } from './stream.ts';
import type { StreamShare } from './stream-room.ts';
import { ConnectionFault, errorCodes, flags, int31Max, windowBytesDefault } from './words.ts';

/** Who serves the calls of a connection. */
export interface StreamsHost {
  /** A call has come. The host gives the stream its user, or an answer. */
  called(stream: Stream, head: RequestHead): void;
  /** There is something to send. */
  sendable(): void;
  /** A stream is answered and its client has more to say: `letGo` wants to be called, not quite at once. */
  lingering(): void;
  /** The last stream has ended. */
  idle(): void;
}

export class Streams implements StreamHome {
  readonly #host: StreamsHost;
  readonly #max: number;
  readonly #room: StreamShare;
  readonly #control: ControlFrames;
  readonly #floods: Floods;
  readonly #open = new Map<number, Stream>();
  readonly queue = new SendQueue();
  #lingering: Stream[] = [];
  /** The highest number that was used, and the highest that was served. */
  #usedMax = 0;
  lastServed = 0;
  /** Beyond it no stream is served any more; the client knows. */
  servedMax = int31Max;
  /** What each stream may send at first, and what all together may. */
  #firstWindow = windowBytesDefault;
  sendWindow = windowBytesDefault;
  #receiveWindow = connectionWindowBytes;
  #untoldBytes = 0;
  /** Bytes of answers that are not in a frame yet. */
  keptBytes = 0;

  constructor(host: StreamsHost, max: number, room: StreamShare, control: ControlFrames, floods: Floods) {
    this.#host = host;
    this.#max = max;
    this.#room = room;
    this.#control = control;
    this.#floods = floods;
  }

  get count(): number {
    return this.#open.size;
  }

  // ── what the client sends ────────────────────────────────────────────────────────────────────────────────────────────────

  onHead(head: RequestHead, id: number, ends: boolean): void {
    const stream = this.#open.get(id);
    if (stream !== undefined) this.#onTrailers(stream, head, ends);
    else if (id > this.#usedMax) this.#onRequest(head, id, ends);
    else if (!ends) throw new ConnectionFault(errorCodes.protocol, 'a stream id is used again');
    // Else the trailers of a stream that we have reset meanwhile.
    else this.#floods.idle();
  }

  onData(frameFlags: number, id: number, bytes: Uint8Array, from: number, to: number): void {
    const length = to - from;
    const padded = (frameFlags & flags.padded) !== 0;
    const padding = padded ? 1 + (from < to ? (bytes[from] as number) : length) : 0;
    if (padding > length) throw new ConnectionFault(errorCodes.protocol, 'padding is longer than its frame');
    this.#receiveWindow -= length;
    if (this.#receiveWindow < 0) throw new ConnectionFault(errorCodes.flowControl, 'more than the window');
    const ends = (frameFlags & flags.endStream) !== 0;
    const body = length - padding;
    if (body === 0 && !ends) this.#floods.idle();
    const stream = this.#open.get(id);
    if (stream === undefined) {
      this.#insistUsed(id);
      this.#floods.idle();
      this.#tookOfAll(length);
      return;
    }
    stream.receiveWindow -= length;
    stream.untakenBytes += length;
    const wrong = errorOfData(stream, body, ends);
    if (wrong !== errorCodes.noError) {
      this.reset(stream, wrong);
      return;
    }
    if (padding > 0) stream.took(padding);
    if (body > 0) {
      this.#floods.used();
      const start = padded ? from + 1 : from;
      if (stream.user === undefined || stream.localEnded) stream.took(body);
      else stream.user.body(bytes, start, start + body);
    }
    if (ends) this.#remoteEnds(stream);
  }

  onReset(id: number): void {
    this.#insistUsed(id);
    const stream = this.#open.get(id);
    if (stream === undefined) {
      this.#floods.idle();
      return;
    }
    if (!stream.headSent) this.#floods.givenUp();
    this.#forget(stream, true);
  }

  onWindowUpdate(id: number, more: number): void {
    this.#insistUsed(id);
    const stream = this.#open.get(id);
    if (stream === undefined) return;
    if (more === 0) this.reset(stream, errorCodes.protocol);
    else if (stream.sendWindow + more > int31Max) this.reset(stream, errorCodes.flowControl);
    else {
      stream.sendWindow += more;
      this.ready(stream);
    }
  }

  /** The window of all streams grows. */
  widen(more: number): void {
    if (this.sendWindow + more > int31Max) throw new ConnectionFault(errorCodes.flowControl, 'a window too large');
    this.sendWindow += more;
    if (this.queue.unblock()) this.#host.sendable();
  }

  /** A setting: the first window of each stream; those that are open have as much more or less. */
  firstWindow(bytes: number): void {
    const more = bytes - this.#firstWindow;
    if (more === 0) return;
    this.#firstWindow = bytes;
    for (const stream of this.#open.values()) {
      if (stream.sendWindow + more > int31Max) throw new ConnectionFault(errorCodes.flowControl, 'a window too large');
      stream.sendWindow += more;
      this.ready(stream);
    }
  }

  /** Calls that come from now on are refused. */
  closeDoor(): void {
    this.servedMax = this.lastServed;
  }

  /** Tells clients to say no more on streams that are answered. */
  letGo(): void {
    const streams = this.#lingering;
    this.#lingering = [];
    for (const stream of streams) if (!stream.closed) this.reset(stream, errorCodes.noError);
  }

  /** The connection is over. */
  end(): void {
    for (const stream of [...this.#open.values()]) this.#forget(stream, true);
  }

  // ── what streams say of themselves ───────────────────────────────────────────────────────────────────────────────────────

  ready(stream: Stream): void {
    if (stream.queued || !stream.sendable) return;
    this.queue.add(stream);
    this.#host.sendable();
  }

  kept(bytes: number): void {
    this.keptBytes += bytes;
  }

  took(stream: Stream, bytes: number): void {
    stream.untakenBytes -= bytes;
    this.#tookOfAll(bytes);
    stream.untoldBytes += bytes;
    if (stream.remoteEnded || stream.localEnded || stream.untoldBytes < streamWindowBytes / 2) return;
    this.#control.windowUpdate(stream.id, stream.untoldBytes);
    this.#host.sendable();
    stream.receiveWindow += stream.untoldBytes;
    stream.untoldBytes = 0;
  }

  answered(stream: Stream): void {
    if (stream.remoteEnded) this.#forget(stream, false);
    else if (this.#lingering.push(stream) === 1) this.#host.lingering();
  }

  /** Ends a stream that is open. */
  reset(stream: Stream, code: number): void {
    this.#forget(stream, true);
    this.#refuse(stream.id, code);
  }

  #onRequest(head: RequestHead, id: number, ends: boolean): void {
    this.#usedMax = id;
    if (id > this.servedMax) {
      this.#refuse(id, errorCodes.refusedStream);
      return;
    }
    this.lastServed = id;
    if (head.tooLarge) this.#refuse(id, errorCodes.enhanceYourCalm);
    else if (!head.wellFormed || (ends && (head.contentLength ?? 0) > 0)) this.#refuse(id, errorCodes.protocol);
    else if (this.#open.size >= this.#max || !this.#room.enter(head)) this.#refuse(id, errorCodes.refusedStream);
    else {
      const stream = new Stream(id, this, head, streamWindowBytes, this.#firstWindow);
      stream.bodyLeft = head.contentLength;
      this.#open.set(id, stream);
      this.#host.called(stream, head);
      if (ends) this.#remoteEnds(stream);
    }
  }

  /** Ends a stream that was not taken, or is open no more. */
  #refuse(id: number, code: number): void {
    if (code !== errorCodes.noError) this.#floods.idle();
    this.#control.resetStream(id, code);
    this.#host.sendable();
  }

  #onTrailers(stream: Stream, head: RequestHead, ends: boolean): void {
    if (stream.remoteEnded) this.reset(stream, errorCodes.streamClosed);
    else if (!ends || head.pseudo || head.malformed || (stream.bodyLeft ?? 0) > 0)
      this.reset(stream, errorCodes.protocol);
    else this.#remoteEnds(stream);
  }

  #remoteEnds(stream: Stream): void {
    stream.remoteEnded = true;
    if (stream.localEnded) this.#forget(stream, false);
    else stream.user?.halfClosed();
  }

  #tookOfAll(bytes: number): void {
    this.#untoldBytes += bytes;
    if (this.#untoldBytes < connectionWindowBytes / 2) return;
    this.#control.windowUpdate(0, this.#untoldBytes);
    this.#host.sendable();
    this.#receiveWindow += this.#untoldBytes;
    this.#untoldBytes = 0;
  }

  /** On a stream that has not begun only HEADERS may come. */
  #insistUsed(id: number): void {
    if (id > this.#usedMax || id % 2 === 0) throw new ConnectionFault(errorCodes.protocol, 'a stream that is idle');
  }

  #forget(stream: Stream, gone: boolean): void {
    if (!this.#open.delete(stream.id)) return;
    this.#room.leave(stream.head);
    this.#tookOfAll(stream.untakenBytes);
    stream.drop();
    if (gone && stream.queued) this.queue.gone();
    if (gone) stream.user?.gone();
    if (this.#open.size === 0) this.#host.idle();
  }
}

/** What is wrong with a frame of data that has come on an open stream, if anything. */
function errorOfData(stream: Stream, body: number, ends: boolean): number {
  if (stream.remoteEnded) return errorCodes.streamClosed;
  if (stream.receiveWindow < 0) return errorCodes.flowControl;
  if (stream.bodyLeft === undefined) return errorCodes.noError;
  stream.bodyLeft -= body;
  return stream.bodyLeft < 0 || (ends && stream.bodyLeft > 0) ? errorCodes.protocol : errorCodes.noError;
}
