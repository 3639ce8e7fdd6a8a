/** What a node tells about itself: for Maintenance.Status, metrics, health and the simulator's traces. Values only. */
import type { Primary } from '../primary/primary.ts';
import type { RaftDescription } from '../raft/describe.ts';
import type { Raft } from '../raft/raft.ts';
import type { Machine } from '../state/machine.ts';
import type { Index } from '../store/entry.ts';
import type { AskerKey } from './duty.ts';

export interface NodeStatus {
  readonly raft: RaftDescription;
  readonly appliedIndex: Index;
  readonly imageIndex: Index;
  readonly revision: number;
  readonly leases: number;
  readonly keys: number;
  readonly sizeBytes: number;
  /** Requests of this member's clients that wait for an outcome. */
  readonly waiting: number;
  /** On duty: the own-term entry is applied and the lease duties run here. */
  readonly onDuty: boolean;
  readonly duty: ReturnType<Primary<AskerKey>['stats']>;
  /** Lessor time cut off by stalls of this process. */
  readonly stalledMs: number;
}

/** The parts of a node that are asked. */
export interface DescribedNode {
  readonly raft: Raft;
  readonly machine: Machine;
  readonly waiting: number;
}

export function describeNode(
  node: DescribedNode,
  primary: Primary<AskerKey>,
  imageIndex: Index,
  stalledMs: number,
): NodeStatus {
  const { raft, machine, waiting } = node;
  return {
    raft: raft.describe(),
    appliedIndex: machine.appliedIndex,
    imageIndex,
    revision: machine.revision,
    leases: machine.lessor.count,
    keys: machine.keyCount,
    sizeBytes: machine.sizeBytes,
    waiting,
    onDuty: primary.term !== undefined,
    duty: primary.stats(),
    stalledMs,
  };
}
