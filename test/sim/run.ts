/**
 * One run of a schedule: a safety phase under faults, then a random core is healed and must come to rest (VOPR's two phases). Owns
 * the order of a run and the liveness bounds V1–V3; all other checks are the observer's.
 */
import { withVirtualGlobals } from './ambient.ts';
import type { SimMember } from './member.ts';
import type { Observer, RunContext } from './observer.ts';
import { PresentChecks } from './present-checks.ts';
import { Failure, type RunHooks, type RunReport } from './report.ts';
import type { Schedule } from './schedule.ts';
import { Violation } from './violation.ts';
import { Workload } from './workload.ts';
import { World } from './world.ts';

/** All checks of a run. */
export function allChecks(context: RunContext): Observer {
  return new PresentChecks(context);
}

/** The load goes on for so long after healing. */
const loadMs = 10_000;
/** Then nobody asks any more, and what can expire soon does. */
const quietMs = 15_000;
const convergeMsMax = 30_000;

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
  const workload = new Workload(world);
  timeline.runUntil(schedule.faultsMs);

  const core = coreOf(world);
  if (core !== undefined) {
    world.faults.heal(core);
    observer.healed(core, timeline.nowMs);
    world.trace?.(-1, `HEAL ${core.map(({ name }) => name)}`);
    settle(world, core);
    world.run(Math.max(0, schedule.faultsMs + loadMs - timeline.nowMs));
  }
  workload.running = false;
  world.run(quietMs);
  if (world.clients.open > 0) throw new Violation('V3', `${world.clients.open} calls never ended`);
  if (core !== undefined) {
    for (const { name, owed, up } of core)
      if (up && owed > 0) throw new Violation('V3', `${name} never answered ${owed} calls`);
    converge(world, core);
    observer.finished(
      core.filter(({ up }) => up),
      timeline.nowMs,
    );
  } else observer.finished([], timeline.nowMs);
  return reportOf(world);
}

/**
 * Who is healed: the schedule's core without the ruined, and as many healthy ones on top as a quorum takes. Undefined: damage left no
 * healthy quorum, which only the scorched profile does.
 */
function coreOf({ schedule, members, scorched }: World): readonly SimMember[] | undefined {
  const healthy = members.filter((member) => !member.ruined && !member.suspect && !member.imageLost);
  const core = members.filter((member) => schedule.core.includes(member.index) && !member.ruined);
  const quorum = Math.floor(members.length / 2) + 1;
  for (const member of healthy) {
    if (core.filter((each) => healthy.includes(each)).length >= quorum) break;
    if (!core.includes(member)) core.push(member);
  }
  if (core.filter((each) => healthy.includes(each)).length >= quorum) return core;
  if (!scorched) throw new Error('the atlas left no healthy quorum');
  return undefined;
}

/** V1: a leader that serves within ten election timeouts. */
function settle(world: World, core: readonly SimMember[]): void {
  const leads = (): boolean => core.some(({ node }) => node?.raft.role === 'leader' && node.raft.ownTermCommitted);
  if (!world.runUntil(leads, 10 * world.electionTimeoutMs))
    throw new Violation('V1', 'no leader of the core within ten election timeouts');
}

/** V2: equal applied index within 30 s, of all whose damage did not come to light when they were started. Equal states are the observer's to check. */
function converge(world: World, core: readonly SimMember[]): void {
  const equal = (): boolean => {
    const living = core.filter(({ ruined }) => !ruined);
    const [first] = living;
    return living.every(
      ({ node, imageLost }) =>
        node !== undefined && !imageLost && node.machine.appliedIndex === first?.node?.machine.appliedIndex,
    );
  };
  if (!world.runUntil(equal, convergeMsMax)) {
    const where = core.map(({ name, node }) => `${name} ${node?.machine.appliedIndex ?? 'down'}`);
    throw new Violation('V2', `the core did not reach one applied index: ${where.join(', ')}`);
  }
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
  };
}
