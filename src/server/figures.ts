/** What a scrape of /metrics asks the node. */
import type { Node } from '../node/node.ts';
import type { NodeFigures } from '../ops/metrics.ts';
import { type MemberId, NO_MEMBER } from '../store/entry.ts';
import { shownQuota } from './served-member.ts';

export class Figures {
  readonly #node: Node;
  /** As last looked at, and as last told to the log. */
  #leader: MemberId = NO_MEMBER;
  #toldLeader: MemberId = NO_MEMBER;
  #leaderChanges = 0;
  proposalsFailed = 0;

  constructor(node: Node) {
    this.#node = node;
  }

  /** Called often. Returns who leads, NO_MEMBER if nobody, when that is another than it returned last; else undefined. */
  noteLeader(): MemberId | undefined {
    this.#look();
    if (this.#leader === this.#toldLeader) return undefined;
    this.#toldLeader = this.#leader;
    return this.#leader;
  }

  read(): NodeFigures {
    this.#look();
    const { raft, machine, hub } = this.#node;
    const status = this.#node.status();
    return {
      memberId: raft.id,
      hasLeader: raft.leader !== NO_MEMBER,
      isLeader: raft.role === 'leader',
      isLearner: raft.configuration.learners.includes(raft.id),
      leaderChanges: this.#leaderChanges,
      term: raft.term,
      firstIndex: raft.base.index + 1,
      lastIndex: raft.lastIndex,
      commitIndex: raft.commit,
      appliedIndex: machine.appliedIndex,
      proposalsPending: status.waiting,
      proposalsFailed: this.proposalsFailed,
      quotaBytes: shownQuota(this.#node.options.quotaBytes),
      sizeBytes: machine.sizeBytes,
      revision: machine.revision,
      compactRevision: machine.compactRevision,
      keys: machine.keyCount,
      watchers: hub.count,
      laggingWatchers: hub.lagging,
      eventsSent: hub.delivered,
      leases: machine.lessor.count,
      leaseKeys: machine.lessor.attachedKeyCount,
      expiryBacklog: status.duty.backlog,
      stalledMs: status.stalledMs,
    };
  }

  #look(): void {
    const { leader } = this.#node.raft;
    if (leader === this.#leader) return;
    this.#leader = leader;
    if (leader !== NO_MEMBER) this.#leaderChanges++;
  }
}
