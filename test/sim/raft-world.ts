/**
 * The small Raft world: cores over twin disks, a network and virtual time, all drawn from one seed. First a time of faults, then
 * everything heals and must come to rest (V1). Owns a run and its time; the members are in `raft-world-member.ts`, what lies
 * between them in `raft-world-links.ts`, what happens to them in `raft-world-trouble.ts`.
 */
import { appendBytesMax } from '../../src/base/limits.ts';
import { Prng } from '../../src/base/prng.ts';
import { initialLog, initialMembership } from '../../src/raft/membership.ts';
import type { Raft } from '../../src/raft/raft.ts';
import type { Configuration } from '../../src/raft/types.ts';
import type { Entry, Index } from '../../src/store/entry.ts';
import { MessageChecks } from './checks/message-checks.ts';
import { RaftWorldChecks } from './raft-world-checks.ts';
import { Links } from './raft-world-links.ts';
import { RaftWorldMember } from './raft-world-member.ts';
import { Trouble } from './raft-world-trouble.ts';
import { Timeline } from './timeline.ts';
import { Violation } from './violation.ts';

export interface RaftWorldOptions {
  readonly seed: number;
  readonly members: number;
  /** Length of the time of faults. */
  readonly faultsMs: number;
}

export interface RaftWorldResult {
  readonly committed: Index;
  readonly leaders: number;
  readonly crashes: number;
  readonly installs: number;
  readonly rounds: number;
  readonly refused: number;
  readonly events: number;
}

/** One run. Throws a `Violation` when an invariant breaks. */
export function runRaftWorld(options: RaftWorldOptions): RaftWorldResult {
  return new RaftWorld(options).run();
}

export class RaftWorld {
  readonly electionTicks = 10;
  readonly tickMs = 10;
  readonly net: Prng;
  readonly disks: Prng;
  readonly faults: Prng;
  readonly members: readonly RaftWorldMember[];
  readonly checks: RaftWorldChecks;
  readonly messages: MessageChecks;
  readonly links: Links;
  readonly first: Configuration;
  /** Payload bytes of one append: of a few entries, or of all there are. */
  readonly appendBytesMax: number;
  healed = false;
  crashes = 0;
  installs = 0;
  /** Messages that members refused before they crashed. */
  refused = 0;
  readonly #faultsMs: number;
  readonly #timeline: Timeline;
  readonly #trouble: Trouble;

  constructor({ seed, members, faultsMs }: RaftWorldOptions) {
    this.#faultsMs = faultsMs;
    const prng = new Prng(seed, 'raft-world');
    this.#timeline = new Timeline(prng.fork('ties'));
    this.net = prng.fork('net');
    this.disks = prng.fork('disks');
    this.faults = prng.fork('faults');
    const load = prng.fork('load');
    this.links = new Links(this);
    this.appendBytesMax = this.net.pick([10, 40, 200, appendBytesMax]);
    const names = Array.from({ length: members }, (_, i) => `n${i + 1}`);
    const listed = names.map((name, i) => ({ id: BigInt(i + 1), name, peerUrls: [`http://${name}`] }));
    const { payload, membership } = initialMembership('world', listed);
    this.first = membership.configuration;
    const log = initialLog(payload);
    this.checks = new RaftWorldChecks(log.entries[0] as Entry);
    this.messages = new MessageChecks(this.checks, this.#electionTimeoutMs);
    this.members = membership.configuration.voters.map((id) => new RaftWorldMember(this, id, log));
    this.#trouble = new Trouble(this, load);
  }

  run(): RaftWorldResult {
    for (const member of this.members) {
      member.start();
      member.ticking();
    }
    this.#trouble.begin();
    this.at(this.#faultsMs, () => this.#heal());
    this.#runUntil(() => this.healed, this.#faultsMs + 10, 'the end of the faults');
    const timeoutMs = this.#electionTimeoutMs;
    const settled = (): boolean => this.members.some(({ raft }) => raft?.role === 'leader' && raft.ownTermCommitted);
    this.#runUntil(settled, this.nowMs + 10 * timeoutMs, 'a leader within ten election timeouts');
    const goal = this.checks.committed + 5;
    const equal = (): boolean => this.members.every((member) => member.standsAt(goal));
    this.#runUntil(equal, this.nowMs + 60 * timeoutMs, 'equal logs and answered rounds');
    for (const { raft } of this.members) this.checks.survived(raft as Raft);
    const { committed, leaderChanges, rounds } = this.checks;
    const { crashes, installs, refused } = this;
    return { committed, leaders: leaderChanges, crashes, installs, rounds, refused, events: this.#timeline.eventsRun };
  }

  get nowMs(): number {
    return this.#timeline.nowMs;
  }

  at(delayMs: number, act: () => void): void {
    this.#timeline.after(delayMs, act);
  }

  get #electionTimeoutMs(): number {
    return this.electionTicks * this.tickMs;
  }

  #runUntil(done: () => boolean, endMs: number, what: string): void {
    while (!done()) {
      if (this.nowMs >= endMs) throw new Violation('V1', `not reached: ${what}`);
      this.#timeline.runUntil(this.nowMs + 5);
    }
  }

  #heal(): void {
    this.healed = true;
    this.links.heal();
    for (const member of this.members) {
      member.stalledUntilMs = 0;
      member.pausedUntilMs = 0;
      // S1: everybody loses power at once, and whatever was acknowledged must still be there.
      member.crash();
    }
    for (const member of this.members) member.start();
  }
}
