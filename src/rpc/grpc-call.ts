/**
 * One gRPC call on one HTTP/2 stream: its deadline, its messages in, its messages and its status out. Owns the part of its body that is
 * not read yet, and whether it is over. What is written in one turn leaves together; that is the connection's.
 */
import type { RequestHead } from '../h2/request-head.ts';
import type { Stream, StreamUser } from '../h2/stream.ts';
import type { Deadlined, Deadlines } from './deadlines.ts';
import { codes, RpcError, rpcError, toRpcError } from './errors.ts';
import { lengthOf } from './framed-messages.ts';
import { MessageReader, type MessageSink, timeoutMs } from './grpc-frames.ts';
import { HeldBytes } from './held-bytes.ts';
import type { CallContext, Incoming, Method, Outgoing, Unary } from './transport.ts';

export interface CallOptions {
  readonly receiveBytesMax: number;
  /** `waitingBytes` of one stream above which `write` says stop. */
  readonly streamBufferBytesMax: number;
  /** Hears of what no table row covers: a bug of ours. */
  readonly onBug: (error: unknown) => void;
}

/** The connection that a call came on. */
export interface Peer {
  /** `host:port`. */
  readonly name: string;
  readonly options: CallOptions;
  readonly deadlines: Deadlines;
  /** When what is being read arrived, by `performance.now()`. */
  readonly nowMs: number;
  /** Whether so many bytes may wait for it to take them, a message or some pieces; or so much of a request for the rest. */
  mayKeep(bytes: number, pieces?: number): boolean;
  /** So many bytes more, or fewer, of requests that are not whole are kept. */
  keepsPart(bytes: number): void;
  statusText(message: string): string;
  /** So much waits for it already that its next answer need not be made. */
  readonly full: boolean;
  /** The call has its request: `run` wants to be called, when all that has come is read. */
  asked(call: Call): void;
}

type Sink = Parameters<Incoming['listen']>[0];

const okStatus = { code: codes.OK, text: '' };
const noSlot = -1;
/** Such a deadline is none: nobody lives to see it. */
const deadlineMsMax = 2 ** 31 - 1;

/** A stream of which the head has come; `begin` or `fail` it. */
export class Call implements CallContext, Outgoing, Incoming, StreamUser, MessageSink, Deadlined {
  readonly #stream: Stream;
  readonly #peer: Peer;
  readonly metadata: RequestHead;
  readonly timeoutMs: number | undefined;
  readonly #arrivedMs: number;
  #deadline = noSlot;
  #abort: AbortController | undefined;
  /** Answered, failed, cancelled or late: what comes now is nobody's. */
  #over = false;
  #method: Method | undefined;
  #reader: MessageReader | undefined;
  /** Of a call that has only one, until it is run. */
  #request: Uint8Array | undefined;
  #asked = false;
  /** Of a call that may have many. */
  #sink: Sink | undefined;
  #paused = false;
  /** What came while it was paused. */
  readonly #held = new HeldBytes();
  /** Of a message that is not whole; our peer knows. */
  #partBytes = 0;
  #halfClosed = false;
  #endTold = false;
  #waiters: (() => void)[] = [];

  constructor(stream: Stream, head: RequestHead, peer: Peer) {
    this.#stream = stream;
    this.#peer = peer;
    this.metadata = head;
    this.#arrivedMs = peer.nowMs;
    this.timeoutMs = head.grpcTimeout === undefined ? undefined : timeoutMs(head.grpcTimeout);
    if (this.timeoutMs !== undefined && this.timeoutMs < deadlineMsMax)
      this.#deadline = peer.deadlines.add(this, this.#arrivedMs + this.timeoutMs);
  }

  get peer(): string {
    return this.#peer.name;
  }

  get unread(): boolean {
    return this.#peer.full;
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#over) this.#abort.abort();
    return this.#abort.signal;
  }

  /** Reads what the method wants, and calls it. */
  begin(method: Method): void {
    const header = this.metadata.grpcTimeout;
    if (header !== undefined && this.timeoutMs === undefined) {
      this.fail(new RpcError('Internal', `malformed grpc-timeout: ${JSON.stringify(header)}`));
      return;
    }
    this.#method = method;
    if (method.kind === 'bidi') this.#guarded(() => method.call(this, this, this));
  }

