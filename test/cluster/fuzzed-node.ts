/**
 * One node of three in this process, whose other members are the fuzzer: disks that answer at once, a clock that ticks now and then,
 * and what it says kept, so that answers near the truth can be made. Owns the random messages too.
 */
import type { Prng } from '../../src/base/prng.ts';
import { Node } from '../../src/node/node.ts';
import type { PeerMessage } from '../../src/node/peer-message.ts';
import { initialLog, initialMembership } from '../../src/raft/membership.ts';
import { encodeCommand, packCommands } from '../../src/state/codec.ts';
import type { Command } from '../../src/state/command.ts';
import { Machine } from '../../src/state/machine.ts';
import type { Entry } from '../../src/store/entry.ts';
import { anyBytes, anyMessageOf, messageTypes } from '../peer/messages.ts';

const ids = [1n, 2n, 3n];
const keptMessages = 64;

export class FuzzedNode {
  readonly node: Node;
  readonly #said: PeerMessage[] = [];
  readonly #random: Prng;
  #monoMs = 0;

  constructor(random: Prng) {
    this.#random = random;
    const members = ids.map((id) => ({ id, name: `n${id}`, peerUrls: [`http://n${id}`] }));
    const { payload, membership } = initialMembership('fuzz', members);
    const { hardState, entries } = initialLog(payload);
    if (hardState === undefined) throw new Error('the first log has a hard state');
    const machine = new Machine();
    this.node = new Node(
      {
        member: 1n,
        boot: 1,
        tickMs: 20,
        ticksPerRaftTick: 5,
        electionTicks: 10,
        seed: random.uint64(),
        quotaBytes: 1024 * 1024,
      },
      {
        machine,
        raft: {
          hardState,
          base: { index: 0, term: 0 },
          entries,
          configuration: membership.configuration,
          applied: 0,
          needsSnapshot: false,
        },
      },
      {
        wake: () => {},
        wakeIn: () => {},
        wal: { write: () => this.node.enqueue({ type: 'persisted' }), dropUpTo: () => {} },
        image: {
          write: ({ appliedIndex }) => this.node.enqueue({ type: 'imageWritten', appliedIndex }),
        },
        peers: {
          send: (_to, message) => {
            this.#said.push(message);
            if (this.#said.length > keptMessages) this.#said.shift();
          },
        },
        snapshots: {
          send: (to) => this.node.enqueue({ type: 'snapshotSent', to, index: 0, ok: false }),
          install: () => this.node.enqueue({ type: 'snapshotInstalled' }),
          discard: () => {},
        },
      },
    );
  }

  get term(): number {
    return this.node.raft.term;
  }

  get lastIndex(): number {
    return this.node.raft.lastIndex;
  }

  receive(message: PeerMessage): void {
    this.node.enqueue({ type: 'message', message });
    if (this.#random.chance(0.3)) this.node.enqueue({ type: 'tick' });
    if (this.#random.chance(0.02)) {
      const key = Buffer.from(`own/${this.#random.below(10)}`);
      const command: Command = { type: 'deleteRange', key, rangeEnd: Buffer.alloc(0), prevKv: false };
      this.node.enqueue({ type: 'propose', command, timeoutMs: 500, reply: () => {} });
      this.node.enqueue({ type: 'barrier', timeoutMs: 500, reply: () => {} });
      this.node.enqueue({ type: 'question', kind: 'keepAlive', id: 1n, timeoutMs: 500, reply: () => {} });
    }
    if (this.#random.chance(0.02)) this.node.enqueue({ type: 'linkLost', member: message.from });
    this.#monoMs += this.#random.below(25);
    this.node.turn(this.#monoMs);
  }

  /** What a member might answer to what this one said last, or to where it stands, most of it right. */
  nearMessage(random: Prng, from: bigint): PeerMessage {
    const { raft } = this.node;
    const { term, lastIndex, commit } = raft;
    const ends = { from, to: 1n, term };
    const said = this.#said.length === 0 ? undefined : random.pick(this.#said);
    switch (said?.type) {
      case 'preVote':
        return { ...ends, type: 'preVoteReply', term: said.term, granted: true };
      case 'vote':
        return { ...ends, type: 'voteReply', granted: true };
      case 'append':
      case 'heartbeat':
        if (random.chance(0.5)) {
          const match = random.below(lastIndex + 2);
          const hint = { hintIndex: Math.min(match, random.below(lastIndex + 1)), hintTerm: random.below(term + 1) };
          const { round } = said;
          return {
            ...ends,
            type: 'appendReply',
            accepted: random.chance(0.8),
            match,
            ...hint,
            needsSnapshot: random.chance(0.05),
            round,
          };
        }
        return { ...ends, type: 'heartbeatReply', round: said.round, needsSnapshot: random.chance(0.05) };
      default: {
        const type = random.pick(['append', 'append', 'heartbeat', 'forwardCommands', 'forwardQuestions'] as const);
        const message = anyMessageOf(random, type, from, 1n);
        const round = random.below(4);
        if (message.type === 'append') {
          const prevIndex = lastIndex - random.below(2);
          const entries = validEntries(random, prevIndex, term);
          return {
            ...message,
            term,
            prevIndex,
            prevTerm: random.between(1, term),
            entries,
            commit: commit + random.below(3),
            round,
          };
        }
        if (message.type === 'heartbeat') return { ...message, term, commit: commit + random.below(2), round };
        return { ...message, term };
      }
    }
  }
}

/** Any message, with terms and indexes that matter more often than not. */
export function plausibleMessage(
  random: Prng,
  from: bigint,
  to: bigint,
  termMax: number,
  indexMax: number,
): PeerMessage {
  const message = anyMessageOf(random, random.pick(messageTypes), from, to);
  if (random.chance(0.1)) return message;
  const bounded: Record<string, unknown> = { ...message };
  for (const [name, value] of Object.entries(bounded)) {
    if (typeof value !== 'number') continue;
    bounded[name] = random.below((/term/i.test(name) ? termMax : indexMax) + 1);
  }
  if (message.type === 'append') {
    bounded['entries'] = random.chance(0.7)
      ? validEntries(random, bounded['prevIndex'] as number, bounded['term'] as number)
      : message.entries;
  }
  if (message.type === 'forwardCommands' && random.chance(0.7))
    bounded['commands'] = Array.from({ length: random.below(4) }, (_, seq) =>
      anyCommand(random, from, bounded['boot'] as number, seq),
    );
  return bounded as unknown as PeerMessage;
}

/** Entries as a leader would send them: in order, of terms that do not fall; some of their payloads are noise. */
function validEntries(random: Prng, prevIndex: number, term: number): Entry[] {
  return Array.from({ length: random.below(4) }, (_, i): Entry => {
    const kind = random.pick(['empty', 'commands', 'commands', 'configuration'] as const);
    const noise = random.chance(0.1);
    const payload = {
      empty: () => Buffer.alloc(0),
      commands: () =>
        packCommands(Array.from({ length: random.below(3) }, (_each, seq) => anyCommand(random, 2n, 1, seq))),
      configuration: () => anyBytes(random, 40),
    }[kind]();
    return { index: prevIndex + 1 + i, term, kind, payload: noise ? anyBytes(random, 40) : payload };
  });
}

function anyCommand(random: Prng, member: bigint, boot: number, seq: number): Uint8Array {
  const key = anyBytes(random, 4);
  const id = BigInt(random.below(5));
  const stamped = [{ id, stamp: random.below(6) }];
  const term = random.below(4);
  const commands: readonly Command[] = [
    { type: 'grant', id, ttlMs: random.between(1, 100_000) },
    { type: 'revoke', id },
    {
      type: 'put',
      key,
      value: key,
      lease: id,
      prevKv: true,
      ignoreValue: random.chance(0.2),
      ignoreLease: random.chance(0.2),
    },
    { type: 'deleteRange', key, rangeEnd: anyBytes(random, 2), prevKv: true },
    { type: 'expire', term, leases: stamped },
    { type: 'clear', term, leases: stamped },
    { type: 'checkpoint', term, leases: [{ id, stamp: random.below(6), remainingMs: random.between(1, 5_000) }] },
    { type: 'publish', member, name: 'n', clientUrls: ['http://x'] },
  ];
  return encodeCommand({ origin: { member, boot, seq }, command: random.pick(commands) });
}

/** Flips, cuts, doubles or puts in bytes. */
export function bent(random: Prng, whole: Buffer): Buffer {
  let raw: Buffer = Buffer.from(whole);
  for (let bends = random.between(1, 3); bends > 0; bends--) {
    const at = random.below(raw.length + 1);
    switch (random.below(4)) {
      case 0:
        if (at < raw.length) raw[at] = (raw[at] ?? 0) ^ (1 << random.below(8));
        break;
      case 1:
        raw = raw.subarray(0, at);
        break;
      case 2:
        raw = Buffer.concat([raw, raw.subarray(at)]);
        break;
      default:
        raw = Buffer.concat([raw.subarray(0, at), anyBytes(random, 12), raw.subarray(at)]);
    }
  }
  return raw;
}
