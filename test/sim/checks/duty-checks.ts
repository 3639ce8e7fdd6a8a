/**
 * The primary's duties, judged from outside by what it proposes and when: no lease ends before what was left of it at promotion has
 * passed (L3), nor in lessor time before its own deadline, whatever stalls (L12); what nobody renews ends soon after (L4), and a
 * change of leader costs a bounded extension (L7), with one decision about a lease at a time; commands are bounded and in
 * deadline order (L14). All limits follow from house §5; nothing is read from the primary itself.
 */
import type { LeaseId } from '../../../src/state/command.ts';
import type { Index, Term } from '../../../src/store/entry.ts';
import { fail } from './fail.ts';
import { type LessorTime, type LessorTimes, stretched } from './lessor-time.ts';
import type { Life, LifeEvents, Lives } from './lives.ts';
import type { Proposed, Reign, Reigns } from './reigns.ts';
import { isDuty, type Place } from './state-checks.ts';

export interface DutyOptions {
  readonly electionTimeoutMs: number;
  readonly tickMs: number;
  readonly clocksInSpec: boolean;
}

/** Leases in one command. */
const leasesPerCommandMax = 1_000;
const roundMs = 0.01;

/** A moment in a reign. */
interface Moment {
  readonly term: Term;
  readonly high: number;
  readonly low: number;
}

/** A keep-alive reached somebody. */
interface Touch extends Moment {
  /** Whom it was aimed at: the leader of this term, who may not be on duty yet. 0: not known. */
  readonly aimedAt: Term;
}

/** What is known of a life besides its promise. */
interface Care {
  /** Its grant was applied, by whomever first. */
  begun: Moment | undefined;
  /** Its grant was applied by the leader on duty. */
  born: Moment | undefined;
  /** The latest renewal that was certainly handled: not before this moment. */
  renewed: Moment | undefined;
  /** The last decision about it that was applied. */
  decided: { readonly term: Term; readonly index: Index; readonly atMs: number } | undefined;
}

export class DutyChecks {
  readonly #options: DutyOptions;
  readonly #times: LessorTimes;
  readonly #lives: Lives;
  readonly #reigns: Reigns;
  readonly #care = new WeakMap<Life, Care>();
  /** Keep-alives under way, by id. */
  readonly #open = new Map<LeaseId, number>();
  /** By call: the present of the newest reign when it was sent. */
  readonly #sent = new Map<number, Moment>();
  /** By id: the last moment at which a keep-alive may have reached a leader. */
  readonly #touched = new Map<LeaseId, Touch>();
  #sweptMs = 0;

  constructor(options: DutyOptions, times: LessorTimes, lives: Lives, reigns: Reigns) {
    this.#options = options;
    this.#times = times;
    this.#lives = lives;
    this.#reigns = reigns;
  }

  // ── what comes in ────────────────────────────────────────────────────────────────────────────────────────────────────

  keepAliveSent(number: number, id: LeaseId): void {
    this.keepAliveWaits(id);
    const now = this.#now();
    if (now !== undefined) this.#sent.set(number, now);
  }

  /** The call ended. `life`: it was answered OK, and certainly about this one. */
  keepAliveEnded(number: number, id: LeaseId, life: Life | undefined): void {
    this.keepAliveLeaves(id);
    const sent = this.#sent.get(number);
    this.#sent.delete(number);
    if (life === undefined || sent === undefined) return;
    const care = this.#careOf(life);
    if (care.renewed === undefined || isLater(sent, care.renewed)) care.renewed = sent;
  }

  /** From here on a renewal may be dated: its client, or the member that it reached, waits for it. */
  keepAliveWaits(id: LeaseId): void {
    this.#open.set(id, (this.#open.get(id) ?? 0) + 1);
  }