  /** Calls the method of a call whose one request is here. */
  run(): void {
    const method = this.#method;
    const request = this.#request;
    // Nobody hears the answer of a call that is over when it arrives, and nothing it asks for may happen behind its back.
    if (this.#over || method === undefined || request === undefined) return;
    this.#request = undefined;
    if (this.timeoutMs !== undefined && performance.now() - this.#arrivedMs >= this.timeoutMs)
      this.fail(rpcError('deadlineExceeded'));
    else if (method.kind === 'serverStream') this.#guarded(() => method.call(request, this, this));
    else if (method.kind === 'unary') this.#unary(method.call, request);
  }

  #unary(call: Unary, request: Uint8Array): void {
    call(request, this).then(
      (answer) => {
        this.write(answer);
        this.end();
      },
      (error: unknown) => this.fail(toRpcError(error, this.#peer.options.onBug)),
    );
  }

  // ── Outgoing ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

  write(message: Uint8Array): boolean {
    if (this.#mayWrite(message.length)) this.#stream.message(message);
    return this.#over || this.#stream.waitingBytes < this.#peer.options.streamBufferBytesMax;
  }

  writeFramed(pieces: readonly Uint8Array[]): boolean {
    if (this.#mayWrite(lengthOf(pieces), pieces.length)) for (const piece of pieces) this.#stream.framed(piece);
    return this.#over || this.#stream.waitingBytes < this.#peer.options.streamBufferBytesMax;
  }

  #mayWrite(bytes: number, pieces = 1): boolean {
    if (!this.#over && !this.#peer.mayKeep(bytes, pieces)) this.fail(rpcError('tooManyRequests'));
    return !this.#over;
  }

  whenWritable(): Promise<void> {
    const mark = this.#peer.options.streamBufferBytesMax / 2;
    if (this.#over || this.#stream.waitingBytes < mark) return Promise.resolve();
    this.#stream.whenBelow(mark);
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  end(): void {
    this.#stream.end(okStatus);
    this.#finish();
  }

  fail(error: RpcError): void {
    if (this.#over) return;
    this.#stream.end({ code: codes[error.code], text: this.#peer.statusText(error.message) });
    this.#finish(error);
  }

  // ── Incoming ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

  listen(sink: Sink): void {
    this.#sink = sink;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (!this.#held.empty || this.#halfClosed) queueMicrotask(() => this.#readOn());
  }

  // ── StreamUser ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  body(bytes: Uint8Array, from: number, to: number): void {
    const at = this.#over || this.#paused || !this.#held.empty ? from : this.#read(bytes, from, to);
    if (this.#over) this.#stream.took(to - at);
    else if (at < to) this.#held.add(bytes, at, to);
  }

  halfClosed(): void {
    this.#halfClosed = true;
    if (this.#paused || !this.#held.empty) return;
    if (this.#sink === undefined) this.#end();
    // Node's HTTP/2, and grpc-js on it, half-closes a stream a moment before it resets it; this is later than both.
    else setImmediate(() => setImmediate(() => this.#end()));
  }

  gone(): void {
    this.#finish();
  }

  drained(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }

  // ── Deadlined ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  late(): void {
    this.#deadline = noSlot;
    this.fail(rpcError('deadlineExceeded'));
  }

  // ── MessageSink ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  message(message: Uint8Array): boolean {
    if (this.#over) return true;
    if (this.#method?.kind === 'bidi') {
      this.#sink?.message(message);
      return !this.#paused;
    }
    // More requests than one are not looked at.
    if (!this.#asked) {
      this.#asked = true;
      this.#request = message;
      this.#peer.asked(this);
    }
    return true;
  }

  /** Returns where it stopped: at the end, or where the call was paused. */
  #read(bytes: Uint8Array, from: number, to: number): number {
    // Gone from here when what it reads ends the call.
    const reader = this.#reader ?? new MessageReader(this.#peer.options.receiveBytesMax, this);
    this.#reader = reader;
    let at = to;
    try {
      at = reader.push(bytes, from, to);
    } catch (error) {
      this.fail(toRpcError(error, this.#peer.options.onBug));
    }
    this.#stream.took(at - from);
    this.#keepPart(reader.partBytes);
    return at;
  }

  /** What is taken is not in the window any more, so that what is kept of it counts as an answer that waits does. */
  #keepPart(bytes: number): void {
    const more = bytes - this.#partBytes;
    if (this.#over || more === 0) return;
    if (more > 0 && !this.#peer.mayKeep(more)) this.fail(rpcError('tooManyRequests'));
    else {
      this.#partBytes = bytes;
      this.#peer.keepsPart(more);
    }
  }

  /** Reads what was held back, up to the next pause. */
  #readOn(): void {
    while (!this.#held.empty && !this.#paused && !this.#over)
      this.#held.read((bytes, from, to) => this.#read(bytes, from, to));
    if (this.#halfClosed && !this.#paused && this.#held.empty) this.#end();
  }

  /** The client has said all. */
  #end(): void {
    if (this.#over || this.#endTold) return;
    this.#endTold = true;
    if (this.#method?.kind !== 'bidi') {
      if (this.#asked) return;
      this.fail(new RpcError('Internal', this.#reader?.torn === true ? 'unexpected EOF' : 'no request was sent'));
    } else if (this.#reader?.torn === true) this.fail(new RpcError('Internal', 'unexpected EOF'));
    else this.#guarded(() => this.#sink?.end());
  }

  /** What is thrown in here ends the call, not the process. */
  #guarded(step: () => void): void {
    if (this.#over) return;
    try {
      step();
    } catch (error) {
      this.fail(toRpcError(error, this.#peer.options.onBug));
    }
  }

  #finish(why?: RpcError): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#deadline !== noSlot) this.#peer.deadlines.remove(this.#deadline);
    this.#deadline = noSlot;
    this.#abort?.abort(why);
    this.#held.clear();
    this.#reader = undefined;
    this.#peer.keepsPart(-this.#partBytes);
    this.#partBytes = 0;
    this.#request = undefined;
    this.drained();
  }
}
