/**
 * Maintenance.Snapshot: a snapshot file as etcd streams one, in pieces with the bytes that remain, and at the end a SHA-256 of all of
 * them (v3rpc/maintenance.go). The next piece is read when the transport has taken the last, so that a slow reader costs one piece;
 * who takes nothing for too long, or is gone, frees what was held for it.
 */
import { createHash } from 'node:crypto';
import { snapshotStallMsMax, snapshotStreamsMax } from '../base/limits.ts';
import { type RpcError, rpcError, toRpcError } from './errors.ts';
import type { HostClock } from './host-clock.ts';
import type { Member, MemberSnapshot } from './member.ts';
import { wire } from './messages.ts';
import type { CallContext, Method, Outgoing } from './transport.ts';

/** `onBug`: see `toRpcError`. */
export function snapshotMethod(
  member: Member,
  onBug: (error: unknown) => void,
  stallMs: number = snapshotStallMsMax,
): Method {
  let streams = 0;
  return {
    kind: 'serverStream',
    call: (_request, outgoing, ctx) => {
      if (streams >= snapshotStreamsMax) {
        outgoing.fail(rpcError('tooManyRequests'));
        return;
      }
      streams++;
      void sent(member, outgoing, ctx, stallMs)
        .catch((error: unknown) => toRpcError(error, onBug))
        .then((failure) => {
          streams--;
          if (failure === undefined) outgoing.end();
          else outgoing.fail(failure);
        });
    },
  };
}

/** Resolves with why the stream must fail, if it must. */
async function sent(
  member: Member,
  outgoing: Outgoing,
  ctx: CallContext,
  stallMs: number,
): Promise<RpcError | undefined> {
  const snapshot = await member.snapshot(ctx);
  try {
    return await stream(member, snapshot, outgoing, ctx, stallMs);
  } finally {
    await snapshot.close();
  }
}

async function stream(
  member: Member,
  { totalBytes, pieces }: MemberSnapshot,
  outgoing: Outgoing,
  ctx: CallContext,
  stallMs: number,
): Promise<RpcError | undefined> {
  const hash = createHash('sha256');
  let remaining = totalBytes;
  for await (const blob of pieces) {
    hash.update(blob);
    remaining -= blob.length;
    const full = !outgoing.write(wire.SnapshotResponse.encode({ remainingBytes: remaining, blob }));
    if (full && !(await within(member.clock, outgoing.whenWritable(), stallMs))) return rpcError('timedOut');
    if (ctx.signal.aborted) return undefined;
  }
  if (remaining !== 0) throw new Error(`a snapshot announced ${remaining} bytes more than came`);
  outgoing.write(wire.SnapshotResponse.encode({ remainingBytes: 0, blob: hash.digest() }));
  return undefined;
}

/** False if `step` is not done in time. */
function within(clock: HostClock, step: Promise<void>, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = clock.after(ms, () => resolve(false));
    void step.then(() => {
      timer.cancel();
      resolve(true);
    });
  });
}
