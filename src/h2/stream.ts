/**
 * One HTTP/2 stream at the side that answers: its two windows, and what is to be sent on it, gRPC messages and a status. Owns messages
 * until they are written into frames; one frame takes as many messages as there are. What is received goes to its user, who says when it
 * has taken it.
 */
import { waitingMessageBytes } from '../base/limits.ts';
import type { AnswerHeads, EndStatus } from './answer-heads.ts';
import type { FrameWriter } from './frame-writer.ts';
import type { KeptHead } from './stream-room.ts';
import { frameHeadBytes, framePayloadBytesMax, frameTypes } from './words.ts';

/** Who serves the stream. */
export interface StreamUser {
  /** Bytes of the body, which are the user's; it calls `took` once they are no longer in the way. */
  body(bytes: Uint8Array, from: number, to: number): void;
  /** The client sends no more. */
  halfClosed(): void;
  /** It was reset, or its connection is lost: nothing is heard or said any more. */
  gone(): void;
  /** So much has left that what was asked of `whenBelow` holds. */
  drained(): void;
}

/** The connection, as its streams know it. */
export interface StreamHome {
  /** What all streams together may still send. */
  sendWindow: number;
  /** The stream has something to send. */
  ready(stream: Stream): void;
  /** So many bytes more, or fewer, are kept for the client. */
  kept(bytes: number): void;
  /** So many bytes of the stream's body are out of the way. */
  took(stream: Stream, bytes: number): void;
  /** The last frame of the answer was written. */
  answered(stream: Stream): void;
}

/** Why a stream stopped writing: it has no more, or its window is closed; no memory; the connection's window is closed; others' turn. */
export type Stopped = 'idle' | 'full' | 'connection' | 'turn';

const nothing = new Uint8Array(0);
const prefixBytes = 5;
/** Frames of data a stream may write before others have their turn. */
const framesPerTurn = 4;
/** Written messages that are kept in front of those that are not. */
const writtenMax = 64;
/** A frame of data fits, and two of headers. */
export const writeRoomBytes = framePayloadBytesMax + 3 * frameHeadBytes + 6 * 1024;

export class Stream {
  readonly id: number;
  /** Of its request's head, which is kept as long as it is. */
  readonly head: KeptHead;
  readonly #home: StreamHome;
  user: StreamUser | undefined;
  /** What the client may still send, and what we may; the latter may fall below zero when settings change. */
  receiveWindow: number;
  sendWindow: number;
  /** Received and not taken; taken and not told the client. */
  untakenBytes = 0;
  untoldBytes = 0;
  /** Body still to come, as far as the client said; undefined: it did not. */
  bodyLeft: number | undefined;
  remoteEnded = false;
  localEnded = false;
  /** It is in the map of its connection no more. */
  closed = false;
  /** It is in the queue of those who may write. */
  queued = false;
  /** Bytes of messages, framed, that are not in a frame yet. */
  unsentBytes = 0;
  #wakeBelow = -1;
  #messages: Uint8Array[] = [];
  /** Of each: bytes of the prefix that it needs; none, if it has prefixes of its own. */
  #prefixes: number[] = [];
  /** Of the first message: which it is, and how much of it and its prefix is written. */
  #next = 0;
  #written = 0;
  #headSent = false;
  #end: EndStatus | undefined;
  #httpStatus = 0;

  constructor(id: number, home: StreamHome, head: KeptHead, receiveWindow: number, sendWindow: number) {
    this.id = id;
    this.#home = home;
    this.head = head;
    this.receiveWindow = receiveWindow;
    this.sendWindow = sendWindow;
  }

  /** The client has heard of an answer. */
  get headSent(): boolean {
    return this.#headSent;
  }

  /** The answer is complete, if not sent. */
  get ending(): boolean {
    return this.#end !== undefined || this.#httpStatus !== 0;
  }

  /** Sends a message, as soon as windows allow. */
  message(message: Uint8Array): void {
    this.#send(message, prefixBytes);
  }

  /** Sends messages that stand in their frames already. */
  framed(messages: Uint8Array): void {
    this.#send(messages, 0);
  }

  /** What messages that are not in a frame yet count for: their bytes, and what each costs besides. */
  get waitingBytes(): number {
    return this.unsentBytes + (this.#messages.length - this.#next) * waitingMessageBytes;
  }

  #send(message: Uint8Array, prefix: number): void {
    if (this.closed || this.ending || message.length + prefix === 0) return;
    this.#messages.push(message);
    this.#prefixes.push(prefix);
    const bytes = message.length + prefix;
    this.unsentBytes += bytes;
    this.#home.kept(bytes + waitingMessageBytes);
    if (!this.queued) this.#home.ready(this);
  }

