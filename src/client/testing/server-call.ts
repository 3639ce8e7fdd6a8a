/**
 * One call at the member that serves it: what `rpc/grpc-call.ts` does on sockets, on a connection in memory. Bytes in, bytes out,
 * with gRPC's codes and texts; back-pressure, cancel and deadline as there.
 */
import { receiveSlackBytes, watchStreamBufferBytesMax } from '../../base/limits.ts';
import { codes, type RpcError, rpcError, toRpcError } from '../../rpc/errors.ts';
import type { Member } from '../../rpc/member.ts';
import {
  type CallContext,
  type Incoming,
  type Method,
  type Outgoing,
  type ServiceTable,
  splitMethodName,
} from '../../rpc/transport.ts';
import type { Timer } from '../clock.ts';
import { CallFailure } from '../errors.ts';
import type { Metadata } from '../transport/channel.ts';
import type { ConnectionEnd } from './connection.ts';
import { Window } from './window.ts';

/** What a member brings to each of its calls. */
export interface Served {
  readonly member: Member;
  readonly table: ServiceTable;
  readonly onBug: (error: unknown) => void;
}

/** The calling side, as told over the connection. */
export interface Caller {
  heard(bytes: Uint8Array): void;
  /** Undefined: OK. */
  ended(failure: CallFailure | undefined): void;
  /** So many bytes of what it sent were taken. */
  took(bytes: number): void;
}

export interface CallHead {
  readonly path: string;
  readonly metadata: Metadata;
  /** From its arrival on; undefined: as long as it likes. */
  readonly timeoutMs: number | undefined;
}

/** A stream's bytes from the client that the service has not taken, before the client feels it: as HTTP/2's first window. */
export const requestBytesWaitingMax = 64 * 1024;

type Sink = Parameters<Incoming['listen']>[0];

export class ServerCall implements CallContext, Outgoing, Incoming {
  readonly peer: string;
  readonly timeoutMs: number | undefined;
  readonly metadata: CallContext['metadata'];
  readonly #end: ConnectionEnd;
  readonly #served: Served;
  readonly #caller: Caller;
  readonly #method: Method | undefined;
  readonly #path: string;
  readonly #answers = new Window(watchStreamBufferBytesMax);
  readonly #requests = new Window(requestBytesWaitingMax);
  readonly #over: () => void;
  #abort: AbortController | undefined;
  #isOver = false;
  #deadline: Timer | undefined;
  #sink: Sink | undefined;
  #paused = false;
  #waiting: Uint8Array[] = [];
  #halfClosed = false;
  #endTold = false;
  #begun = false;

  constructor(end: ConnectionEnd, peer: string, served: Served, head: CallHead, caller: Caller, over: () => void) {
    this.#end = end;
    this.peer = peer;
    this.#served = served;
    this.#caller = caller;
    this.#over = over;
    this.#path = head.path;
    this.timeoutMs = head.timeoutMs;
    this.metadata = { get: (name) => head.metadata[name] };
    this.#method = served.table[head.path];
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#isOver) this.#abort.abort();
    return this.#abort.signal;
  }

  // ── what the client sends ────────────────────────────────────────────────────────────────────────────────────────────

  begin(): void {
    const method = this.#method;
    if (method === undefined) {
      const [service, name] = splitMethodName(this.#path);
      this.#answerEnd(codes.Unimplemented, `unknown method ${name} for service ${service}`);
      return;
    }
    if (this.timeoutMs !== undefined && this.timeoutMs > 0) {
      const late = (): void => this.fail(rpcError('deadlineExceeded'));
      this.#deadline = this.#end.host.after(this.timeoutMs, late);
    }
    if (method.kind === 'bidi') this.#guarded(() => method.call(this, this, this));
  }

  message(bytes: Uint8Array): void {
    if (this.#isOver) return;
    const bytesMax = this.#served.member.options.maxRequestBytes + receiveSlackBytes;
    if (bytes.length > bytesMax) {
      this.#answerEnd(
        codes.ResourceExhausted,
        `grpc: received message larger than max (${bytes.length} vs. ${bytesMax})`,
      );
      return;
    }
    this.#waiting.push(bytes);
    this.#pump();
  }

  halfClosed(): void {
    this.#halfClosed = true;
    this.#pump();
  }

  /** The client took so much of what it was sent. */
  took(bytes: number): void {
    this.#answers.heard(bytes);
  }

  /** The client does not want it any more, or is gone. */
  cancelled(): void {
    this.#finish();
  }

  // ── Incoming ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  listen(sink: Sink): void {
    this.#sink = sink;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    queueMicrotask(() => this.#pump());
  }

  #pump(): void {
    const method = this.#method;
    if (this.#isOver || method === undefined) return;
    if (method.kind !== 'bidi') {
      const request = this.#waiting.shift();
      if (this.#begun) return;
      if (request !== undefined) this.#begin(method, request);
      else if (this.#halfClosed) this.#answerEnd(codes.Internal, 'no request was sent');
      return;
    }
    while (!this.#paused && !this.#isOver) {
      const bytes = this.#waiting.shift();
      if (bytes === undefined) break;
      const took = this.#requests.took(bytes.length);
      if (took > 0) this.#end.send(() => this.#caller.took(took));
      this.#guarded(() => this.#sink?.message(bytes));
    }
    if (!this.#halfClosed || this.#endTold || this.#waiting.length > 0 || this.#isOver) return;
    this.#endTold = true;
    this.#guarded(() => this.#sink?.end());
  }

  /** A call that has only one request. */
  #begin(method: Exclude<Method, { kind: 'bidi' }>, request: Uint8Array): void {
    this.#begun = true;
    // Nobody hears the answer of a call that is over when it arrives, and nothing it asks for may happen behind its back.
    if (this.timeoutMs === 0) this.fail(rpcError('deadlineExceeded'));
    else if (method.kind === 'serverStream') this.#guarded(() => method.call(request, this, this));
    else void this.#unary(method.call(request, this));
  }

  // ── Outgoing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  write(message: Uint8Array): boolean {
    if (this.#isOver) return true;
    const copy = Buffer.from(message);
    this.#end.send(() => this.#caller.heard(copy));
    return this.#answers.sent(message.length);
  }

  whenWritable(): Promise<void> {
    return this.#answers.whenRoom();
  }

  end(): void {
    this.#answerEnd(codes.OK, '');
  }

  fail(error: RpcError): void {
    this.#answerEnd(codes[error.code], error.message);
  }

  /** Never rejects. */
  async #unary(called: Promise<Uint8Array>): Promise<void> {
    try {
      const answer = Buffer.from(await called);
      if (this.#isOver) return;
      this.#finish();
      this.#end.send(() => {
        this.#caller.heard(answer);
        this.#caller.ended(undefined);
      });
    } catch (error) {
      this.fail(toRpcError(error, this.#served.onBug));
    }
  }

  #answerEnd(code: number, details: string): void {
    if (this.#isOver) return;
    this.#finish();
    const failure = code === codes.OK ? undefined : new CallFailure(code, details, true);
    this.#end.send(() => this.#caller.ended(failure));
  }

  /** What a service throws in here ends its call. */
  #guarded(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.fail(toRpcError(error, this.#served.onBug));
    }
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#deadline?.cancel();
    this.#waiting = [];
    this.#abort?.abort();
    this.#answers.end();
    this.#over();
  }
}
