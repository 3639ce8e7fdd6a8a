/**
 * Strikes the faults of a schedule at their times, looks up whom they mean, ends them, and heals the world for the liveness phase.
 * What each kind does is in `faults-network.ts`, `faults-host.ts` and `faults-disk.ts`.
 */
import { Prng } from '../../src/base/prng.ts';
import type { FaultKind } from './fault-kinds.ts';
import { diskFaults } from './faults-disk.ts';
import { hostFaults } from './faults-host.ts';
import { networkFaults } from './faults-network.ts';
import type { SimMember } from './member.ts';
import type { Fault } from './schedule.ts';
import type { World } from './world.ts';

/** One fault as it strikes one member. */
export interface Strike {
  readonly world: World;
  readonly fault: Fault;
  readonly member: SimMember;
  /** Of this fault alone. */
  readonly prng: Prng;
  /** A parameter; `otherwise` if the fault does not say. */
  param(name: string, otherwise: number): number;
  /** The member that `params.to` means; never the target itself. */
  readonly other: SimMember;
  /** It took effect. */
  struck(): void;
  /** Its next blow, after `delayMs`, unless the world is healed before. */
  later(delayMs: number, blow: () => void): void;
  /** After `forMs`, unless the world is healed before. */
  finally(undo: () => void): void;
}

/** What a kind does; one that strikes right away calls `struck` itself. */
export type StrikeTable<Kind extends FaultKind> = Readonly<Record<Kind, (strike: Strike) => void>>;

const table: Readonly<Record<FaultKind, (strike: Strike) => void>> = { ...networkFaults, ...hostFaults, ...diskFaults };

export class Faults {
  readonly counts = new Map<FaultKind, number>();
  count = 0;
  readonly #world: World;
  #next = 0;
  #healed = false;

  constructor(world: World) {
    this.#world = world;
    this.#awaitNext();
  }

  /** Strikes now, whatever `atMs` says. */
  strike(fault: Fault): void {
    const world = this.#world;
    if (this.#healed) return;
    const prng = new Prng(world.schedule.seed, `fault ${fault.kind} ${fault.atMs}`);
    for (const member of this.#targets(fault)) this.#strikeOne(fault, member, prng);
  }

  /** Ends the safety phase. Members outside the core stay down, or go on cut off from it. */
  heal(core: readonly SimMember[]): void {
    const world = this.#world;
    this.#healed = true;
    world.healed = true;
    world.network.heal();
    for (const member of world.members) {
      member.diskStalledUntilMs = 0;
      member.diskSlowMs = 0;
      member.traps.forget();
      if (core.includes(member)) {
        member.resume();
        member.enqueue({ type: 'diskSpace', freeBytes: 2 ** 40, reserveBytes: 1 });
        member.start();
      } else if (member.prng.chance(0.5)) {
        member.staysDown = true;
        member.crash();
      } else world.network.cutOff(member.index);
    }
  }

  #awaitNext(): void {
    const { schedule, timeline } = this.#world;
    const fault = schedule.faults[this.#next];
    if (fault === undefined) return;
    timeline.after(fault.atMs - timeline.nowMs, () => {
      this.#next++;
      this.strike(fault);
      this.#awaitNext();
    });
  }

  #targets({ target }: Fault): readonly SimMember[] {
    const { members, leader } = this.#world;
    if (target === 'all') return members;
    if ('member' in target) return [members[target.member % members.length] as SimMember];
    const lead = leader ?? (members[0] as SimMember);
    if (target.role === 'leader') return [lead];
    return [members[(lead.index + 1 + (target.nth % Math.max(1, members.length - 1))) % members.length] as SimMember];
  }

  #strikeOne(fault: Fault, member: SimMember, prng: Prng): void {
    const world = this.#world;
    const { members, observer, timeline } = world;
    const to = (fault.params['to'] ?? 0) % members.length;
    const other = members[to === member.index ? (to + 1) % members.length : to] as SimMember;
    table[fault.kind]({
      world,
      fault,
      member,
      prng,
      other,
      param: (name, otherwise) => fault.params[name] ?? otherwise,
      struck: () => {
        this.count++;
        this.counts.set(fault.kind, (this.counts.get(fault.kind) ?? 0) + 1);
        timeline.mix(fault.kind.length * 131 + member.index);
        world.trace?.(member.index, `FAULT ${fault.kind} for ${fault.forMs} ms ${JSON.stringify(fault.params)}`);
        observer.fault(fault, false, timeline.nowMs);
      },
      later: (delayMs, blow) =>
        timeline.after(delayMs, () => {
          if (!this.#healed) blow();
        }),
      finally: (undo) =>
        timeline.after(fault.forMs, () => {
          if (this.#healed) return;
          undo();
          world.trace?.(member.index, `over: ${fault.kind}`);
          observer.fault(fault, true, timeline.nowMs);
        }),
    });
  }
}
