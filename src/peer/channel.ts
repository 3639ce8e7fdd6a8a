/**
 * One socket between two members, seen as frames. Owns parsing, keepalive, backpressure and the end of the connection; knows no
 * handshake and no message. Frames are either awaited one by one (`read`: handshake, question, snapshot) or consumed as they come
 * (`consume`: messages). A connection that shows no sign of life ends, also where TCP would wait for ever.
 */
import type { Socket } from 'node:net';
import { assert } from '../base/assert.ts';
import { peerFirstFrameBytesMax, peerFrameBytesMax } from '../base/limits.ts';
import { type Frame, type FrameBytes, FrameParser, type FrameType, FrameWriter } from './frame.ts';
import type { PeerTimings } from './timings.ts';

/** Bytes in and out of one channel. */
export interface ChannelBytes {
  received: number;
  sent: number;
}

export class Channel {
  readonly address: string;
  readonly bytes: ChannelBytes = { received: 0, sent: 0 };
  /** The last ping's round trip; undefined before the first. */
  rttMs: number | undefined;
  /** Hears of every round trip, in milliseconds. */
  onRoundTrip: ((ms: number) => void) | undefined;
  /** Resolves when nothing more is read or sent, whoever ended it; refused ones linger a little until their last frame is out. */
  readonly stopped: Promise<void>;
  /** Resolves when the socket is closed, which is later. */
  readonly ended: Promise<void>;

  readonly #socket: Socket;
  /** For small frames; strangers cost little memory. */
  readonly #writer = new FrameWriter(1024);
  readonly #parser = new FrameParser(peerFirstFrameBytesMax);
  #why: string | undefined;
  #tellStopped: () => void = () => {};
  #reader: ((frame: Frame | undefined) => void) | undefined;
  #consume: ((frame: Frame) => void) | undefined;
  #drainWaiters: (() => void)[] = [];
  #onDrain: (() => void) | undefined;
  #keepalive: NodeJS.Timeout | undefined;
  #lastSignMs = performance.now();

