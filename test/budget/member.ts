/** A member whose work is counted: the node, its services and its disks as a server has them, with nothing that takes time. */

import { Disks } from '../../src/client/testing/disks.ts';
import type { MemberPlan } from '../../src/client/testing/member.ts';
import { Node } from '../../src/node/node.ts';
import type { PeerMessage } from '../../src/node/peer-message.ts';
import { Metrics } from '../../src/ops/metrics.ts';
import { decodePeerMessage, writePeerMessage } from '../../src/peer/codec.ts';
import { FrameWriter, frameHeaderBytes } from '../../src/peer/frame.ts';
import { services } from '../../src/rpc/services.ts';
import type { ServiceTable } from '../../src/rpc/transport.ts';
import { ServedMember } from '../../src/server/served-member.ts';
import type { MemberId } from '../../src/store/entry.ts';
import { groupSizeBytes } from '../../src/store/wal-group.ts';
import type { Counters } from './counters.ts';

const tickMs = 20;
const electionTicks = 10;
const electionTimeoutMs = 1_000;

/** A message on its way: a frame, as on a socket. */
export interface Sent {
  readonly to: MemberId;
  readonly bytes: Buffer;
}

export class CountedMember {
  readonly node: Node;
  readonly table: ServiceTable;
  readonly #disks: Disks;
  readonly #counters: Counters;
  readonly #sent: Sent[] = [];
  readonly #writer = new FrameWriter();
  #awake = false;
  #logWriting = false;
  #imageWriting = false;

  constructor(plan: MemberPlan, seed: bigint, counters: Counters) {
    this.#counters = counters;
    this.#disks = new Disks(plan, seed, plan.name);
    const restored = this.#disks.open();
    this.node = new Node(
      {
        member: plan.memberId,
        boot: 1,
        tickMs,
        ticksPerRaftTick: 1,
        electionTicks,
        seed,
        quotaBytes: 1e9,
      },
      restored,
      {
        wake: () => {
          this.#awake = true;
        },
        // Nothing falls due here.
        wakeIn: () => {},
        wal: {
          write: (group) => {
            counters.walSyncs++;
            counters.walEntries += group.entries.length;
            counters.walBytes += groupSizeBytes(group.entries, false);
            this.#logWriting = true;
            this.#disks.wal.write(group, () => this.node.enqueue({ type: 'persisted' }));
          },
          dropUpTo: (index) => this.#disks.dropLogUpTo(index),
        },
        image: {
          write: (batch) => {
            counters.imageBatches++;
            counters.imageRecords += batch.ops.length;
            for (const { key, value } of batch.ops) counters.imageBytes += key.length + (value?.length ?? 0);
            this.#imageWriting = true;
            const { appliedIndex } = batch;
            this.#disks.image.write(batch, () => this.node.enqueue({ type: 'imageWritten', appliedIndex }));
          },
        },
        peers: { send: (to, message) => this.#send(to, message) },
        snapshots: { send: unexpected, install: unexpected, discard: unexpected },
      },
    );
    const served = new ServedMember(this.node, {
      name: plan.name,
      clusterId: plan.clusterId,
      maxTxnOps: 128,
      maxRequestBytes: 1_572_864,
      electionTimeoutMs,
      requestTimeoutMs: 7_000,
      upkeep: { defragment: unexpected, snapshot: unexpected },
      firstLeaseNumber: seed,
      onUnavailable: () => undefined,
    });
    const onBug = (error: unknown): never => {
      throw error;
    };
    this.table = services(served, { metrics: new Metrics(), onBug });
  }

  /** What disks had to do is done; what was sent since the last time is given out. */
  takeSent(): readonly Sent[] {
    if (this.#logWriting) this.#disks.wal.completeSync();
    this.#logWriting = false;
    if (this.#imageWriting) this.#disks.image.completeWrite();
    this.#imageWriting = false;
    return this.#sent.splice(0);
  }

  receive(bytes: Buffer): void {
    const decoded = decodePeerMessage(bytes.subarray(frameHeaderBytes), false);
    if (!decoded.ok) throw new Error(decoded.why);
    this.node.enqueue({ type: 'message', message: decoded.message });
  }

  /** One turn if somebody asked for it. Returns whether there was one. */
  turn(nowMs: number): boolean {
    if (!this.#awake) return false;
    this.#awake = false;
    this.#counters.turns++;
    this.node.turn(nowMs);
    return true;
  }

  tick(): void {
    this.node.enqueue({ type: 'tick' });
  }

  #send(to: MemberId, message: PeerMessage): void {
    const frame = this.#writer.frame('message', (writer) => writePeerMessage(writer, message));
    if (frame === undefined) throw new Error('a message that is larger than a frame');
    this.#counters.peerMessages++;
    this.#counters.peerBytes += frame.bytes;
    this.#sent.push({
      to,
      bytes: frame.pieces.length === 1 ? (frame.pieces[0] as Buffer) : Buffer.concat(frame.pieces),
    });
  }
}

function unexpected(): never {
  throw new Error('nothing of what is counted asks for this');
}
