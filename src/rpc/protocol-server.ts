/**
 * A socket in, a protocol server out: the one shape between the accept layer, which knows sockets and time, and what serves a
 * protocol on them (gRPC, HTTP pages, whatever comes). Decision 0017.
 */
import type { Socket } from 'node:net';

/** A connection that has shown what it speaks. */
export interface AcceptedConnection {
  /** Cleartext, with every byte still to be read, from the first one on. It has an 'error' listener. */
  readonly socket: Socket;
  /**
   * How long the client may take from now on until the server says so again; then it is late. Infinity: the server has its own way
   * to find out that a client is gone. At first it is what was left of the time for a first request.
   */
  allow(ms: number): void;
  /** What happens when it is late, once; undefined: it is cut, as at first. */
  whenLate(step: (() => void) | undefined): void;
  /** How many bytes the server keeps for the client to take. Asked seldom. */
  keepsBy(count: () => number): void;
  /** Asks to keep so many bytes more. False: not before the client has taken some; refuse it. */
  mayKeep(bytes: number): boolean;
  /** So much is kept already that the next answer need not be made. */
  readonly full: boolean;
}

/** Serves one protocol on the connections it is given, which are its own from then on: it may end them at any time. */
export interface ProtocolServer {
  serve(connection: AcceptedConnection): void;
  /** The door is closed: ends what is idle, lets what is under way end. After `graceMs` the accept layer cuts what is left. */
  drain(graceMs: number): void;
  /** All connections are gone. */
  close(): void;
}
