/** Makes the faults of a plan happen, each at its time and for its time, and ends all of them at the end. */
import type { TestCluster } from '../../../src/client/testing/test-cluster.ts';
import type { Checks } from './checks.ts';
import type { Contender } from './contender.ts';
import type { Fault, Whom } from './plan.ts';
import type { Truth } from './truth.ts';

/** A process whose machine slept is told by its wall clock, which it compares once a second. */
const wallLookMs = 1_010;

/** Both clocks of a process when it began to stand still. */
interface Standing {
  readonly monotonicMs: number;
  readonly wallMs: number;
  readonly suspended: boolean;
}

export class Strikes {
  readonly #cluster: TestCluster;
  readonly #checks: Checks;
  readonly #truth: Truth;
  readonly #standing = new Map<Contender, Standing>();
  /** Wall clocks that were set back: they tell nothing any more. */
  readonly #setBack = new Set<Contender>();
  #over = false;
  /** How often each struck. */
  readonly counts: Record<string, number> = {};

  constructor(cluster: TestCluster, checks: Checks, truth: Truth) {
    this.#cluster = cluster;
    this.#checks = checks;
    this.#truth = truth;
  }

  /** From now on. */
  begin(faults: readonly Fault[]): void {
    for (const fault of faults)
      this.#cluster.clock.after(fault.atMs, () => {
        if (this.#over || !this.#strike(fault)) return;
        this.counts[fault.kind] = (this.counts[fault.kind] ?? 0) + 1;
      });
  }

  /** Everything works again, but for those who were killed. */
  end(): void {
    this.#over = true;
    for (const contender of [...this.#standing.keys()]) this.#resume(contender, 'timers');
    this.#cluster.heal();
    for (const index of this.#cluster.endpoints.keys()) {
      if (this.#cluster.status(index).up) this.#cluster.resume(index);
      else this.#cluster.restart(index);
    }
  }

  /** False: it cannot strike now. */
  #strike(fault: Fault): boolean {
    switch (fault.kind) {
      case 'leaderKilled':
      case 'leaderPaused':
      case 'leaderCut':
        return this.#strikeLeader(fault.kind, fault.forMs);
      default: {
        const contender = this.#whom(fault.whom);
        return contender !== undefined && this.#strikeProcess(contender, fault);
      }
    }
  }

  #strikeLeader(kind: 'leaderKilled' | 'leaderPaused' | 'leaderCut', forMs: number): boolean {
    const cluster = this.#cluster;
    const { leader } = cluster;
    if (leader === undefined || (kind === 'leaderCut' && cluster.endpoints.length === 1)) return false;
    if (kind === 'leaderKilled') cluster.kill(leader);
    else if (kind === 'leaderPaused') cluster.pause(leader);
    else cluster.isolate(leader);
    this.#later(forMs, () => {
      if (kind === 'leaderKilled') cluster.restart(leader);
      else if (kind === 'leaderPaused') cluster.resume(leader);
      else cluster.heal();
    });
    return true;
  }

  #strikeProcess(
    contender: Contender,
    fault: Exclude<Fault, { kind: 'leaderKilled' | 'leaderPaused' | 'leaderCut' }>,
  ): boolean {
    const { process } = contender;
    switch (fault.kind) {
      case 'pause':
      case 'suspend':
        if (!contender.running) return false;
        this.#stand(contender, fault.kind === 'suspend');
        this.#later(fault.forMs, () => this.#resume(contender, fault.first));
        return true;
      case 'wall':
        this.#jump(contender, fault.byMs);
        return true;
      case 'cut':
        process.isolate(fault.way);
        this.#later(fault.forMs, () => {
          if (fault.lost) process.disconnect();
          process.heal();
        });
        return true;
      case 'slow':
        for (const index of this.#cluster.endpoints.keys()) process.slow(index, fault.byMs);
        this.#later(fault.forMs, () => process.heal());
        return true;
      case 'disconnect':
        if (contender.running) process.disconnect();
        return contender.running;
      case 'close':
        if (contender.running) contender.replaceClient();
        return contender.running;
      case 'kill':
        contender.dead = true;
        contender.running = false;
        contender.hold = undefined;
        this.#standing.delete(contender);
        process.kill();
        return true;
    }
  }

  #stand(contender: Contender, suspended: boolean): void {
    const { process } = contender;
    this.#standing.set(contender, {
      monotonicMs: process.clock.monotonicMs(),
      wallMs: process.clock.wallMs(),
      suspended,
    });
    contender.running = false;
    if (suspended) process.suspend();
    else process.pause();
  }

  #resume(contender: Contender, first: 'timers' | 'messages'): void {
    const standing = this.#standing.get(contender);
    if (standing === undefined) return;
    this.#standing.delete(contender);
    const { process } = contender;
    process.resume({ first });
    contender.running = true;
    contender.excusedUntilMs = this.#cluster.clock.monotonicMs() + (standing.suspended ? wallLookMs : 0);
    const byMonotonicMs = process.clock.monotonicMs() - standing.monotonicMs;
    const byWallMs = this.#setBack.has(contender) ? 0 : process.clock.wallMs() - standing.wallMs;
    this.#checks.resumed(contender, Math.max(byMonotonicMs, byWallMs));
  }

  #jump(contender: Contender, byMs: number): void {
    contender.process.jumpWall(byMs);
    if (byMs < 0) this.#setBack.add(contender);
    else if (contender.running && !this.#setBack.has(contender)) this.#checks.resumed(contender, byMs);
  }

  #whom(whom: Whom): Contender | undefined {
    const { contenders } = this.#checks;
    const { owner } = this.#truth;
    const found = whom === 'owner' ? contenders.find(({ hold }) => hold?.token === owner) : contenders[whom];
    return found?.dead === true ? undefined : found;
  }

  #later(forMs: number, step: () => void): void {
    this.#cluster.clock.after(forMs, () => {
      if (!this.#over) step();
    });
  }
}
