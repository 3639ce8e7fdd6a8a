/**
 * One way to one member, as the library sees it: bytes in, bytes out, under full method names. gRPC lives behind it in one file, so
 * that a test can put members there that have no socket, and another transport can follow.
 */
import type { CallFailure } from '../errors.ts';

/** Names in lower case. */
export type Metadata = Readonly<Record<string, string>>;

export interface UnaryOptions {
  readonly metadata: Metadata;
  /** How long the call may take from now on. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** What a stream tells, in order; nothing after `end`. Neither may throw. */
export interface StreamSink {
  message(bytes: Uint8Array): void;
  /** Undefined: the server ended it with OK. */
  end(failure: CallFailure | undefined): void;
}

/** A stream under way. Everything here does nothing once it has ended. */
export interface StreamCall {
  /** False: the buffer is full; the message was taken all the same, but wait for `whenWritable`. */
  write(bytes: Uint8Array): boolean;
  /** Resolves when the buffer has drained, or when the stream is over. */
  whenWritable(): Promise<void>;
  /** Says that nothing more will be written; answers still come. */
  end(): void;
  /** Ends it now. The sink hears a failure with code `cancelled`, later. */
  cancel(): void;
  /** Takes no more from the socket until `resume`, so that the server feels it. A message on its way may still come. */
  pause(): void;
  resume(): void;
}

export interface Channel {
  /** As the user named it. */
  readonly endpoint: string;
  /** Resolves when there is a connection, which is made if need be; rejects with a `CallFailure` that was not sent. */
  ready(timeoutMs: number, signal?: AbortSignal): Promise<void>;
  /** Rejects with a `CallFailure`. Does not wait for a connection longer than the call may take. */
  unary(path: string, request: Uint8Array, options: UnaryOptions): Promise<Uint8Array>;
  /** Opens a stream; a server-streaming call is one with a single `write` and `end`. */
  stream(path: string, metadata: Metadata, sink: StreamSink): StreamCall;
  /** Ends the connection and what is under way on it. */
  close(): void;
}

/** Makes the channel to an endpoint; connects when it is first needed. */
export type Connect = (endpoint: string) => Channel;
