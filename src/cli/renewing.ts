/** Keeps a lease alive for as long as it takes: what `lease keep-alive` does in front of the user, and a session behind a lock. */
import { status } from '@grpc/grpc-js';
import { CallError, type Connection, type KeepAliveStream } from './connection.ts';
import type { KeepAliveResponse } from './wire.ts';

/** How long before another member is asked. */
export const moveOnMs = 200;

/**
 * Renews at a third of the TTL, through another member where one is lost or silent. Returns when the lease is gone or `stop` fires.
 * Throws the CallError that it came to, if nobody has renewed it for its TTL. `validMs`: what is known of its life at the start.
 */
export async function renewing(
  connection: Connection,
  id: bigint,
  stop: AbortSignal,
  onRenewed: (answer: KeepAliveResponse) => void,
  validMs = 0,
): Promise<void> {
  let stream: KeepAliveStream | undefined;
  let endMs = performance.now() + validMs;
  try {
    while (!stop.aborted) {
      try {
        stream ??= await connection.keepAlive();
        const sentMs = performance.now();
        stream.send(id);
        const answer = await stream.next();
        if (answer === undefined) throw new CallError(status.UNAVAILABLE, 'the member ended the stream');
        if (answer.TTL <= 0n) return;
        onRenewed(answer);
        endMs = sentMs + Number(answer.TTL) * 1000;
        await pause((Number(answer.TTL) * 1000) / 3, stop);
      } catch (error) {
        if (!(error instanceof CallError) || performance.now() >= endMs) throw error;
        stream?.close();
        stream = undefined;
        connection.moveOn();
        await pause(moveOnMs, stop);
      }
    }
  } finally {
    stream?.close();
  }
}

/** Waits, or returns early when `stop` fires. */
export function pause(ms: number, stop: AbortSignal): Promise<void> {
  if (stop.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      stop.removeEventListener('abort', end);
      resolve();
    };
    // A timer beyond 2^31-1 ms would fire at once; a keep-alive a day early harms nobody.
    const timer = setTimeout(end, Math.min(ms, 86_400_000));
    stop.addEventListener('abort', end);
  });
}