  /** Takes over a connected socket. */
  constructor(socket: Socket) {
    this.#socket = socket;
    this.address = `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`;
    socket.setNoDelay(true);
    // Read on demand: nothing is taken from a stranger but what somebody waits for.
    socket.pause();
    socket.on('data', (chunk: Buffer) => this.#arrived(chunk));
    socket.on('drain', () => this.#drained());
    socket.on('error', (error) => this.end(error.message));
    socket.on('end', () => this.end('closed by the other side'));
    this.stopped = new Promise((resolve) => {
      this.#tellStopped = resolve;
    });
    this.ended = new Promise((resolve) => {
      socket.on('close', () => {
        this.end('connection closed');
        resolve();
      });
    });
  }

  /** Why the connection ended; undefined while it is open. */
  get why(): string | undefined {
    return this.#why;
  }

  /** Bytes written and not yet taken by the kernel. */
  get waitingBytes(): number {
    return this.#socket.writableLength;
  }

  /** The handshake is over: long frames may come, and silence is not forgiven. */
  open(timings: PeerTimings): void {
    this.#parser.allow(peerFrameBytesMax);
    this.#lastSignMs = performance.now();
    let lastTickMs = this.#lastSignMs;
    this.#keepalive = setInterval(() => {
      const nowMs = performance.now();
      // We were paused ourselves: what the peer sent meanwhile waits in the socket, so its silence proves nothing.
      if (nowMs - lastTickMs > timings.pingMs * 2) this.#lastSignMs = nowMs;
      lastTickMs = nowMs;
      const backlog = this.#socket.isPaused();
      if (!backlog && nowMs - this.#lastSignMs > timings.silenceMs) return this.end('no sign of life');
      if (this.#socket.writableLength === 0) this.write('ping', (writer) => writer.f64(nowMs));
    }, timings.pingMs);
    this.#keepalive.unref();
  }

  /** The next frame that is no ping; undefined when the connection has ended. One caller at a time. */
  read(): Promise<Frame | undefined> {
    assert(this.#reader === undefined && this.#consume === undefined, 'channel: one reader at a time');
    return new Promise((resolve) => {
      this.#reader = resolve;
      this.#pump();
    });
  }

  /** From now on every frame that is no ping goes to `consume`, in the step in which it arrives. */
  consume(consume: (frame: Frame) => void): void {
    assert(this.#reader === undefined && this.#consume === undefined, 'channel: one reader at a time');
    this.#consume = consume;
    this.#pump();
  }

  /** Called whenever the socket has room again. */
  onDrain(call: () => void): void {
    this.#onDrain = call;
  }

  /** Sends one frame. */
  write(type: FrameType, fill: Parameters<FrameWriter['frame']>[1]): void {
    const frame = this.#writer.frame(type, fill);
    assert(frame !== undefined, `channel: ${type} fits a frame`);
    this.send([frame]);
  }

  /** Sends frames made elsewhere, in one system call if the socket is free. */
  send(frames: readonly FrameBytes[]): void {
    if (this.#why !== undefined) return;
    const socket = this.#socket;
    socket.cork();
    for (const frame of frames) {
      this.bytes.sent += frame.bytes;
      for (const piece of frame.pieces) socket.write(piece);
    }
    socket.uncork();
  }

  /** Resolves when all that was written is with the kernel, or the connection has ended. */
  drained(): Promise<void> {
    if (this.#why !== undefined || !this.#socket.writableNeedDrain) return Promise.resolve();
    return new Promise((resolve) => this.#drainWaiters.push(resolve));
  }

  /** Sends what is queued, then closes; at the latest after `graceMs`. */
  finish(why: string, graceMs: number): void {
    if (this.#why !== undefined) return;
    this.#stop(why);
    const timer = setTimeout(() => this.#socket.destroy(), graceMs);
    this.#socket.once('close', () => clearTimeout(timer));
    // Drain what the other side still sends, so that closing does not turn into a reset that eats our last frame.
    this.#socket.resume();
    this.#socket.end();
  }

  /** Closes at once. */
  end(why: string): void {
    if (this.#why === undefined) this.#stop(why);
    this.#socket.destroy();
  }

  #stop(why: string): void {
    this.#why = why;
    this.#tellStopped();
    clearInterval(this.#keepalive);
    this.#consume = undefined;
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.(undefined);
    this.#wakeDrainWaiters();
  }

  #arrived(chunk: Buffer): void {
    if (this.#why !== undefined) return;
    this.bytes.received += chunk.byteLength;
    this.#lastSignMs = performance.now();
    this.#parser.push(chunk);
    this.#pump();
  }

  #pump(): void {
    while (this.#why === undefined && (this.#reader !== undefined || this.#consume !== undefined)) {
      const frame = this.#parser.next();
      if (frame === undefined) {
        this.#socket.resume();
        return;
      }
      if (typeof frame === 'string') this.end(frame);
      else if (frame.type === 'ping' || frame.type === 'pong') this.#pinged(frame);
      else this.#hand(frame);
    }
    if (this.#why !== undefined) {
      const reader = this.#reader;
      this.#reader = undefined;
      reader?.(undefined);
    } else this.#socket.pause();
  }

  #hand(frame: Frame): void {
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader !== undefined) reader(frame);
    else this.#consume?.(frame);
  }

  #pinged(frame: Frame): void {
    const sentMs = frame.body.byteLength === 8 ? frame.body.readDoubleLE(0) : Number.NaN;
    if (Number.isNaN(sentMs)) this.end('malformed ping');
    else if (frame.type === 'pong') {
      this.rttMs = performance.now() - sentMs;
      this.onRoundTrip?.(this.rttMs);
    }
    // Whoever never reads gets no second answer.
    else if (this.#socket.writableLength === 0) this.write('pong', (writer) => writer.f64(sentMs));
  }

  #drained(): void {
    this.#lastSignMs = performance.now();
    this.#wakeDrainWaiters();
    this.#onDrain?.();
  }

  #wakeDrainWaiters(): void {
    const waiters = this.#drainWaiters;
    this.#drainWaiters = [];
    for (const wake of waiters) wake();
  }
}
