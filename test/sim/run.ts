/**
 * One run of a schedule: a safety phase under faults, then a random core is healed and must come to rest (VOPR's two phases). Owns
 * the order of a run; what the healed owe is in `liveness.ts`, all other checks are the observer's.
 */
import { withVirtualGlobals } from './ambient.ts';
import { Checks } from './checks/checks.ts';
import {
  appliedByAll,
  assertAtRest,
  catchUp,
  catchUpMsMax,
  converge,
  coreOf,
  imagesAtRest,
  logDropped,
  type Serving,
  served,
  serving,
  settle,
} from './liveness.ts';
import type { Observer, RunContext } from './observer.ts';
import { Failure, type RunHooks, type RunReport } from './report.ts';
import type { Schedule } from './schedule.ts';
import { Workload } from './workload.ts';
import { World } from './world.ts';

/** All checks of a run. */
export function allChecks(context: RunContext): Observer {
  return new Checks(context);
}

/** The load goes on for so long after healing. */
const loadMs = 10_000;
/** Then nobody asks any more, and what can expire soon does. */
const quietMs = 15_000;

/** Throws a `Failure` at the first thing that must not be. */
export function runSchedule(schedule: Schedule, hooks: RunHooks = {}): RunReport {
  let world: World | undefined;
  try {
    return withVirtualGlobals(() => {
      world = new World(schedule, { observe: allChecks, ...hooks });
      return runWorld(world);
    });
  } catch (error) {
    throw new Failure(schedule, world?.nowMs ?? 0, error);
  }
}

function runWorld(world: World): RunReport {
  const { schedule, timeline, observer } = world;
  new Workload(world).begin();
  timeline.runUntil(schedule.faultsMs);

  const core = coreOf(world);
  let owed: Serving | undefined;
  if (core !== undefined) {
    world.faults.heal(core);
    observer.healed(core, timeline.nowMs);
    world.trace?.(-1, `HEAL ${core.map(({ name }) => name)}`);
    settle(world, core);
    owed = serving(world, core);
    world.run(Math.max(0, schedule.faultsMs + loadMs - timeline.nowMs));
  }
  world.working = false;
  const loaded = appliedByAll(core ?? []);
  const images = imagesAtRest(world);
  world.run(catchUpMsMax);
  if (core !== undefined) catchUp(world, core, loaded);
  world.run(quietMs - 2 * catchUpMsMax);
  const quiet = appliedByAll(core ?? []);
  world.run(catchUpMsMax);
  if (core !== undefined) converge(world, core);
  if (owed !== undefined) served(world, owed);
  logDropped(world, core ?? [], images);
  assertAtRest(world, core ?? []);
  observer.finished(
    (core ?? []).filter(({ up }) => up),
    quiet,
  );
  return reportOf(world);
}

function reportOf(world: World): RunReport {
  const { schedule, timeline, clients, members, faults } = world;
  return {
    schedule,
    traceHash: timeline.traceHash,
    simulatedMs: timeline.nowMs,
    events: timeline.eventsRun,
    entries: world.appliedIndex,
    term: world.leader?.node?.raft.term ?? 0,
    calls: clients.counts,
    callCount: clients.calls.length,
    watchEvents: clients.watchEvents,
    faults: faults.counts,
    faultCount: faults.count,
    crashes: members.reduce((sum, { crashes }) => sum + crashes, 0),
    installs: members.reduce((sum, { installs }) => sum + installs, 0),
    ruined: members.filter(({ ruined }) => ruined).length,
    expiries: world.expiries,
    lockTurns: world.lockTurns,
    turnedAway: [...world.resources.values()].reduce((sum, { turnedAway }) => sum + turnedAway, 0),
  };
}
