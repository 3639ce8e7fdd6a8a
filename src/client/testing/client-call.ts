/**
 * One call at the client's end. Waits for a connection if there is none yet, and ends once: with what the member says, or with what
 * became of the connection, the deadline or the caller's patience, in gRPC's codes.
 */
import type { Timer } from '../clock.ts';
import { CallFailure, grpcCodes } from '../errors.ts';
import type { StreamCall, StreamSink } from '../transport/channel.ts';
import type { ConnectionEnd } from './connection.ts';
import type { Host } from './host.ts';
import { type Caller, type CallHead, requestBytesWaitingMax, type ServerCall } from './server-call.ts';
import { Window } from './window.ts';

/** Makes the member's end of a call; runs there. */
export type OpenCall = (head: CallHead, caller: Caller) => ServerCall;

export class ClientCall implements StreamCall, Caller {
  readonly #head: CallHead;
  readonly #sink: StreamSink;
  readonly #over: (call: ClientCall) => void;
  readonly #requests = new Window(requestBytesWaitingMax);
  readonly #answers = new Window(0);
  #end: ConnectionEnd | undefined;
  /** Set when the call has arrived. */
  #server: ServerCall | undefined;
  #deadline: Timer | undefined;
  /** Said before there was a connection. */
  #unsent: ((server: ServerCall) => void)[] = [];
  #paused = false;
  #unread: Uint8Array[] = [];
  /** The member's last word, while messages before it are unread. */
  #ending: { readonly failure: CallFailure | undefined } | undefined;
  #isOver = false;

  constructor(host: Host, head: CallHead, sink: StreamSink, over: (call: ClientCall) => void) {
    this.#head = head;
    this.#sink = sink;
    this.#over = over;
    const { timeoutMs } = head;
    if (timeoutMs !== undefined) this.#deadline = host.after(timeoutMs, () => this.#late(timeoutMs));
  }

  // ── the connection ───────────────────────────────────────────────────────────────────────────────────────────────────

  connected(end: ConnectionEnd, open: OpenCall): void {
    if (this.#isOver || this.#end !== undefined) return;
    this.#end = end;
    const unsent = this.#unsent;
    this.#unsent = [];
    end.send(() => {
      this.#server = open(this.#head, this);
      this.#server.begin();
      for (const step of unsent) step(this.#server);
    });
  }

  /** There is none, or none any more. */
  failed(failure: CallFailure): void {
    this.#finish(failure);
  }

  // ── what the member says ─────────────────────────────────────────────────────────────────────────────────────────────

  heard(bytes: Uint8Array): void {
    if (this.#isOver) return;
    this.#unread.push(bytes);
    this.#read();
  }

  ended(failure: CallFailure | undefined): void {
    this.#ending = { failure };
    this.#read();
  }

  took(bytes: number): void {
    this.#requests.heard(bytes);
  }

  #read(): void {
    while (!this.#paused && !this.#isOver) {
      const bytes = this.#unread.shift();
      if (bytes === undefined) break;
      const took = this.#answers.took(bytes.length);
      if (took > 0) this.#say((server) => server.took(took));
      this.#sink.message(bytes);
    }
    if (this.#ending !== undefined && this.#unread.length === 0) this.#finish(this.#ending.failure);
  }

  // ── StreamCall ───────────────────────────────────────────────────────────────────────────────────────────────────────

  write(bytes: Uint8Array): boolean {
    if (this.#isOver) return true;
    // Neither end may see what the other does with its own, and both see what sockets bring.
    const copy = Buffer.from(bytes);
    this.#say((server) => server.message(copy));
    return this.#requests.sent(bytes.length);
  }

  whenWritable(): Promise<void> {
    return this.#requests.whenRoom();
  }

  end(): void {
    if (!this.#isOver) this.#say((server) => server.halfClosed());
  }

  cancel(): void {
    if (this.#isOver) return;
    this.#say((server) => server.cancelled());
    // Not in the step in which it is asked for.
    queueMicrotask(() => this.#finish(this.#failure(grpcCodes.cancelled, 'Cancelled on client')));
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    queueMicrotask(() => this.#read());
  }

  #late(timeoutMs: number): void {
    this.#say((server) => server.cancelled());
    this.#finish(
      this.#failure(grpcCodes.deadlineExceeded, `Deadline exceeded after ${(timeoutMs / 1_000).toFixed(3)}s`),
    );
  }

  #failure(grpcCode: number, details: string): CallFailure {
    return new CallFailure(grpcCode, details, this.#end !== undefined);
  }

  /** Says something at the member's end, as soon as there is one. */
  #say(step: (server: ServerCall) => void): void {
    if (this.#end === undefined) this.#unsent.push(step);
    else
      this.#end.send(() => {
        if (this.#server !== undefined) step(this.#server);
      });
  }

  #finish(failure: CallFailure | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#deadline?.cancel();
    this.#unread = [];
    this.#unsent = [];
    this.#requests.end();
    this.#over(this);
    this.#sink.end(failure);
  }
}
