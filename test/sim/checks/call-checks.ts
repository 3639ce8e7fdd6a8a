/**
 * Reads and lease questions while they are under way: a leader answers its own clients only after a quorum round begun since they
 * called (R12), and a linearizable read shows at least all that was committed anywhere when it was sent (K1).
 */
import type { CallRecord } from '../history.ts';
import type { Watched } from '../observer.ts';
import { fail } from './fail.ts';
import type { RaftChecks } from './raft-checks.ts';
import type { Mark, RoundChecks } from './round-checks.ts';
import type { StateChecks } from './state-checks.ts';

interface Sent {
  readonly committed: number;
  readonly boot: number;
  /** It was sent to who led then. */
  readonly mark: Mark | undefined;
}

export class CallChecks {
  readonly #raft: RaftChecks;
  readonly #rounds: RoundChecks;
  readonly #state: StateChecks;
  readonly #sent = new Map<number, Sent>();

  constructor(raft: RaftChecks, rounds: RoundChecks, state: StateChecks) {
    this.#raft = raft;
    this.#rounds = rounds;
    this.#state = state;
  }

  called({ number, call }: CallRecord, { id, node, boot }: Watched): void {
    if (call.type === 'command' || (call.type === 'range' && call.serializable)) return;
    const raft = node?.raft;
    const mark = raft?.role === 'leader' ? this.#rounds.mark(id, raft) : undefined;
    this.#sent.set(number, { committed: this.#raft.committed, boot, mark });
  }

  answered({ number, result }: CallRecord, { id, node, boot }: Watched): void {
    const sent = this.#sent.get(number);
    this.#sent.delete(number);
    if (sent === undefined || result === undefined || result.type === 'unavailable') return;
    if (result.type === 'range' || result.type === 'rangeRefused') {
      const must = this.#state.places[sent.committed - 1]?.revisionAfter ?? 1;
      if (result.revision < must)
        fail('K1', `read #${number} shows revision ${result.revision}, ${must} was committed when it was sent`);
    }
    const raft = node?.raft;
    if (sent.mark === undefined || raft?.role !== 'leader' || raft.term !== sent.mark.term || boot !== sent.boot)
      return;
    if (!this.#rounds.covers(sent.mark, id, raft))
      fail('R12', `leader ${id} answered #${number}, no quorum round began since it was sent`);
  }
}
