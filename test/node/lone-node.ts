/**
 * One node alone on the bench: a test plays its two peers by hand. Its log syncs when the test says so; what it sends
 * and answers is collected. For what the node itself must get right: who is told what, in which order.
 */
import type { Answer, BarrierAnswer, RenewalAnswer } from '../../src/node/answer.ts';
import { Node } from '../../src/node/node.ts';
import type { NodeOptions } from '../../src/node/options.ts';
import type { PeerMessage } from '../../src/node/peer-message.ts';
import { encodeCommand, packCommands } from '../../src/state/codec.ts';
import type { Command } from '../../src/state/command.ts';
import { Machine } from '../../src/state/machine.ts';
import type { Entry, Index, MemberId, Term } from '../../src/store/entry.ts';
import { restored } from '../raft/lone-member.ts';

const tickMs = 20;

/** An entry with one command of `member`'s boot 1. */
export function commandEntry(index: Index, term: Term, command: Command, member: MemberId, seq: number): Entry {
  const payload = packCommands([encodeCommand({ origin: { member, boot: 1, seq }, command })]);
  return { index, term, kind: 'commands', payload };
}

export class LoneNode {
  readonly node: Node;
  readonly sent: PeerMessage[] = [];
  readonly answers: unknown[] = [];
  /** In how many milliseconds it wanted to be woken. */
  readonly alarms: number[] = [];
  /** Whom an image was to be sent to. */
  readonly streams: MemberId[] = [];
  syncing = true;
  nowMs = 0;
  /** Turns taken so far. */
  turns = 0;
  #wantsTurn = false;
  #writing = false;
  #imageIndex: Index = 0;

  /** `extra`: options that are not as usual. */
  constructor(extra: Partial<NodeOptions> = {}) {
    const machine = new Machine();
    const raft = restored(3, [], { hardState: { term: 1, vote: 0n, commit: 1 }, applied: 0 });
    const options = { member: 1n, boot: 1, tickMs, ticksPerRaftTick: 1, electionTicks: 10, seed: 1n, quotaBytes: 1e9 };
    this.node = new Node(
      { ...options, ...extra },
      { raft, machine },
      {
        wake: () => (this.#wantsTurn = true),
        wakeIn: (delayMs) => this.alarms.push(delayMs),
        wal: { write: () => (this.#writing = true), dropUpTo: () => {} },
        image: { write: ({ appliedIndex }) => (this.#imageIndex = appliedIndex) },
        peers: { send: (_to, message) => this.sent.push(message) },
        snapshots: {
          send: (to) => this.streams.push(to),
          install: () => this.node.enqueue({ type: 'snapshotInstalled' }),
          discard: () => {},
        },
      },
    );
    this.turn();
  }

  /** Turns until nothing is left to do. */
  turn(): this {
    do {
      this.#wantsTurn = false;
      this.turns += 1;
      this.node.turn(this.nowMs);
      if (this.syncing) this.sync();
    } while (this.#wantsTurn);
    return this;
  }

  /** The image under way, if any, is on disk. */
  imageWritten(): this {
    if (this.#imageIndex > 0) this.node.enqueue({ type: 'imageWritten', appliedIndex: this.#imageIndex });
    this.#imageIndex = 0;
    return this.turn();
  }

  /** The write under way, if any, is on disk. */
  sync(): this {
    if (!this.#writing) return this;
    this.#writing = false;
    this.node.enqueue({ type: 'persisted' });
    return this;
  }

  tick(times = 1): this {
    for (let i = 0; i < times; i++) {
      this.nowMs += tickMs;
      this.node.enqueue({ type: 'tick' });
      this.turn();
    }
    return this;
  }

  hear(message: PeerMessage): this {
    this.node.enqueue({ type: 'message', message });
    return this.turn();
  }

  /** Campaigns and is voted for; the first entry of the term is not committed yet. */
  lead(): this {
    while (this.node.raft.role === 'follower') this.tick();
    const term = this.node.raft.term + 1;
    this.hear({ type: 'preVoteReply', from: 2n, to: 1n, term, granted: true });
    this.hear({ type: 'voteReply', from: 2n, to: 1n, term, granted: true });
    if (this.node.raft.role !== 'leader') throw new Error('not elected');
    return this;
  }

  /** Member 2, or another, has all of the log. `needsSnapshot`: and its image is lost. */
  ack(match: Index = this.node.raft.lastIndex, from: MemberId = 2n, needsSnapshot = false): this {
    const { term } = this.node.raft;
    return this.hear({
      type: 'appendReply',
      from,
      to: 1n,
      term,
      accepted: true,
      match,
      hintIndex: 0,
      hintTerm: 0,
      needsSnapshot,
      round: 0,
    });
  }

  /** Member 2 echoes the newest round, and says nothing about the log. */
  echo(): this {
    const round = Math.max(0, ...this.sent.map((message) => (message.type === 'heartbeat' ? message.round : 0)));
    const { term } = this.node.raft;
    return this.hear({ type: 'heartbeatReply', from: 2n, to: 1n, term, round, needsSnapshot: false });
  }

  /** Member `from` leads in `term` and sends these. */
  follow(term: Term, entries: readonly Entry[], commit: Index, from: MemberId = 2n): this {
    const prevIndex = entries[0] === undefined ? this.node.raft.lastIndex : entries[0].index - 1;
    const prevTerm = this.node.raft.termAt(prevIndex) ?? 0;
    return this.hear({ type: 'append', from, to: 1n, term, prevIndex, prevTerm, entries, commit, round: 0 });
  }

  propose(command: Command): this {
    this.node.enqueue({ type: 'propose', command, timeoutMs: 5_000, reply: (answer: Answer) => this.#note(answer) });
    return this.turn();
  }

  ask(kind: 'keepAlive' | 'timeToLive', id: bigint): this {
    const reply = (answer: RenewalAnswer): void => this.#note(answer);
    this.node.enqueue({ type: 'question', kind, id, timeoutMs: 5_000, reply });
    return this.turn();
  }

  barrier(): this {
    this.node.enqueue({ type: 'barrier', timeoutMs: 5_000, reply: (answer: BarrierAnswer) => this.#note(answer) });
    return this.turn();
  }

  swept(revision: number, timeoutMs = 5_000): this {
    this.node.enqueue({ type: 'swept', revision, timeoutMs, reply: (answer: BarrierAnswer) => this.#note(answer) });
    return this.turn();
  }

  /** What was answered since the last call. */
  said(): unknown[] {
    return this.answers.splice(0);
  }

  last<T extends PeerMessage['type']>(type: T): Extract<PeerMessage, { type: T }> | undefined {
    return this.sent.findLast((message): message is Extract<PeerMessage, { type: T }> => message.type === type);
  }

  #note(answer: Answer | RenewalAnswer | BarrierAnswer): void {
    this.answers.push(answer.type === 'unavailable' ? answer.why : answer.type);
  }
}
