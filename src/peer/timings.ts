/** The clocks of the peer port. One value, so that tests can run the same code fast. All in milliseconds. */
import { peerHandshakeMsMax } from '../base/limits.ts';

export interface PeerTimings {
  /** From TCP connect to the end of the handshake, both sides. */
  readonly handshakeMs: number;
  /** A ping each way this often … */
  readonly pingMs: number;
  /** … and a connection on which nothing came in and nothing went out for this long is dead. */
  readonly silenceMs: number;
  /** Waits between attempts to connect, doubling, jittered by half. */
  readonly backoffMsMin: number;
  readonly backoffMsMax: number;
  /** What `close` waits for queued bytes to leave. */
  readonly closeMs: number;
  /** What a snapshot's sender waits for the receiver to verify and stage it. */
  readonly snapshotTakenMs: number;
}

export const defaultTimings: PeerTimings = {
  handshakeMs: peerHandshakeMsMax,
  pingMs: 1_000,
  silenceMs: 5_000,
  backoffMsMin: 20,
  backoffMsMax: 1_000,
  closeMs: 500,
  snapshotTakenMs: 120_000,
};
