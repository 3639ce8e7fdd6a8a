/**
 * The node's ports on a real machine: files, LevelDB, sockets. Everything that comes back becomes an `Input`; the first error of
 * a disk ends the process before anything more is acknowledged (S4). Owns no rule.
 */
import { snapshotRetryMs } from '../base/limits.ts';
import type { MemberDisks } from '../disk/member-disks.ts';
import { ImageUnreadable } from '../disk/snapshot-read.ts';
import { SnapshotRefused } from '../disk/snapshot-stage.ts';
import type { Input } from '../node/input.ts';
import type { Ports } from '../node/ports.ts';
import type { Log } from '../ops/log.ts';
import type { Metrics } from '../ops/metrics.ts';
import type { Peers } from '../peer/peers.ts';
import type { SnapshotReceiver } from '../peer/snapshot-stream.ts';
import type { SnapshotHead } from '../raft/message.ts';
import type { MemberId } from '../store/entry.ts';

export interface HostPortsParts {
  readonly self: MemberId;
  readonly disks: MemberDisks;
  readonly peers: Peers;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly loop: Pick<Ports, 'wake' | 'wakeIn'>;
  enqueue(input: Input): void;
  /** The image has grown: ask how much of the disk is left. */
  measureSpace(): void;
  /** A disk failed: no further ack, exit. */
  fatal(error: Error): void;
  /** Our image cannot be read, and somebody waits for it. */
  imageDamaged(damage: ImageUnreadable): void;
}

export function hostPorts(parts: HostPortsParts): Ports {
  const { disks, peers, metrics, enqueue, fatal } = parts;
  return {
    wake: () => parts.loop.wake(),
    wakeIn: (delayMs) => parts.loop.wakeIn(delayMs),
    wal: {
      write: (group) => {
        const startMs = performance.now();
        disks.writeLog(group, (error) => {
          if (error !== undefined) return fatal(error);
          metrics.walSynced((performance.now() - startMs) / 1_000);
          enqueue({ type: 'persisted' });
        });
      },
      dropUpTo: (index) => disks.dropLogUpTo(index),
    },
    image: {
      write: (batch) => {
        const startMs = performance.now();
        disks.writeImage(batch, (error) => {
          if (error !== undefined) return fatal(error);
          metrics.imageWritten((performance.now() - startMs) / 1_000);
          enqueue({ type: 'imageWritten', appliedIndex: batch.appliedIndex });
          parts.measureSpace();
        });
      },
    },
    peers,
    snapshots: {
      send: (to, term) => void sendSnapshot(parts, to, term),
      install: (head, log) => {
        disks.install(head, log).then(() => enqueue({ type: 'snapshotInstalled' }), fatal);
      },
      discard: () => void disks.stage.discard().catch(fatal),
    },
  };
}

/** Never rejects: a stream that fails is reported as such, after a while, and asked for again if it is still wanted. */
async function sendSnapshot(parts: HostPortsParts, to: MemberId, term: number): Promise<void> {
  const { log, enqueue } = parts;
  try {
    const { index, ok, damage } = await streamSnapshot(parts, to, term);
    if (!ok && damage === undefined) await new Promise((resolve) => setTimeout(resolve, snapshotRetryMs).unref());
    enqueue({ type: 'snapshotSent', to, index, ok });
    if (damage !== undefined) parts.imageDamaged(damage);
  } catch (error) {
    enqueue({ type: 'snapshotSent', to, index: 0, ok: false });
    if (error instanceof ImageUnreadable) parts.imageDamaged(error);
    else log.warn('no snapshot can be sent', { to, error });
  }
}

async function streamSnapshot({ self, disks, peers, log }: HostPortsParts, to: MemberId, term: number) {
  const source = await disks.openSnapshot();
  try {
    const { index } = source.meta;
    log.info('sending a snapshot', { to, index });
    const { ok, why, bytes } = await peers.sendSnapshot({ from: self, to, term, meta: source.meta }, source.chunks);
    log.info(ok ? 'sent a snapshot' : 'a snapshot did not arrive', { to, index, bytes, ...(ok ? {} : { why }) });
    return { index, ok, damage: source.damage };
  } finally {
    await source.close();
  }
}

/** Where streams of a leader go: staged and verified, then offered to the node, which decides. */
export function snapshotReceiver(
  disks: () => MemberDisks | undefined,
  log: Log,
  enqueue: (input: Input) => void,
): SnapshotReceiver {
  const stage = (): MemberDisks['stage'] => {
    const open = disks();
    if (open === undefined) throw new SnapshotRefused('this member is not started yet');
    return open.stage;
  };
  return {
    begin: async (head: SnapshotHead) => {
      await stage().begin(head);
      log.info('receiving a snapshot', { from: head.from, index: head.meta.index });
    },
    chunk: (records) => stage().chunk(records),
    end: async () => {
      const { head, records } = await stage().end();
      enqueue({ type: 'snapshotStaged', head, records });
    },
    abort: () => stage().abort(),
  };
}
