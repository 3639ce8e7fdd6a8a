/**
 * When followers hear what is committed. Every append says so, and under load one follows at once: a message of its own, and the answer
 * to it, would cost each member as much as the entry did. So such news wait a moment for the next append. A follower whose
 * clients wait for the entry is told at once (`raft/leader.ts`), and so is one that asks for a round. Owns that moment.
 */
import { commitNoticeMsMax } from '../base/limits.ts';
import type { Raft } from '../raft/raft.ts';
import type { Ready } from '../raft/ready.ts';
import type { Ports } from './ports.ts';

export class Notices {
  readonly #raft: Raft;
  readonly #ports: Pick<Ports, 'wakeIn'>;
  /** Some follower has waited for news since then; undefined: none does. */
  #owedSinceMs: number | undefined;

  constructor(raft: Raft, ports: Pick<Ports, 'wakeIn'>) {
    this.#raft = raft;
    this.#ports = ports;
  }

  /** The turn's `takeReady`. */
  takeReady(nowMs: number): Ready | undefined {
    const due = this.#owedSinceMs !== undefined && nowMs - this.#owedSinceMs >= commitNoticeMsMax;
    const ready = this.#raft.takeReady(due);
    if (this.#raft.owesCommit) {
      this.#owedSinceMs ??= nowMs;
      this.#ports.wakeIn(commitNoticeMsMax);
    } else this.#owedSinceMs = undefined;
    return ready;
  }
}
