/**
 * What a service sees of the wire: full method names, bytes in, bytes out. gRPC's framing, flow control and sockets live
 * below, in a transport that can be replaced without any service noticing. Owns no state.
 */
import type { RpcError } from './errors.ts';

/** What stands before each message in gRPC's framing: a flag and a length. */
export const grpcHeadBytes = 5;

/** One call as a service sees it. */
export interface CallContext {
  /** The caller's address, `host:port`; for logs only. */
  readonly peer: string;
  /** Request metadata by lower-case name; of a repeated one, the first value. */
  readonly metadata: { get(name: string): string | undefined };
  /**
   * Aborts when the call is over, however it ended: answered, failed, cancelled, deadline passed, connection lost. Its reason is the
   * `RpcError` that the call was failed with, if it was.
   */
  readonly signal: AbortSignal;
  /** Milliseconds the caller gave this call when it arrived; undefined: no deadline. */
  readonly timeoutMs: number | undefined;
  /** The caller has left so many earlier answers unread that this one need not be made: it would be refused. */
  readonly unread?: boolean;
}

/** One request, one answer. Rejects with `RpcError` or `UnavailableError`; anything else is a bug of ours. */
export type Unary = (request: Uint8Array, ctx: CallContext) => Promise<Uint8Array>;

/** The answering half of a stream. After `end`, `fail` or the caller's cancel, everything here does nothing. */
export interface Outgoing {
  /** Sends one message. False: the buffer is full; it was taken all the same, but wait for `whenWritable`. */
  write(message: Uint8Array): boolean;
  /**
   * As `write`, of `count` messages that stand in their frames already, heads of `grpcHeadBytes` included, in pieces that are cut
   * anywhere (`framed-messages.ts`). A transport need not have it.
   */
  writeFramed?(pieces: readonly Uint8Array[], count: number): boolean;
  /** Resolves when the buffer has drained, or when the stream is over. */
  whenWritable(): Promise<void>;
  /** Ends the stream with status OK. */
  end(): void;
  fail(error: RpcError): void;
}

/** The asking half of a stream. */
export interface Incoming {
  /**
   * Called once, in the step in which the stream opens. `end` is the caller's half-close; a cancel only aborts the signal.
   * What a sink throws ends the call as if a unary call had thrown it.
   */
  listen(sink: { message(bytes: Uint8Array): void; end(): void }): void;
  /** Stops reading, so that the caller feels back-pressure; a message already taken from the socket may still come. */
  pause(): void;
  resume(): void;
}

export type ServerStream = (request: Uint8Array, outgoing: Outgoing, ctx: CallContext) => void;
export type BidiStream = (incoming: Incoming, outgoing: Outgoing, ctx: CallContext) => void;

export type Method =
  | { readonly kind: 'unary'; readonly call: Unary }
  | { readonly kind: 'serverStream'; readonly call: ServerStream }
  | { readonly kind: 'bidi'; readonly call: BidiStream };

/** Methods by full name, e.g. `/etcdserverpb.Lease/LeaseGrant`. A method that is not in it is Unimplemented. */
export type ServiceTable = Readonly<Record<string, Method>>;

/** `/package.Service/Method` → `['package.Service', 'Method']`. */
export function splitMethodName(fullName: string): readonly [string, string] {
  const slash = fullName.lastIndexOf('/');
  return [fullName.slice(1, slash), fullName.slice(slash + 1)];
}
