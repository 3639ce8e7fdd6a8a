/**
 * What a turn sends out for clients: the leader proposes, a follower forwards to the leader it knows, nobody forwards a forward
 * (house §7). Owns packing and aiming; the core decides whether it takes an entry.
 */
import { dutyEntryBytesMax, entryPayloadBytesMax } from '../base/limits.ts';
import type { Raft } from '../raft/raft.ts';
import { encodeCommand, packCommands } from '../state/codec.ts';
import type { Command, Origin } from '../state/command.ts';
import { type MemberId, NO_MEMBER, type Term } from '../store/entry.ts';
import type { Duty } from './duty.ts';
import type { Forwards } from './forwards.ts';
import { Gathering } from './gathering.ts';
import type { PeersPort, Ports } from './ports.ts';
import type { Proposals } from './proposals.ts';
import type { Questions } from './questions.ts';

interface Outgoing {
  readonly command: Command;
  readonly encoded: Uint8Array;
  /** The follower whose client waits for it. */
  readonly from?: MemberId;
}

export class Outbox {
  readonly #member: MemberId;
  readonly #boot: number;
  readonly #raft: Raft;
  readonly #peers: PeersPort;
  /** Grows within a boot: the leader takes each batch once. */
  #batch = 0;
  /** Of the turn: clients' commands that were applied. */
  #applied = 0;
  readonly #gathering: Gathering;

  constructor(member: MemberId, boot: number, raft: Raft, ports: Pick<Ports, 'peers' | 'wakeIn'>) {
    this.#gathering = new Gathering(ports);
    this.#member = member;
    this.#boot = boot;
    this.#raft = raft;
    this.#peers = ports.peers;
  }

  /** The leader's proposals of a turn: followers' commands, our own clients', and last what it decides itself. */
  propose(leading: Term, forwards: Forwards, proposals: Proposals, duty: Duty, nowMs: number): void {
    const waiting = forwards.queued().length + proposals.held().length;
    if (waiting > 0 && this.#gathering.mayGo(waiting, nowMs)) {
      forwards.proposed(this.#proposeAll(forwards.queued(), duty));
      proposals.aim(this.#proposeAll(proposals.held(), duty), leading);
    }
    const origin = { member: this.#member, boot: this.#boot, seq: 0 };
    const decided = duty.decide().map((command) => ({ command, encoded: encodeCommand({ origin, command }) }));
    const proposed = this.#proposeAll(decided, duty, dutyEntryBytesMax);
    for (const { command } of decided.slice(proposed)) duty.undecided(command);
  }

  /** A command was applied; those of clients have one who may ask again. */
  applied({ seq }: Origin): void {
    if (seq !== 0) this.#applied++;
  }

  /** All that the turn applied is; the leader takes note of it. */
  answered(forwards: Forwards, proposals: Proposals, nowMs: number): void {
    if (this.#applied === 0) return;
    this.#gathering.answered(this.#applied, forwards.queued().length + proposals.held().length, nowMs);
    this.#applied = 0;
  }

  /** A follower's clients: the commands of the turn in as few messages as fit, all questions in another. */
  forward(proposals: Proposals, questions: Questions, nowMs: number): void {
    const to = this.#raft.leader;
    if (to === NO_MEMBER) return;
    const envelope = { from: this.#member, to, term: this.#raft.term, boot: this.#boot };
    while (proposals.held().length > 0) {
      const batch = nextBatch(proposals.held(), 0, entryPayloadBytesMax);
      const commands = batch.map((waiter) => waiter.encoded);
      this.#peers.send(to, { ...envelope, type: 'forwardCommands', batch: ++this.#batch, commands });
      proposals.aim(batch.length, envelope.term);
    }
    if (questions.heldCount === 0) return;
    const aimed = questions.aim(envelope.term, nowMs);
    if (aimed.length > 0) this.#peers.send(to, { ...envelope, type: 'forwardQuestions', questions: aimed });
  }

  /** Packs commands into entries of at most so many bytes and proposes them. Returns how many, from the front, the core took. */
  #proposeAll(items: readonly Outgoing[], duty: Duty, bytesMax = entryPayloadBytesMax): number {
    let taken = 0;
    while (taken < items.length) {
      const batch = nextBatch(items, taken, bytesMax);
      if (this.#raft.propose('commands', packCommands(batch.map((item) => item.encoded))).type !== 'accepted') break;
      for (const { command, from } of batch) {
        duty.proposed(command);
        if (from !== undefined) this.#raft.awaits(from);
      }
      taken += batch.length;
    }
    return taken;
  }
}

/** As many items as fit one entry, or one message to the leader; at least one. */
function nextBatch<T extends { readonly encoded: Uint8Array }>(
  items: readonly T[],
  start: number,
  bytesMax: number,
): readonly T[] {
  let bytes = 0;
  let end = start;
  while (end < items.length) {
    bytes += (items[end] as T).encoded.length;
    if (end > start && bytes > bytesMax) break;
    end++;
  }
  return items.slice(start, end);
}