  /** One of those waits no longer. */
  keepAliveLeaves(id: LeaseId): void {
    const open = (this.#open.get(id) ?? 1) - 1;
    if (open === 0) this.#open.delete(id);
    else this.#open.set(id, open);
    this.touched(id);
  }

  /** A keep-alive reaches some member, perhaps a copy of one that ended long ago. */
  touched(id: LeaseId, aimedAt: Term = 0): void {
    this.#touched.set(id, { term: 0, high: 0, low: 0, ...this.#now(), aimedAt });
  }

  /** The leader on duty in `term` applied a grant: the life's time begins at its present. */
  bornOnLeader(life: Life, reign: Reign): void {
    this.#careOf(life).born ??= { term: reign.term, ...this.#times.of(reign.member) };
  }

  // ── the log goes on ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** The first application of an entry, after `lives` and `reigns` took it in. */
  applied(place: Place, { born, ended }: LifeEvents): void {
    for (const life of born) this.#careOf(life).begun = this.#now();
    const { entry, commands, atMs } = place;
    const reign = this.#reigns.of(entry.term);
    const proposed = this.#reigns.proposedAt(entry.index);
    for (const { command, outcome } of commands) {
      if (!isDuty(command) || !outcome.ok) continue;
      if (command.leases.length > leasesPerCommandMax)
        fail('L14', `${command.type} of ${command.leases.length} leases`);
      if (reign === undefined) fail('L3', `a ${command.type} of term ${entry.term}, in which nobody was on duty`);
      if (proposed?.term !== entry.term) continue;
      const gone = command.type === 'expire' ? ended : [];
      for (const life of gone) this.#mayEnd(life, reign, proposed);
      if (command.type === 'expire' && this.#options.clocksInSpec) this.#isInOrder(gone, reign);
      // Where one of them was of another life, it cannot be said which.
      if (outcome.result.type !== 'done' || outcome.result.touched !== command.leases.length) continue;
      for (const { id } of command.leases) {
        const life = this.#lives.alive.get(id) ?? gone.find((each) => each.id === id);
        if (life !== undefined) this.#decidedOnce(life, place, proposed);
      }
    }
    if (atMs - this.#sweptMs < 500) return;
    this.#sweptMs = atMs;
    if (reign !== undefined && reign === this.#reigns.newest) this.#sweep(reign, reign.creditLow);
  }

  /** All is quiet: with nothing on its way, the present counts in full. */
  finished(): void {
    const reign = this.#reigns.newest;
    if (reign !== undefined) this.#sweep(reign, this.#times.of(reign.member).low - 1_000);
  }

  /** L3 in real time, L12 in lessor time. */
  #mayEnd(life: Life, reign: Reign, { atMs, time }: Proposed): void {
    const { id, grantedMs } = life;
    const leftMs = this.#reigns.leftAtStart(reign.term, life);
    if (leftMs !== undefined) {
      if (this.#options.clocksInSpec && atMs < reign.beganMs + leftMs - roundMs)
        fail('L3', `lease ${id}, with ${leftMs} ms left at the promotion at ${reign.beganMs}, is expired at ${atMs}`);
      if (time.high < reign.began.high + stretched(leftMs) - roundMs)
        fail(
          'L12',
          `lease ${id}, with ${leftMs} ms left, is expired ${time.high - reign.began.high} ms of lessor time after the promotion`,
        );
    }
    const { born, renewed } = this.#careOf(life);
    for (const start of [born, renewed]) {
      if (start?.term !== reign.term || time.high >= start.high + stretched(grantedMs) - roundMs) continue;
      fail(
        'L12',
        `lease ${id} of ${grantedMs} ms is expired ${time.high - start.high} ms of lessor time after its renewal`,
      );
    }
  }

  /** L14: within a command, in the order of deadlines, as far as they are known to within the drift and the stalls of clocks. */
  #isInOrder(gone: readonly Life[], reign: Reign): void {
    let latest: LessorTime = { low: Number.NEGATIVE_INFINITY, high: Number.NEGATIVE_INFINITY };
    for (const life of gone) {
      const deadline = this.#deadlineOf(life, reign);
      if (deadline === undefined) continue;
      const slack = 3 * this.#options.tickMs + 0.005 * (deadline.high - reign.began.high);
      const late = Math.min(latest.low - deadline.low, latest.high - deadline.high);
      if (late > slack) fail('L14', `lease ${life.id} is expired after one that was due ${late} ms later`);
      if (deadline.low > latest.low) latest = deadline;
    }
  }

  /** In the reign's lessor time; undefined if a renewal may have raised it. */
  #deadlineOf(life: Life, reign: Reign): LessorTime | undefined {
    const touched = this.#touched.get(life.id);
    if (this.#open.has(life.id) || (touched !== undefined && touched.term >= reign.term)) return undefined;
    const leftMs = this.#reigns.leftAtStart(reign.term, life);
    if (leftMs !== undefined) return later(reign.began, this.#options.electionTimeoutMs + stretched(leftMs));
    const { born } = this.#careOf(life);
    if (born?.term !== reign.term || this.#extension(born, reign) > 0) return undefined;
    return later(born, stretched(life.grantedMs));
  }

  /** While a promotion goes through the leases, one that is granted or renewed may be given the newcomers' election timeout. */
  #extension(start: Moment, reign: Reign): number {
    const { tickMs, electionTimeoutMs } = this.#options;
    return start.low <= reign.began.low + 3 * tickMs ? electionTimeoutMs : 0;
  }

  /** L7: what was decided about a lease must be applied before anything else is. */
  #decidedOnce(life: Life, { entry, atMs }: Place, proposed: Proposed): void {
    const care = this.#careOf(life);
    const { decided } = care;
    if (decided?.term === entry.term && proposed.atMs < decided.atMs)
      fail('L7', `two decisions about lease ${life.id} at once, at ${decided.index} and ${entry.index}`);
    care.decided = { term: entry.term, index: entry.index, atMs };
  }

  // ── L4 and L7 ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Looks at every lease that lives: is it over its time, in lessor time that certainly passed (`low`)? */
  #sweep(reign: Reign, low: number): void {
    const slack = 3 * this.#options.tickMs + 2 * reign.latency;
    for (const life of this.#lives.alive.values()) {
      if (this.#open.has(life.id)) continue;
      const touched = this.#touched.get(life.id);
      const { begun, born } = this.#careOf(life);
      // Born in this reign, and its leader has not applied it yet.
      if (born === undefined && life.bornTerm === reign.term) continue;
      this.#isSoon(life, reign, low - slack, touched, born);
      this.#isBounded(life, reign, low - slack, [touched, begun, born]);
    }
  }

  /** L4, within one reign. */
  #isSoon(life: Life, reign: Reign, low: number, touched: Touch | undefined, born: Moment | undefined): void {
    const leftMs = this.#reigns.leftAtStart(reign.term, life);
    let due = leftMs === undefined ? 0 : reign.began.low + this.#options.electionTimeoutMs + stretched(leftMs);
    for (const start of [touched, born])
      if (start?.term === reign.term)
        due = Math.max(due, start.low + stretched(life.grantedMs) + this.#extension(start, reign));
    // Asked of a leader that was not on duty yet: it is dated then at the latest.
    if (touched?.aimedAt === reign.term) due = Math.max(due, reign.began.low + stretched(life.grantedMs));
    if (due > 0 && low > due)
      fail(
        'L4',
        `lease ${life.id} of ${life.grantedMs} ms, granted at ${life.bornMs}, lives in term ${reign.term}, ${low - due} ms after it was due`,
      );
  }

  /** L7, over all reigns since it was last touched. */
  #isBounded(life: Life, reign: Reign, low: number, moments: readonly (Moment | undefined)[]): void {
    let start: Moment | undefined;
    for (const moment of moments)
      if (moment !== undefined && (start === undefined || isLater(moment, start))) start = moment;
    if (start === undefined || start.term >= reign.term) return;
    const { grantedMs } = life;
    const first = this.#reigns.of(start.term);
    let passed = first === undefined ? 0 : Math.max(0, first.creditLow - start.low);
    let bound =
      stretched(grantedMs) +
      4 * this.#options.tickMs +
      (first === undefined ? 0 : this.#extension(start, first) + 2 * first.latency);
    const lost = Math.min(grantedMs, Math.max(5_000, grantedMs / 2));
    for (const each of this.#reigns.after(start.term)) {
      passed += Math.max(0, (each === reign ? low : each.creditLow) - each.began.low);
      bound += this.#options.electionTimeoutMs + stretched(lost) + 4 * this.#options.tickMs + 2 * each.latency;
    }
    if (passed > bound)
      fail(
        'L7',
        `lease ${life.id} of ${grantedMs} ms lives ${passed} ms of its leaders' time without a renewal, at most ${bound}`,
      );
  }

  #now(): Moment | undefined {
    const reign = this.#reigns.newest;
    return reign === undefined ? undefined : { term: reign.term, ...this.#times.of(reign.member) };
  }

  #careOf(life: Life): Care {
    let care = this.#care.get(life);
    if (care === undefined) {
      care = { begun: undefined, born: undefined, renewed: undefined, decided: undefined };
      this.#care.set(life, care);
    }
    return care;
  }
}

function later({ low, high }: LessorTime, byMs: number): LessorTime {
  return { low: low + byMs, high: high + byMs };
}

function isLater(a: Moment, b: Moment): boolean {
  return a.term > b.term || (a.term === b.term && a.high > b.high);
}