  /** Ends the answer behind all messages. */
  end(status: EndStatus): void {
    if (this.closed || this.ending) return;
    this.#end = status;
    this.#home.kept(status.text.length);
    if (!this.queued) this.#home.ready(this);
  }

  /** The answer is an HTTP status and nothing else; not behind a message. */
  refuse(httpStatus: number): void {
    if (this.closed || this.ending || this.#headSent || this.unsentBytes > 0) return;
    this.#httpStatus = httpStatus;
    if (!this.queued) this.#home.ready(this);
  }

  /** The user is done with so many bytes of the body. */
  took(bytes: number): void {
    if (!this.closed) this.#home.took(this, bytes);
  }

  /** `drained` is called once `waitingBytes` is no more than that. */
  whenBelow(bytes: number): void {
    this.#wakeBelow = bytes;
  }

  /** It has something to send, and its own window allows it. */
  get sendable(): boolean {
    return this.unsentBytes > 0 ? this.sendWindow > 0 : this.ending && !this.localEnded;
  }

  /** Writes what it may. */
  write(out: FrameWriter, heads: AnswerHeads): Stopped {
    const stopped = this.#write(out, heads);
    if (this.waitingBytes <= this.#wakeBelow) {
      this.#wakeBelow = -1;
      this.user?.drained();
    }
    return stopped;
  }

  /** Forgets what was to be sent. */
  drop(): void {
    this.closed = true;
    this.#home.kept(-this.waitingBytes);
    if (!this.localEnded) this.#home.kept(-(this.#end?.text.length ?? 0));
    this.unsentBytes = 0;
    this.#messages = [];
    this.#prefixes = [];
    this.#next = 0;
  }

  #write(out: FrameWriter, heads: AnswerHeads): Stopped {
    for (let frames = 0; ; ) {
      if (out.room < writeRoomBytes) return 'full';
      if (!this.#headSent && !this.#begin(out, heads)) return 'idle';
      if (this.unsentBytes === 0) {
        if (this.#end !== undefined && !this.localEnded) {
          heads.trailers(out, this.id, this.#end);
          this.#ended();
        }
        return 'idle';
      }
      if (this.sendWindow <= 0) return 'idle';
      if (this.#home.sendWindow <= 0) return 'connection';
      if (frames++ === framesPerTurn) return 'turn';
      this.#data(out, Math.min(this.unsentBytes, framePayloadBytesMax, this.sendWindow, this.#home.sendWindow));
    }
  }

  /** Writes the head; returns whether more is to come. */
  #begin(out: FrameWriter, heads: AnswerHeads): boolean {
    if (this.unsentBytes > 0) heads.head(out, this.id);
    else if (this.#httpStatus !== 0) heads.httpStatus(out, this.id, this.#httpStatus);
    else if (this.#end !== undefined) heads.headAndTrailers(out, this.id, this.#end);
    else return false;
    this.#headSent = true;
    if (this.unsentBytes > 0) return true;
    this.#ended();
    return false;
  }

  #ended(): void {
    this.localEnded = true;
    this.#home.kept(-(this.#end?.text.length ?? 0));
    this.#home.answered(this);
  }

  /** One frame with the next `bytes` of what is unsent. */
  #data(out: FrameWriter, bytes: number): void {
    out.head(bytes, frameTypes.data, 0, this.id);
    this.sendWindow -= bytes;
    this.#home.sendWindow -= bytes;
    this.unsentBytes -= bytes;
    let kept = bytes;
    for (let left = bytes; left > 0; ) {
      const message = this.#messages[this.#next] as Uint8Array;
      const prefix = this.#prefixes[this.#next] as number;
      let at = this.#written;
      const end = Math.min(at + left, message.length + prefix);
      left -= end - at;
      if (at === 0 && prefix > 0 && end >= prefix) {
        out.byte(0);
        out.uint32(message.length);
        at = prefix;
      } else for (; at < Math.min(end, prefix); at++) out.byte(prefixByte(message, at));
      out.raw(message, at - prefix, end - prefix);
      this.#written = end;
      if (end < message.length + prefix) break;
      this.#shift();
      kept += waitingMessageBytes;
    }
    this.#home.kept(-kept);
  }

  /** The first message is written. */
  #shift(): void {
    this.#written = 0;
    // Its memory does not wait for its neighbours.
    this.#messages[this.#next] = nothing;
    if (++this.#next === this.#messages.length) {
      this.#messages = [];
      this.#prefixes = [];
      this.#next = 0;
    } else if (this.#next === writtenMax) {
      this.#messages.splice(0, writtenMax);
      this.#prefixes.splice(0, writtenMax);
      this.#next = 0;
    }
  }
}

/** gRPC's prefix: not compressed, then the length. */
function prefixByte(message: Uint8Array, at: number): number {
  return at === 0 ? 0 : (message.length >>> (8 * (prefixBytes - 1 - at))) & 0xff;
}
