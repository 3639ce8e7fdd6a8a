/**
 * One gRPC call on one HTTP/2 stream: its deadline, its messages in, its messages and its status out. All that is written in one turn
 * leaves in one piece. Owns per stream one count of bytes not yet taken by HTTP/2, which is what `Outgoing.write` answers by.
 */
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { codes, RpcError, rpcError, toRpcError } from './errors.ts';
import { firstOf, framed, MessageReader, statusText, timeoutMs } from './grpc-frames.ts';
import type { CallContext, Incoming, Method, Outgoing, Unary } from './transport.ts';

export interface CallOptions {
  readonly receiveBytesMax: number;
  /** Bytes written to one stream and not yet taken by HTTP/2, above which `write` says stop. */
  readonly streamBufferBytesMax: number;
  /** Hears of what no table row covers: a bug of ours. */
  readonly onBug: (error: unknown) => void;
}

/** The connection that a call came on. */
export interface Peer {
  /** `host:port`. */
  readonly name: string;
  /** Whether an answer of so many bytes may wait for it to take it. */
  mayKeep(bytes: number): boolean;
  /** So much waits for it already that its next answer need not be made. */
  readonly full: boolean;
}

const contentType = 'application/grpc';
const answerHeaders = { ':status': 200, 'content-type': contentType };
const okTrailers = { 'grpc-status': '0', 'grpc-message': '' };
/** Node's longest timer. */
const timerMsMax = 2 ** 31 - 1;
const noErrorCode = 0;

