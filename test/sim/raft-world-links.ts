/** Between the members of the small Raft world: messages are lost, doubled, reordered, delayed and cut, snapshots streamed. */
import type { Message } from '../../src/raft/message.ts';
import type { Raft } from '../../src/raft/raft.ts';
import type { MemberId } from '../../src/store/entry.ts';
import type { RaftWorld } from './raft-world.ts';
import type { RaftWorldMember } from './raft-world-member.ts';

export class Links {
  readonly #world: RaftWorld;
  /** `from>to`. */
  readonly #cut = new Set<string>();
  readonly #loss: number;
  readonly #doubling: number;
  readonly #delayMsMax: number;

  constructor(world: RaftWorld) {
    this.#world = world;
    this.#loss = world.net.pick([0, 0.02, 0.1, 0.3]);
    this.#doubling = world.net.pick([0, 0.05, 0.3]);
    this.#delayMsMax = world.net.pick([2, 10, 30, 90]);
  }

  cut(from: MemberId, to: MemberId): void {
    this.#cut.add(`${from}>${to}`);
  }

  heal(): void {
    this.#cut.clear();
  }

  send(message: Message, member: RaftWorldMember): void {
    const { messages, healed, net } = this.#world;
    messages.sent(message, member);
    const copies = healed ? 1 : net.chance(this.#loss) ? 0 : net.chance(this.#doubling) ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      const late = net.chance(0.02) ? 8 : 1;
      this.#world.at(healed ? 1 : late * net.below(this.#delayMsMax) + 1, () => this.#deliver(message));
    }
  }

  #deliver(message: Message): void {
    const world = this.#world;
    if (this.#isCut(message.from, message.to)) return;
    const to = this.#memberOf(message.to);
    to.input((raft) => {
      world.messages.stepping(message, to, world.nowMs);
      raft.step(message);
    });
  }

  /** Streams the image on disk; what a cut or a crash does to it is one chance. */
  stream(member: RaftWorldMember, toId: MemberId): void {
    const { net, healed } = this.#world;
    const to = this.#memberOf(toId);
    const { image } = member.disk;
    const raft = member.raft as Raft;
    const good = image !== undefined && (healed || net.chance(0.8));
    const head = image && { from: member.id, to: toId, term: raft.term, meta: image.meta };
    const delayMs = healed ? 5 : net.between(5, 150);
    const { boot } = to;
    const arrives = (): boolean => to.raft !== undefined && to.boot === boot && !this.#isCut(member.id, toId);
    member.later(delayMs, (sender) => sender.snapshotSent(toId, image?.meta.index ?? 0, good && arrives()));
    if (!good || head === undefined) return;
    this.#world.at(Math.max(1, delayMs + net.between(-3, 3)), () => {
      if (arrives()) to.stage(head, image);
    });
  }

  #isCut(from: MemberId, to: MemberId): boolean {
    return this.#cut.has(`${from}>${to}`);
  }

  #memberOf(id: MemberId): RaftWorldMember {
    return this.#world.members.find((member) => member.id === id) as RaftWorldMember;
  }
}
