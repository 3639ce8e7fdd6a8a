/**
 * A gRPC client on a plain socket, for load: HTTP/2 frames written from bytes made ahead, and of what comes only frame heads, messages
 * and the status of trailers read. Obeys windows, SETTINGS and PING. No TLS, no deadlines, no retries.
 */
import { connect, type Socket } from 'node:net';
import { FrameWriter, flag, frameBytesMax, frameHeadBytes, initialWindow, setting, type } from './frames.ts';
import { HpackReader } from './hpack-read.ts';
import { RequestHeads } from './request-heads.ts';

const messageHeadBytes = 5;
/** What may come unasked for: a stream's, and all of a connection. */
const streamWindow = 2 ** 20;
const connectionWindow = 2 ** 22;
const headerTableBytesMin = 4_096;
const noBytes = Buffer.alloc(0);
/** grpc's codes for what ends without a status of the server's own. */
const unavailable = 14;
const unknown = 2;

/** One call, or one after the other: what is told of it. */
export abstract class Call {
  /** The connection's; do not touch. */
  id = 0;
  sendWindow = 0;
  unacknowledged = 0;
  part: Buffer | undefined;

  /** A message lies in `bytes`, until this returns. */
  abstract message(bytes: Buffer, from: number, to: number): void;
  /** Its last word: grpc's code, 0 if all is well. The object may be used for another call from here on. */
  abstract ended(code: number, text: string): void;
}

interface Waiting {
  readonly call: Call;
  readonly id: number;
  readonly framed: Buffer;
  readonly end: boolean;
}

/** All sockets of a process are read through this, one at a time. */
const readBuffer = Buffer.allocUnsafeSlow(2 ** 18);

export class Connection {
  readonly endpoint: string;
  /** Resolves when the server has spoken. */
  readonly ready: Promise<void>;
  /** When what is being read came, on `performance`'s clock. */
  nowMs = 0;
  #spoke: () => void = () => undefined;
  readonly #socket: Socket;
  readonly #hpack = new HpackReader();
  readonly #heads: RequestHeads;
  readonly #calls = new Map<number, Call>();
  readonly #waiting: Waiting[] = [];
  #nextId = 1;
  #sendWindow = initialWindow;
  #streamSendWindow = initialWindow;
  #unacknowledged = 0;
  #carry: Buffer | undefined;
  #block: { id: number; flags: number; parts: Buffer[] } | undefined;
  readonly #writer = new FrameWriter();
  #reading = false;
  #closed = false;

