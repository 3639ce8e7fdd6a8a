/**
 * Members among themselves: one connection for each pair, which breaks when one of them is killed, or silent for too long, and comes up
 * again when both can be reached. Snapshots travel beside it. Keeps the times of `peer/timings.ts`.
 */
import { Prng } from '../../base/prng.ts';
import type { PeerMessage } from '../../node/peer-message.ts';
import { defaultTimings } from '../../peer/timings.ts';
import type { SnapshotHead } from '../../raft/message.ts';
import type { MemberId } from '../../store/entry.ts';
import type { TestMember } from './member.ts';
import type { Network } from './network.ts';
import type { Timeline } from './timeline.ts';

const snapshotMsMin = 5;
const snapshotMsMax = 30;

/** Two members, whichever came first. */
class Pair {
  readonly a: TestMember;
  readonly b: TestMember;
  up = false;
  /** Grows with every connection, so that nothing of an older one arrives. */
  connection = 0;
  /** Nothing can be heard on it since then. */
  silentSinceMs: number | undefined;

  constructor(a: TestMember, b: TestMember) {
    this.a = a;
    this.b = b;
  }
}

export class Peers {
  readonly #timeline: Timeline;
  readonly #network: Network;
  readonly #prng: Prng;
  readonly #members = new Map<MemberId, TestMember>();
  readonly #pairs: Pair[] = [];

  constructor(timeline: Timeline, network: Network, seed: bigint) {
    this.#timeline = timeline;
    this.#network = network;
    this.#prng = new Prng(seed, 'peers');
  }

  add(member: TestMember): void {
    for (const other of this.#members.values()) this.#pairs.push(new Pair(other, member));
    this.#members.set(member.id, member);
  }

  send(from: TestMember, to: MemberId, message: PeerMessage): void {
    const target = this.#members.get(to);
    const pair = this.#pairs.find(({ a, b }) => (a === from && b === target) || (b === from && a === target));
    if (pair === undefined || target === undefined || !pair.up) return;
    const { connection } = pair;
    const { boot } = target;
    this.#network.link(from.host, target.host).carry(() => {
      if (pair.up && pair.connection === connection) target.enqueue(boot, { type: 'message', message });
    });
  }

  /** The member has started: its connections come up. */
  started(member: TestMember): void {
    for (const pair of this.#of(member)) this.#connect(pair);
  }

  /** The member was killed: those who can hear of it do. */
  ended(member: TestMember): void {
    for (const pair of this.#of(member)) this.#lose(pair, !this.#cut(pair));
  }

  /** Links were cut, or a member stands still: who hears nothing for too long gives the connection up. */
  disturbed(): void {
    for (const pair of this.#pairs) {
      if (!this.#silent(pair) || pair.silentSinceMs !== undefined) continue;
      const sinceMs = this.#timeline.nowMs;
      pair.silentSinceMs = sinceMs;
      this.#timeline.after(defaultTimings.silenceMs, () => {
        if (pair.silentSinceMs === sinceMs) this.#lose(pair, true);
      });
    }
  }

  /** Links are whole again, or a member goes on. */
  calmed(): void {
    for (const pair of this.#pairs) {
      if (this.#silent(pair)) continue;
      pair.silentSinceMs = undefined;
      this.#connect(pair);
    }
  }

  /** The image that is on disk, on a connection of its own. */
  sendSnapshot(from: TestMember, to: MemberId, term: number): void {
    const target = this.#members.get(to);
    const { boot } = from;
    if (target === undefined) return;
    const there = target.boot;
    const reached = (): boolean =>
      target.up && target.boot === there && !target.host.stands && !this.#isCut(from, target);
    // Nobody reads an image for a connection that cannot be made.
    const snapshot = reached() ? from.disks.snapshot() : undefined;
    this.#timeline.after(this.#prng.between(snapshotMsMin, snapshotMsMax), () => {
      const ok = snapshot !== undefined && reached() && target.disks.mayStage;
      if (ok) {
        target.disks.stage(snapshot);
        const head: SnapshotHead = { from: from.id, to, term, meta: snapshot.meta };
        target.enqueue(there, { type: 'snapshotStaged', head, records: snapshot.records });
      }
      from.enqueue(boot, { type: 'snapshotSent', to, index: snapshot?.meta.index ?? 0, ok });
    });
  }

  #of(member: TestMember): readonly Pair[] {
    return this.#pairs.filter(({ a, b }) => a === member || b === member);
  }

  #connect(pair: Pair): void {
    if (pair.up) return;
    const delayMs = defaultTimings.backoffMsMin + this.#prng.unit() * defaultTimings.backoffMsMin;
    this.#timeline.after(delayMs, () => {
      if (!pair.up && pair.a.up && pair.b.up && !this.#silent(pair)) {
        pair.up = true;
        pair.connection++;
        pair.silentSinceMs = undefined;
      }
    });
  }

  #lose(pair: Pair, heard: boolean): void {
    if (!pair.up) return;
    pair.up = false;
    const { a, b, connection } = pair;
    const boots = [a.boot, b.boot] as const;
    this.#timeline.after(heard ? 1 : defaultTimings.silenceMs, () => {
      if (pair.connection !== connection) return;
      a.enqueue(boots[0], { type: 'linkLost', member: b.id });
      b.enqueue(boots[1], { type: 'linkLost', member: a.id });
    });
  }

  #silent(pair: Pair): boolean {
    return this.#cut(pair) || pair.a.host.stands || pair.b.host.stands;
  }

  #cut({ a, b }: Pair): boolean {
    return this.#isCut(a, b) || this.#isCut(b, a);
  }

  #isCut(from: TestMember, to: TestMember): boolean {
    return this.#network.link(from.host, to.host).isCut;
  }
}
