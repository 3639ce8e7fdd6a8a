/**
 * What a member does with a client that waits in a lock's queue, as `rpc/queues.ts` does it without promises: looks, sleeps until it is
 * woken, and when it finds the candidate first asks a quorum and looks again. The wait itself is the real one. Owns no lock; a wait
 * ends with its answer, its deadline or its member.
 */
import type { Node } from '../../src/node/node.ts';
import { type Candidate, type Place, QueueWait } from '../../src/watch/queue.ts';
import type { SimMember } from './member.ts';
import { Violation } from './violation.ts';

/** What a wait came to. */
export type TurnAnswer =
  /** It was found first at `foundAt`; `askedAt`: the newest revision applied anywhere when the quorum was asked. */
  | { readonly type: 'first'; readonly foundAt: number; readonly askedAt: number }
  | { readonly type: 'gone' }
  | { readonly type: 'unavailable' };

export class TurnWait {
  readonly #member: SimMember;
  readonly #node: Node;
  readonly #boot: number;
  readonly #candidate: Candidate;
  readonly #answer: (answer: TurnAnswer) => void;
  readonly #wait: QueueWait;
  readonly #endMs: number;
  /** It sleeps, and whoever wakes it says so here. */
  #sleeps = false;
  #over = false;

  /** At the member. `answer` is called once, unless the member dies first. */
  constructor(
    member: SimMember,
    node: Node,
    candidate: Candidate,
    waitMs: number,
    answer: (answer: TurnAnswer) => void,
  ) {
    this.#member = member;
    this.#node = node;
    this.#boot = member.boot;
    this.#candidate = candidate;
    this.#answer = answer;
    this.#endMs = member.nowMs + waitMs;
    member.world.waits.add(this);
    this.#wait = new QueueWait(node.hub, candidate, () => this.#woken());
    member.later(this.#boot, waitMs, () => member.post(() => this.#giveUp()));
    this.#look(undefined);
  }

  get member(): SimMember {
    return this.#member;
  }

  /** Its member is gone, and what it waited for with it. */
  forget(): void {
    this.#over = true;
    this.#member.world.waits.delete(this);
  }

  /** `askedAt`: a quorum was asked then, and has answered; undefined: none was. */
  #look(askedAt: number | undefined): void {
    if (this.#over) return;
    const place = this.#wait.look(this.#node.machine);
    this.#sleeps = place === 'waits';
    if (place === 'gone') this.#end({ type: 'gone' });
    else if (place === 'tooManyWatchers') this.#end({ type: 'unavailable' });
    else if (place === 'first' && askedAt === undefined) this.#confirm();
    else if (place === 'first')
      this.#end({ type: 'first', foundAt: this.#node.machine.revision, askedAt: askedAt as number });
  }

  #confirm(): void {
    const { world } = this.#member;
    const askedAt = world.newestRevision;
    this.#node.enqueue({
      type: 'barrier',
      timeoutMs: Math.max(1, this.#endMs - this.#member.nowMs),
      reply: (answer) =>
        this.#soon(() => (answer.type === 'reached' ? this.#look(askedAt) : this.#end({ type: 'unavailable' }))),
    });
  }

  #woken(): void {
    this.#sleeps = false;
    this.#soon(() => this.#look(undefined));
  }

  /** Not in the middle of a turn. */
  #soon(step: () => void): void {
    this.#member.later(this.#boot, 0.05, () => this.#member.post(step));
  }

  #giveUp(): void {
    if (this.#over) return;
    this.#isAsleepForAReason();
    this.#end({ type: 'unavailable' });
  }

  /** V3: whoever sleeps has something older before it, in the very state of its member. */
  #isAsleepForAReason(): void {
    if (!this.#sleeps) return;
    const look = new QueueWait(this.#node.hub, this.#candidate, () => {});
    const place: Place = look.look(this.#node.machine);
    look.end();
    if (place !== 'waits')
      throw new Violation('V3', `${this.#member.name} lets a candidate sleep that is ${place}, and nobody woke it`);
  }

  #end(answer: TurnAnswer): void {
    if (this.#over) return;
    this.forget();
    this.#wait.end();
    this.#answer(answer);
  }
}