/** A stream of which the headers have come; `begin` or `fail` it. */
export class Call implements CallContext, Outgoing {
  readonly #stream: ServerHttp2Stream;
  readonly #headers: IncomingHttpHeaders;
  readonly #peer: Peer;
  readonly #options: CallOptions;
  readonly #arrivedMs = performance.now();
  readonly timeoutMs: number | undefined;
  readonly metadata = { get: (name: string): string | undefined => firstOf(this.#headers[name]) };
  #deadline: NodeJS.Timeout | undefined;
  #abort: AbortController | undefined;
  /** Answered, failed, cancelled or late: what comes now is nobody's. */
  #over = false;
  #waiters: (() => void)[] = [];
  /** Messages of this turn. */
  #unsent: Uint8Array[] = [];
  #unsentBytes = 0;
  #flushing = false;
  #responded = false;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, peer: Peer, options: CallOptions) {
    this.#stream = stream;
    this.#headers = headers;
    this.#peer = peer;
    this.#options = options;
    const header = firstOf(headers['grpc-timeout']);
    this.timeoutMs = header === undefined ? undefined : timeoutMs(header);
    stream.on('close', () => this.#finish());
    stream.on('aborted', () => this.#finish());
    if (this.timeoutMs !== undefined && this.timeoutMs < timerMsMax)
      this.#deadline = setTimeout(() => this.fail(rpcError('deadlineExceeded')), this.timeoutMs);
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
    const header = firstOf(this.#headers['grpc-timeout']);
    if (header !== undefined && this.timeoutMs === undefined) {
      this.fail(new RpcError('Internal', `malformed grpc-timeout: ${JSON.stringify(header)}`));
      return;
    }
    if (method.kind === 'bidi') {
      this.#guarded(() => method.call(this.#incoming(), this, this));
      return;
    }
    this.#first((request) => {
      // Nobody hears the answer of a call that is over when it arrives, and nothing it asks for may happen behind its back.
      if (this.timeoutMs !== undefined && performance.now() - this.#arrivedMs >= this.timeoutMs)
        this.fail(rpcError('deadlineExceeded'));
      else if (method.kind === 'serverStream') this.#guarded(() => method.call(request, this, this));
      else this.#unary(method.call, request);
    });
  }

  #unary(call: Unary, request: Uint8Array): void {
    call(request, this).then(
      (answer) => {
        this.write(answer);
        this.end();
      },
      (error: unknown) => this.fail(toRpcError(error, this.#options.onBug)),
    );
  }

  write(message: Uint8Array): boolean {
    if (this.#over) return true;
    if (!this.#peer.mayKeep(message.length)) {
      this.fail(rpcError('tooManyRequests'));
      return true;
    }
    this.#unsent.push(message);
    this.#unsentBytes += message.length;
    if (!this.#flushing) {
      this.#flushing = true;
      // Runs when all promises of this turn have been answered.
      process.nextTick(() => this.#flush());
    }
    return this.#waitingBytes < this.#options.streamBufferBytesMax;
  }

  whenWritable(): Promise<void> {
    if (this.#over || this.#waitingBytes < this.#options.streamBufferBytesMax / 2) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  end(): void {
    if (this.#over) return;
    this.#flush();
    this.#respond();
    this.#trailers(okTrailers);
    this.#finish();
  }

  fail(error: RpcError): void {
    if (this.#over) return;
    this.#flush();
    const status = { 'grpc-status': String(codes[error.code]), 'grpc-message': statusText(error.message) };
    if (!this.#responded && !this.#gone) {
      this.#responded = true;
      this.#stream.respond({ ...answerHeaders, ...status }, { endStream: true });
      this.#letGo();
    } else this.#trailers(status);
    this.#finish();
  }

  /** Reset, or its connection is lost: Node throws at who answers it. */
  get #gone(): boolean {
    return this.#stream.destroyed || this.#stream.closed;
  }

  get #waitingBytes(): number {
    return this.#unsentBytes + this.#stream.writableLength;
  }

  /** The one request of a call that has only one. */
  #first(then: (request: Uint8Array) => void): void {
    let taken = false;
    const reader = this.#reader((message) => {
      if (taken) return;
      taken = true;
      then(message);
    });
    this.#stream.on('data', (chunk: Buffer) => this.#guarded(() => reader.push(chunk)));
    this.#stream.on('end', () => {
      if (!taken) this.fail(new RpcError('Internal', reader.torn ? 'unexpected EOF' : 'no request was sent'));
    });
  }

  #incoming(): Incoming {
    return {
      listen: (sink) => {
        const reader = this.#reader((message) => {
          if (!this.#over) sink.message(message);
        });
        this.#stream.on('data', (chunk: Buffer) => this.#guarded(() => reader.push(chunk)));
        this.#stream.on('end', () => {
          afterAReset(() => {
            if (reader.torn) this.fail(new RpcError('Internal', 'unexpected EOF'));
            else this.#guarded(() => sink.end());
          });
        });
      },
      pause: () => void this.#stream.pause(),
      resume: () => void this.#stream.resume(),
    };
  }

  #reader(onMessage: (message: Uint8Array) => void): MessageReader {
    return new MessageReader(this.#options.receiveBytesMax, onMessage);
  }

  /** What is thrown in here ends the call, not the process. */
  #guarded(step: () => void): void {
    if (this.#over) return;
    try {
      step();
    } catch (error) {
      this.fail(toRpcError(error, this.#options.onBug));
    }
  }

  #respond(): void {
    if (this.#responded || this.#gone) return;
    this.#responded = true;
    this.#stream.respond(answerHeaders, { waitForTrailers: true });
  }

  #flush(): void {
    this.#flushing = false;
    if (this.#unsent.length === 0 || this.#gone) return;
    this.#respond();
    const piece = framed(this.#unsent, this.#unsentBytes);
    this.#unsent = [];
    this.#unsentBytes = 0;
    this.#stream.write(piece, () => this.#wakeWaiters());
  }

  #trailers(status: Readonly<Record<string, string>>): void {
    if (this.#gone) return;
    this.#stream.once('wantTrailers', () => {
      this.#stream.sendTrailers(status);
      this.#letGo();
    });
    this.#stream.end();
  }

  /** The call is answered; what its client may still send is not wanted. */
  #letGo(): void {
    if (this.#stream.readableEnded) return;
    this.#stream.removeAllListeners('data');
    this.#stream.resume();
    setImmediate(() => {
      if (!this.#gone) this.#stream.close(noErrorCode);
    });
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#deadline);
    this.#abort?.abort();
    this.#unsent = [];
    this.#unsentBytes = 0;
    this.#wakeWaiters();
  }

  #wakeWaiters(): void {
    if (!this.#over && this.#waitingBytes >= this.#options.streamBufferBytesMax / 2) return;
    for (const wake of this.#waiters.splice(0)) wake();
  }
}

/** A stream that was reset, or whose connection broke, reads as ended a moment before it is closed; this is later than both. */
function afterAReset(step: () => void): void {
  setImmediate(() => setImmediate(step));
}
