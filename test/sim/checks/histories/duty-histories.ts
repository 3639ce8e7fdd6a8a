/** How a primary did its duties, well and badly: L3, L4, L7, L12, L14. Time is the world's; the story says who turns when. */
import type { Raft } from '../../../../src/raft/raft.ts';
import type { Command, LeaseId } from '../../../../src/state/command.ts';
import type { MemberId } from '../../../../src/store/entry.ts';
import { DutyChecks } from '../duty-checks.ts';
import { LessorTimes } from '../lessor-time.ts';
import { Reigns } from '../reigns.ts';
import { type Row, Story } from './story.ts';

const tickMs = 50;
const electionTimeoutMs = 1_000;

/** A story with a primary in it, who turns every tick unless the story lets it stand still. */
class Reigned {
  readonly story = new Story();
  readonly #times = new LessorTimes(true, tickMs);
  readonly #reigns = new Reigns(this.#times);
  readonly #duty = new DutyChecks(
    { electionTimeoutMs, tickMs, clocksInSpec: true },
    this.#times,
    this.story.lives,
    this.#reigns,
  );
  #nowMs = 0;
  #leader: MemberId = 1n;

  constructor() {
    for (const id of [1n, 2n, 3n]) this.#times.booted(id, 0);
    this.promoted(1n, 1);
  }

  /** `id` leads in `term`, has applied its first entry, and is on duty. */
  promoted(id: MemberId, term: number): void {
    this.#leader = id;
    this.story.term = term;
    this.#times.turn(id, this.#nowMs);
    this.log();
  }

  /** The member's state after a turn, as it would have the checks see it. */
  turned(id: MemberId, role: string, dutyTerm: number | undefined, appliedTerm: number): void {
    const { term } = this.story;
    const raft = { role, term, lastIndex: this.story.machine.appliedIndex } as Raft;
    this.#reigns.turned({ id, raft, dutyTerm, appliedTerm }, this.#nowMs);
  }

  /** The primary turns at every tick until then. */
  runTo(untilMs: number): void {
    while (this.#nowMs < untilMs) {
      this.#nowMs = Math.min(untilMs, this.#nowMs + tickMs);
      this.#times.turn(this.#leader, this.#nowMs);
    }
  }

  /** Nobody turns until then, and then the primary does. */
  stallTo(untilMs: number): void {
    this.#nowMs = untilMs;
    this.#times.turn(this.#leader, untilMs);
  }

  /** The primary proposes an entry with these commands, and it is applied at once. */
  log(...commands: Command[]): void {
    const { story } = this;
    const before = story.state.places.at(-1)?.entry.term ?? 0;
    const clients = commands.filter((command) => command.type === 'grant');
    const items = clients.length > 0 ? clients.map((command) => story.write(command, this.#nowMs)) : commands;
    const { entry, applied } = story.made(...items);
    if (before < story.term) this.#reigns.termOpened(story.term, story.lives.alive);
    this.turned(this.#leader, 'leader', story.term, story.term);
    const place = story.state.appliedOn({ id: 1n, machine: story.machine }, entry, applied, this.#nowMs, 1n);
    if (place === undefined) return;
    const events = story.lives.applied(place);
    this.#reigns.appliedBy(this.#leader, entry.index, entry.term);
    this.#reigns.applied(entry.index, entry.term);
    this.#duty.applied(place, events);
    const reign = this.#reigns.of(story.term);
    for (const life of events.born) if (reign !== undefined) this.#duty.bornOnLeader(life, reign);
  }

  grant(id: LeaseId, ttlMs: number): void {
    this.log({ type: 'grant', id, ttlMs });
  }

  expire(...ids: LeaseId[]): void {
    const leases = ids.map((id) => ({ id, stamp: this.story.stampOf(id) }));
    this.log({ type: 'expire', term: this.story.term, leases });
  }

  checkpoint(id: LeaseId, remainingMs: number): void {
    this.log({
      type: 'checkpoint',
      term: this.story.term,
      leases: [{ id, stamp: this.story.stampOf(id), remainingMs }],
    });
  }
}

function row(name: string, expected: string, tell: (reigned: Reigned) => void): Row {
  return {
    name,
    expected,
    tell: () => {
      const reigned = new Reigned();
      // What is granted during the promotion itself has other bounds.
      reigned.runTo(1_000);
      tell(reigned);
    },
  };
}

export const badDutyHistories: readonly Row[] = [
  row('a follower is on duty', 'L3', (reigned) => reigned.turned(2n, 'follower', 1, 1)),
  row('on duty before an entry of the own term is applied', 'L3', (reigned) => {
    reigned.story.term = 2;
    reigned.turned(2n, 'leader', 2, 1);
  }),
  row('a new leader expires a lease as if it had known it', 'L3', (reigned) => {
    reigned.grant(7n, 10_000);
    reigned.runTo(9_000);
    reigned.promoted(2n, 2);
    reigned.runTo(11_500);
    reigned.expire(7n);
  }),
  row('a stall is caught up at once', 'L12', (reigned) => {
    reigned.grant(7n, 10_000);
    reigned.runTo(3_000);
    reigned.stallTo(11_500);
    reigned.expire(7n);
  }),
  row('a lease that nobody renews never ends', 'L4', (reigned) => {
    reigned.grant(7n, 2_000);
    reigned.runTo(5_000);
    reigned.grant(8n, 60_000);
    reigned.runTo(6_000);
    reigned.grant(9n, 60_000);
  }),
  row('a lease has a fresh life under every leader', 'L7', (reigned) => {
    reigned.grant(7n, 60_000);
    let nowMs = 1_000;
    for (let term = 2; term < 9; term++) {
      nowMs += 55_000;
      reigned.runTo(nowMs);
      for (const more of [0, 100]) {
        reigned.runTo(nowMs + more);
        reigned.grant(BigInt(1_000 * term + more), 1_000_000);
      }
      reigned.promoted(BigInt((term % 3) + 1), term);
    }
  }),
  row('two decisions about one lease are on their way at once', 'L7', (reigned) => {
    reigned.grant(7n, 60_000);
    reigned.runTo(30_000);
    reigned.checkpoint(7n, 30_000);
    reigned.stallTo(29_000);
    reigned.checkpoint(7n, 29_000);
  }),
  row('what was due last is expired first', 'L14', (reigned) => {
    reigned.grant(7n, 3_000);
    reigned.runTo(2_000);
    reigned.grant(8n, 3_000);
    reigned.runTo(5_100);
    reigned.expire(8n, 7n);
  }),
];

export const legalDutyHistories: readonly Row[] = [
  row('each leader gives what was recorded, and the lease ends a little late', 'legal', (reigned) => {
    reigned.grant(7n, 60_000);
    reigned.runTo(31_000);
    reigned.checkpoint(7n, 30_000);
    reigned.promoted(2n, 2);
    reigned.runTo(62_200);
    reigned.expire(7n);
  }),
  row('time that a stall cut off is not caught up, and the lease ends that much later', 'legal', (reigned) => {
    reigned.grant(7n, 10_000);
    reigned.runTo(3_000);
    reigned.stallTo(20_000);
    reigned.grant(8n, 60_000);
    reigned.runTo(28_000);
    reigned.expire(7n);
  }),
  row('leases that were due together go out in the order in which they were due', 'legal', (reigned) => {
    reigned.grant(7n, 3_000);
    reigned.runTo(2_000);
    reigned.grant(8n, 3_000);
    reigned.stallTo(5_100);
    reigned.runTo(8_200);
    reigned.expire(7n, 8n);
  }),
];