  constructor(endpoint: string) {
    this.endpoint = endpoint;
    this.#heads = new RequestHeads(endpoint);
    const [host = '', port = ''] = endpoint.split(':');
    const callback = (bytes: number): boolean => {
      this.#received(bytes);
      return true;
    };
    this.#socket = connect({ host, port: Number(port), noDelay: true, onread: { buffer: readBuffer, callback } });
    this.ready = new Promise((resolve, reject) => {
      this.#spoke = resolve;
      this.#socket.once('error', reject);
      this.#socket.once('close', () => reject(new Error(`${endpoint} closed the connection`)));
    });
    this.ready.catch(() => undefined);
    this.#socket.on('error', (error) => this.#lost(String(error)));
    this.#socket.on('close', () => this.#lost('the connection is closed'));
    this.#writer.opening(streamWindow, connectionWindow);
    this.flush();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Begins a call; `framed`, if given, is its only message, with gRPC's head before it. */
  open(path: string, call: Call, framed?: Buffer): void {
    if (this.#closed) {
      call.ended(unavailable, 'the connection is closed');
      return;
    }
    const id = this.#nextId;
    this.#nextId += 2;
    call.id = id;
    call.sendWindow = this.#streamSendWindow;
    call.unacknowledged = 0;
    call.part = undefined;
    this.#calls.set(id, call);
    this.#writer.frame(type.headers, flag.endHeaders, id, this.#heads.next(path));
    if (framed !== undefined) this.send(call, framed, true);
  }

  /** Another message on an open call; without bytes just its end. The bytes are the caller's again afterwards. */
  send(call: Call, framed: Buffer = noBytes, end = false): void {
    if (this.#closed) return;
    if (this.#waiting.length > 0 || !this.#fits(call, framed)) {
      this.#waiting.push({ call, id: call.id, framed: Buffer.from(framed), end });
      return;
    }
    this.#data(call, framed, end);
  }

  /** What was written while nothing was being read leaves now; else it leaves by itself after the reading. */
  flush(): void {
    if (!this.#reading && !this.#closed) this.#writer.flush(this.#socket);
  }

  close(): void {
    this.#calls.clear();
    this.#closed = true;
    this.#socket.destroy();
  }

  #fits(call: Call, framed: Buffer): boolean {
    if (framed.length > frameBytesMax) throw new Error('a message of the load is larger than a frame');
    return framed.length <= this.#sendWindow && framed.length <= call.sendWindow;
  }

  #data(call: Call, framed: Buffer, end: boolean): void {
    this.#sendWindow -= framed.length;
    call.sendWindow -= framed.length;
    this.#writer.frame(type.data, end ? flag.endStream : 0, call.id, framed);
  }

  #received(length: number): void {
    if (this.#closed) return;
    this.nowMs = performance.now();
    this.#reading = true;
    let bytes = readBuffer;
    let end = length;
    if (this.#carry !== undefined) {
      bytes = Buffer.concat([this.#carry, readBuffer.subarray(0, length)]);
      end = bytes.length;
    }
    let at = 0;
    while (end - at >= frameHeadBytes) {
      const size = bytes.readUIntBE(at, 3);
      const next = at + frameHeadBytes + size;
      if (next > end) break;
      this.#frame(bytes, at, next);
      at = next;
    }
    this.#carry = at < end ? Buffer.from(bytes.subarray(at, end)) : undefined;
    this.#reading = false;
    this.flush();
  }

  #frame(bytes: Buffer, at: number, end: number): void {
    const flags = bytes[at + 4] as number;
    const id = bytes.readUInt32BE(at + 5) & 0x7fff_ffff;
    let from = at + frameHeadBytes;
    let to = end;
    const kind = bytes[at + 3];
    if ((kind === type.data || kind === type.headers) && (flags & flag.padded) !== 0) to -= bytes[from++] as number;
    if (kind === type.data) this.#gotData(id, flags, bytes, from, to, end - at - frameHeadBytes);
    else if (kind === type.headers || kind === type.continuation) {
      if (kind === type.headers && (flags & flag.priority) !== 0) from += 5;
      this.#gotBlock(id, flags, bytes, from, to);
    } else if (kind === type.reset) this.#end(id, unknown, `reset with ${bytes.readUInt32BE(from)}`);
    else if (kind === type.settings) this.#gotSettings(flags, bytes, from, to);
    else if (kind === type.ping && (flags & flag.ack) === 0)
      this.#writer.frame(type.ping, flag.ack, 0, bytes.subarray(from, from + 8));
    else if (kind === type.windowUpdate) this.#gotWindow(id, bytes.readUInt32BE(from));
    else if (kind === type.goaway) this.#lost(`told to go away with ${bytes.readUInt32BE(from + 4)}`);
  }

  /** `size`: padding included, as windows count it. */
  #gotData(id: number, flags: number, bytes: Buffer, from: number, to: number, size: number): void {
    this.#unacknowledged += size;
    if (this.#unacknowledged >= connectionWindow / 2) {
      this.#writer.windowUpdate(0, this.#unacknowledged);
      this.#unacknowledged = 0;
    }
    const call = this.#calls.get(id);
    if (call === undefined) return;
    call.unacknowledged += size;
    if (call.unacknowledged >= streamWindow / 2) {
      this.#writer.windowUpdate(id, call.unacknowledged);
      call.unacknowledged = 0;
    }
    let data = bytes;
    let at = from;
    let until = to;
    if (call.part !== undefined) {
      data = Buffer.concat([call.part, bytes.subarray(from, to)]);
      at = 0;
      until = data.length;
      call.part = undefined;
    }
    while (until - at >= messageHeadBytes) {
      const next = at + messageHeadBytes + data.readUInt32BE(at + 1);
      if (next > until) break;
      call.message(data, at + messageHeadBytes, next);
      at = next;
    }
    if (at < until) call.part = Buffer.from(data.subarray(at, until));
    if ((flags & flag.endStream) !== 0) this.#end(id, unknown, 'ended without trailers');
  }

  #gotBlock(id: number, flags: number, bytes: Buffer, from: number, to: number): void {
    let data = bytes;
    let [at, until, first] = [from, to, flags];
    if ((flags & flag.endHeaders) === 0 || this.#block !== undefined) {
      this.#block ??= { id, flags, parts: [] };
      this.#block.parts.push(Buffer.from(bytes.subarray(from, to)));
      if ((flags & flag.endHeaders) === 0) return;
      data = Buffer.concat(this.#block.parts);
      [at, until, first] = [0, data.length, this.#block.flags];
      this.#block = undefined;
    }
    const status = this.#hpack.read(data, at, until);
    if ((first & flag.endStream) !== 0)
      this.#end(id, status.code ?? unknown, status.code === undefined ? `HTTP ${status.http}` : status.message);
  }

  #gotSettings(flags: number, bytes: Buffer, from: number, to: number): void {
    if ((flags & flag.ack) !== 0) return;
    for (let at = from; at < to; at += 6) {
      const value = bytes.readUInt32BE(at + 2);
      const name = bytes.readUInt16BE(at);
      if (name === setting.headerTableSize && value < headerTableBytesMin) throw new Error('a small header table');
      if (name !== setting.initialWindowSize) continue;
      for (const call of this.#calls.values()) call.sendWindow += value - this.#streamSendWindow;
      this.#streamSendWindow = value;
    }
    this.#writer.frame(type.settings, flag.ack, 0, noBytes);
    this.#spoke();
    this.#drain();
  }

  #gotWindow(id: number, bytes: number): void {
    const call = this.#calls.get(id);
    if (id === 0) this.#sendWindow += bytes;
    else if (call !== undefined) call.sendWindow += bytes;
    this.#drain();
  }

  #drain(): void {
    for (;;) {
      const waiting = this.#waiting[0];
      if (waiting === undefined) return;
      const gone = this.#calls.get(waiting.id) !== waiting.call;
      if (!gone && !this.#fits(waiting.call, waiting.framed)) return;
      this.#waiting.shift();
      if (!gone) this.#data(waiting.call, waiting.framed, waiting.end);
    }
  }

  #end(id: number, code: number, text: string): void {
    const call = this.#calls.get(id);
    if (call === undefined) return;
    this.#calls.delete(id);
    call.ended(code, text);
  }

  #lost(text: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.destroy();
    for (const id of [...this.#calls.keys()]) this.#end(id, unavailable, text);
  }
}
