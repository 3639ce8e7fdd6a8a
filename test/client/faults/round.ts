/**
 * One round, from a plan to what came of it: members and contenders on virtual time, faults, then rest: whoever wants the lock must get it,
 * and nothing may be left in closed clients.
 */
import { Prng } from '../../../src/base/prng.ts';
import { TestCluster } from '../../../src/client/testing/test-cluster.ts';
import { Checks } from './checks.ts';
import { Contender } from './contender.ts';
import { name, waysToHold } from './hold.ts';
import type { Plan } from './plan.ts';
import { Store } from './store.ts';
import { Strikes } from './strikes.ts';
import { Truth } from './truth.ts';
import { Violation } from './violation.ts';

export interface RoundReport {
  readonly simulatedMs: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly holds: number;
  readonly writes: number;
  /** Changes of owner. */
  readonly changes: number;
  /** First looks after a process stood still or its wall clock jumped, and how many said lost. */
  readonly looks: number;
  readonly looksLost: number;
  /** Holds that a timer had ended in a running process when another was let in. */
  readonly timedOut: number;
  readonly turnedAway: number;
  /** Of naive holders: instants at which another was let in while one believed, and writes that a store without tokens would take. */
  readonly overlaps: number;
  readonly stale: number;
  readonly fingerprint: string;
}

/** How long all that is under way may take to end when nothing is wrong any more. */
const restMs = 30_000;

/** Throws a `Violation`, or what else went wrong. */
export async function runRound(plan: Plan): Promise<RoundReport> {
  const { seed, members, memberDrifts: drifts } = plan;
  const truth = new Truth(`${name}/`);
  let checks: Checks | undefined;
  await using cluster = await TestCluster.start({
    members,
    seed,
    drifts,
    look: (all) => checks?.look(all),
  });
  const nowMs = (): number => cluster.clock.monotonicMs();
  const store = new Store(cluster.clock);
  checks = new Checks(truth, store, nowMs);
  const strikes = new Strikes(cluster, checks, truth);
  const running: Promise<void>[] = [];
  for (const [i, contenderPlan] of plan.contenders.entries()) {
    const process = cluster.process({ drift: contenderPlan.drift });
    const prng = new Prng(seed, `contender ${i}`);
    const contender = new Contender(`c${i}`, contenderPlan, { process, kind: plan.kind, prng, checks });
    checks.contenders.push(contender);
    running.push(contender.run());
  }
  const { contenders } = checks;
  const broken = Promise.race(running);
  strikes.begin(plan.faults);
  await Promise.race([cluster.advance(plan.faultsMs), broken]);
  strikes.end();
  await cluster.advance(1_000);
  for (const contender of contenders) if (!contender.dead) contender.stop();
  const ends = Promise.all(running.filter((_, i) => contenders[i]?.dead === false));
  await owed(cluster.until(ends, { within: restMs }), 'V9', nowMs, 'a contender does not come to its end');
  await mustBeFree(cluster, plan, truth);
  checks.finished();
  await mustBeEmpty(cluster, contenders);
  const sum = (of: (contender: Contender) => number): number => contenders.reduce((all, each) => all + of(each), 0);
  return {
    simulatedMs: nowMs(),
    faults: strikes.counts,
    holds: sum(({ holds }) => holds),
    writes: sum(({ writes }) => writes),
    changes: truth.changes,
    looks: checks.looks.all,
    looksLost: checks.looks.lost,
    timedOut: checks.timedOut,
    turnedAway: store.turnedAway,
    overlaps: checks.overlaps,
    stale: store.stale,
    fingerprint: cluster.fingerprint,
  };
}

/** A client that comes when all is well gets the lock, with a token greater than all before. */
async function mustBeFree(cluster: TestCluster, { kind, contenders }: Plan, truth: Truth): Promise<void> {
  const { clock } = cluster;
  const client = cluster.client();
  const tokens = [...truth.tokens];
  const wish = { client, clock, ttlMs: 2_000, stop: new AbortController().signal };
  const within = Math.max(...contenders.map(({ ttlMs }) => ttlMs)) * 1.01 + 15_000;
  const nowMs = (): number => clock.monotonicMs();
  const hold = await owed(cluster.until(waysToHold[kind](wish), { within }), 'V9', nowMs, 'the lock is not free');
  const greater = tokens.find((token) => hold !== undefined && token >= hold.token);
  if (greater !== undefined) throw new Violation('F1', nowMs(), `token ${hold?.token} after ${greater}`);
  await cluster.until(hold?.release(0) ?? Promise.resolve());
  await client.close();
}

/** Closed clients leave nothing behind. */
async function mustBeEmpty(cluster: TestCluster, contenders: readonly Contender[]): Promise<void> {
  for (const { client, dead } of contenders) if (!dead) await client.close();
  await cluster.advance(100);
  for (const { process, dead, name: who } of contenders) {
    if (dead || process.pending === 0) continue;
    throw new Violation(
      'V10',
      cluster.clock.monotonicMs(),
      `${who} is closed and has ${process.pending} timers or calls`,
    );
  }
}

async function owed<T>(promise: Promise<T>, invariant: string, nowMs: () => number, text: string): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof Violation) throw error;
    throw new Violation(invariant, nowMs(), `${text}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
