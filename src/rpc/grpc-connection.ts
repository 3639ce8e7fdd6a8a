/**
 * One client's socket with HTTP/2 on it: what comes is read and its calls are begun, what is to be sent is written in as few pieces as can
 * be. Owns the socket; when it is written to is the server's.
 */
import type { Socket } from 'node:net';
import { grpcGoodbyeMsMax, statusTextCrampedBytesMax, waitingMessageBytes } from '../base/limits.ts';
import { Connection, type ConnectionHost, writerBytes } from '../h2/connection.ts';
import type { FrameWriter } from '../h2/frame-writer.ts';
import type { RequestHead } from '../h2/request-head.ts';
import type { Stream } from '../h2/stream.ts';
import type { StreamRoom, StreamShare } from '../h2/stream-room.ts';
import type { Deadlines } from './deadlines.ts';
import type { Call, CallOptions, Peer } from './grpc-call.ts';
import { statusText } from './grpc-frames.ts';
import type { AcceptedConnection } from './protocol-server.ts';

/** A smaller piece is copied sooner than it is lent, and might hold up far more memory than itself. */
const lentBytesMin = writerBytes / 4;

/** What connections share. */
export interface GrpcHost {
  readonly options: CallOptions & { readonly streamsPerConnectionMax: number };
  readonly deadlines: Deadlines;
  readonly room: StreamRoom;
  /** `send` wants to be called at the end of this turn; asked once until it is. */
  sendable(connection: GrpcConnection): void;
  called(connection: GrpcConnection, stream: Stream, head: RequestHead): void;
}

export class GrpcConnection implements ConnectionHost, Peer {
  readonly accepted: AcceptedConnection;
  readonly #host: GrpcHost;
  readonly #socket: Socket;
  readonly #http2: Connection;
  readonly #room: StreamShare;
  #name: string | undefined;
  /** Calls whose request is here, of the chunk that is being read. */
  #asked: Call[] = [];
  #sendable = false;
  /** The memory of a piece is larger than the piece; so much, as long as the socket has something left. */
  #lent = 0;
  /** Of requests that are not whole. */
  #partBytes = 0;
  nowMs: number;
  pingedMs: number;
  /** When its last call ended. */
  idleSinceMs: number;

  constructor(accepted: AcceptedConnection, host: GrpcHost) {
    this.accepted = accepted;
    this.#socket = accepted.socket;
    this.#host = host;
    this.nowMs = performance.now();
    this.pingedMs = this.nowMs;
    this.idleSinceMs = this.nowMs;
    this.#room = host.room.share(accepted.socket.remoteAddress ?? '');
    this.#http2 = new Connection(this, host.options.streamsPerConnectionMax, this.#room);
    accepted.keepsBy(() => this.#http2.keptBytes + this.#socket.writableLength + this.#lentBytes + this.#partBytes);
  }

  /** Reads from now on. */
  listen(): void {
    this.#socket.on('data', (chunk: Buffer) => this.#read(chunk));
    this.#socket.on('drain', () => this.sendable());
    this.#socket.resume();
  }

  get name(): string {
    this.#name ??= `${this.#socket.remoteAddress}:${this.#socket.remotePort}`;
    return this.#name;
  }

  get options(): CallOptions {
    return this.#host.options;
  }

  get deadlines(): Deadlines {
    return this.#host.deadlines;
  }

  get streamCount(): number {
    return this.#http2.streamCount;
  }

  /** The last ping was answered. */
  get alive(): boolean {
    return this.#http2.alive;
  }

  mayKeep(bytes: number, pieces = 1): boolean {
    return this.accepted.mayKeep(bytes + pieces * waitingMessageBytes);
  }

  statusText(message: string): string {
    const text = statusText(message);
    const fits = text.length <= statusTextCrampedBytesMax || this.mayKeep(text.length);
    return fits ? text : statusText(message, statusTextCrampedBytesMax);
  }

  keepsPart(bytes: number): void {
    this.#partBytes += bytes;
  }

  get full(): boolean {
    return this.accepted.full;
  }

  ping(nowMs: number): void {
    this.pingedMs = nowMs;
    this.#http2.ping();
  }

  goodbye(): void {
    this.#http2.goodbye();
  }

  /** A goodbye to a client that has no call: it may make one in the same moment, or not listen at all. */
  goodbyeInTime(): void {
    this.goodbye();
    this.accepted.allow(grpcGoodbyeMsMax);
    this.accepted.whenLate(() => {
      if (this.streamCount === 0) this.cut();
      else this.accepted.allow(Number.POSITIVE_INFINITY);
    });
  }

  cut(): void {
    this.#socket.destroy();
  }

  lost(): void {
    this.#http2.lost();
    this.#room.close();
  }

  /** Writes what there is to send, unless the kernel has not taken so much of what it was given before; then when it has. */
  send(writer: FrameWriter, socketBytesMax: number): void {
    this.#sendable = false;
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded) return;
    // Our own count of what is kept may cut it meanwhile.
    for (let more = true; more && !socket.destroyed && socket.writableLength < socketBytesMax; ) {
      more = this.#http2.write(writer);
      if (writer.length > 0) this.#write(writer);
    }
    if (!this.#http2.ended) return;
    // Who does not take the last word is cut.
    this.accepted.whenLate(undefined);
    this.accepted.allow(grpcGoodbyeMsMax);
    socket.destroySoon();
  }

  /** A socket that has nothing left offers the kernel a piece at once: what is taken whole need not be copied. */
  #write(writer: FrameWriter): void {
    const socket = this.#socket;
    if (writer.length < lentBytesMin || socket.writableLength > 0) {
      socket.write(writer.take());
      return;
    }
    socket.write(writer.written);
    if (socket.writableLength === 0) {
      writer.clear();
      return;
    }
    this.#lent = writer.part() - socket.writableLength;
    // Only counted: the piece itself was allowed.
    this.accepted.mayKeep(this.#lent);
  }

  /** Memory behind what the kernel has not taken. */
  get #lentBytes(): number {
    if (this.#socket.writableLength === 0) this.#lent = 0;
    return this.#lent;
  }

  asked(call: Call): void {
    this.#asked.push(call);
  }

  // ── ConnectionHost ───────────────────────────────────────────────────────────────────────────────────────────────────────

  called(stream: Stream, head: RequestHead): void {
    this.#host.called(this, stream, head);
  }

  sendable(): void {
    if (this.#sendable) return;
    this.#sendable = true;
    this.#host.sendable(this);
  }

  lingering(): void {
    setImmediate(() => this.#http2.letGo());
  }

  idle(): void {
    this.idleSinceMs = performance.now();
  }

  /** A call is run when all of the chunk is read: its client may have given it up in the same breath. */
  #read(chunk: Buffer): void {
    this.nowMs = performance.now();
    this.#http2.read(chunk, this.nowMs);
    if (this.#asked.length === 0) return;
    const calls = this.#asked;
    this.#asked = [];
    for (const call of calls) call.run();
  }
}
