/**
 * A client's process that competes for the lock again and again: it waits, holds for a while, looks before each write to the store, and
 * gives back. All that it does waits for its own clock, so that it stands still when the process does.
 */
import type { Prng } from '../../../src/base/prng.ts';
import type { Client } from '../../../src/client/client.ts';
import { type Clock, sleep } from '../../../src/client/clock.ts';
import { LeaseError } from '../../../src/client/errors.ts';
import type { ClientProcess } from '../../../src/client/testing/test-cluster.ts';
import { believesBy, type Checks } from './checks.ts';
import { type Hold, type Wish, waysToHold } from './hold.ts';
import { naiveHold } from './naive.ts';
import type { ContenderPlan, Kind, Look } from './plan.ts';

/** Most writes are quick, some hang on their way. */
const writeMsMax = 5;
const hangingMsMax = 3_000;

export class Contender {
  readonly name: string;
  readonly plan: ContenderPlan;
  readonly process: ClientProcess;
  readonly #clock: Clock;
  readonly #kind: Kind;
  readonly #prng: Prng;
  readonly #checks: Checks;
  readonly #stop = new AbortController();
  client: Client;
  /** What it was told that it holds, until it decides to be done with it. */
  hold: Hold | undefined;
  running = true;
  dead = false;
  /** Until then a signal that waits for a timer may be late. */
  excusedUntilMs = -1;
  holds = 0;
  writes = 0;

  constructor(
    name: string,
    plan: ContenderPlan,
    parts: { process: ClientProcess; kind: Kind; prng: Prng; checks: Checks },
  ) {
    this.name = name;
    this.plan = plan;
    this.process = parts.process;
    this.#kind = parts.kind;
    this.#clock = parts.process.clock;
    this.#prng = parts.prng;
    this.#checks = parts.checks;
    this.client = this.process.client();
  }

  /** Until it is told to stop. Rejects with what it should not have met. */
  async run(): Promise<void> {
    const stop = this.#stop.signal;
    await sleep(this.#clock, this.#prng.between(1, 300), stop);
    while (!stop.aborted) {
      try {
        const hold = await this.#acquire();
        if (hold !== undefined) await this.#use(hold);
      } catch (error) {
        // Members that cannot be reached, leases that are lost: all of it is to be expected here, if the error is an honest one.
        if (!(error instanceof LeaseError) || error.code === 'internal') throw error;
      }
      await sleep(this.#clock, this.#prng.between(1, 800), stop);
    }
  }

  stop(): void {
    this.#stop.abort();
  }

  /** Closes its client in the middle of whatever it does, and goes on with another. */
  replaceClient(): void {
    const old = this.client;
    this.client = this.process.client();
    void old.close();
  }

  /** How it looks first when its process goes on; undefined: it waits for its timers. */
  firstLook(): Exclude<Look, 'naive' | 'timer'> | undefined {
    const { look } = this.plan;
    return look === 'timer' || look === 'naive' ? undefined : look;
  }

  believes(): boolean {
    return this.hold !== undefined && believesBy(this.hold, this.plan.look);
  }

  #acquire(): Promise<Hold | undefined> {
    const { client, plan } = this;
    const wish: Wish = { client, clock: this.#clock, ttlMs: plan.ttlMs, stop: this.#stop.signal };
    return plan.look === 'naive' ? naiveHold(wish) : waysToHold[this.#kind](wish);
  }

  async #use(hold: Hold): Promise<void> {
    this.#checks.acquired(this, hold);
    this.hold = hold;
    this.holds++;
    const prng = this.#prng;
    const untilMs = this.#clock.monotonicMs() + this.plan.ttlMs * (0.2 + 2.5 * prng.unit());
    while (!this.#stop.signal.aborted && this.#clock.monotonicMs() < untilMs && this.believes()) {
      this.writes++;
      const delayMs = prng.chance(0.05) ? prng.between(1, hangingMsMax) : prng.between(1, writeMsMax);
      this.#checks.writes(this, hold, delayMs);
      await sleep(this.#clock, prng.between(20, 300));
    }
    this.hold = undefined;
    await hold.release(prng.unit());
  }
}
