/**
 * Real processes, hurt on purpose: the leader is killed, stopped, or cut from its peers, again and again, or all members are killed
 * at once, while clients work. Then the promises are counted: no acknowledged write lost, no kept lease lost, none early, the
 * others over in time, all members with one state. Bounded in rounds and time; ends its processes by their ids.
 */
import { Prng } from '../../src/base/prng.ts';
import { renewDirectly } from './direct-renewals.ts';
import { clientOf, KeptLeases, KeyWatch, nowMs, PutStream, type SilentLease, SilentLeases } from './load.ts';
import { type MemberProcess, ProcessCluster, pause, stateOf } from './processes.ts';

export type ChaosFault = 'kill' | 'stop' | 'cut' | 'drop' | 'power';

export interface ChaosOptions {
  readonly fault: ChaosFault;
  readonly rounds: number;
  readonly keptLeases: number;
  readonly silentLeases: number;
  readonly keptTtlSeconds: number;
  readonly silentTtlSecondsMin: number;
  readonly silentTtlSecondsMax: number;
  readonly seed: bigint;
  readonly say: (line: string) => void;
}

export interface ChaosReport {
  readonly fault: ChaosFault;
  readonly seed: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly renewals: number;
  readonly silentEnded: number;
  /** Of leases that nobody renewed: how far behind its deadline the last one was seen gone, beyond what leader changes allow. */
  readonly worstLagMs: number;
  readonly putsAcknowledged: number;
  readonly putsUnknown: number;
  readonly cutRenewalsAcknowledged: number;
  /** From the fault to the next acknowledged put. */
  readonly unavailableMs: { readonly median: number; readonly max: number };
  readonly violations: readonly string[];
}

const electionMs = 1_000;
const stoppedMs = 5_000;
/** The member's default: 5 s and two election timeouts. */
const requestTimeoutMs = 5_000 + 2 * electionMs;

interface LeaderChange {
  readonly atMs: number;
  readonly leaderlessMs: number;
}

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const startedMs = nowMs();
  const { say, fault } = options;
  const prng = new Prng(options.seed, 'chaos');
  const violations: string[] = [];
  const changes: LeaderChange[] = [];
  const cluster = await ProcessCluster.start();
  const client = clientOf(cluster.endpoints);
  try {
    await cluster.ready();
    const kept = new KeptLeases();
    const { silentTtlSecondsMin: least, silentTtlSecondsMax: most } = options;
    const silent = new SilentLeases(client, options.silentLeases, () => prng.between(least, most));
    const puts = new PutStream();
    await kept.start(client, options.keptLeases, options.keptTtlSeconds);
    await silent.start();
    say(`${kept.keys.length} leases kept alive, ${silent.leases.length} that nobody renews`);
    const watch = new KeyWatch(client, 'leased/', (keys, sentMs, receivedMs) =>
      look(keys, sentMs, receivedMs, kept, silent, violations),
    );
    puts.start(client, 8);
    let cutRenewals = 0;
    for (let round = 1; round <= options.rounds; round++) {
      await pause(prng.between(500, 2_500));
      const leader = await cluster.leader();
      const atMs = puts.mark();
      cutRenewals += await strike(cluster, leader, fault, silent, puts);
      const backMs = await puts.afterMark();
      changes.push({ atMs, leaderlessMs: backMs - atMs });
      await cluster.ready(30_000);
      say(
        `round ${round}/${options.rounds}: ${fault} of ${fault === 'power' ? 'all' : leader.name}; writes again after ${(backMs - atMs).toFixed(0)} ms`,
      );
    }
    await silent.stop();
    const endMs = Math.max(0, ...silent.open.map((lease) => deadlineMs(lease, changes))) + 1_000;
    while (silent.open.length > 0 && nowMs() < endMs) await pause(100);
    await puts.stop();
    await watch.stop();
    const worstLagMs = judgeSilent(silent, changes, violations);
    for (const loss of kept.losses) violations.push(`kept lease lost: ${loss}`);
    await judgePuts(client, puts, violations);
    kept.release();
    await judgeStates(cluster, violations);
    const away = changes.map((change) => change.leaderlessMs).sort((a, b) => a - b);
    return {
      fault,
      seed: `0x${options.seed.toString(16)}`,
      rounds: options.rounds,
      seconds: (nowMs() - startedMs) / 1_000,
      renewals: kept.renewals,
      silentEnded: silent.leases.length - silent.open.length,
      worstLagMs,
      putsAcknowledged: puts.acknowledged.length,
      putsUnknown: puts.unknown,
      cutRenewalsAcknowledged: cutRenewals,
      unavailableMs: { median: away[Math.floor(away.length / 2)] ?? 0, max: away.at(-1) ?? 0 },
      violations,
    };
  } catch (error) {
    for (const member of cluster.members)
      say(`${member.name} exits: ${member.exits.join(', ') || 'none'}\n${member.logTail(8)}`);
    throw error;
  } finally {
    client.close();
    await cluster.stop();
  }
}

/** Hurts the leader, and mends it again after the new one works. Returns how many renewals were answered OK during a cut. */
async function strike(
  cluster: ProcessCluster,
  leader: MemberProcess,
  fault: ChaosFault,
  silent: SilentLeases,
  puts: PutStream,
): Promise<number> {
  switch (fault) {
    case 'kill':
      await leader.stop('SIGKILL');
      await puts.afterMark();
      leader.start();
      return 0;
    case 'power':
      await Promise.all(cluster.members.map((member) => member.stop('SIGKILL')));
      for (const member of cluster.members) member.start();
      return 0;
    case 'stop':
      leader.signal('SIGSTOP');
      await pause(stoppedMs);
      leader.signal('SIGCONT');
      return 0;
    case 'cut':
    case 'drop': {
      cluster.cutPeers(leader.name, fault === 'drop');
      const acknowledged = await renewThrough(leader, silent, 6 * electionMs);
      cluster.heal();
      return acknowledged;
    }
  }
}

/** Renews leases through the cut member's open client port. What it acknowledges raises the floor: the majority must honour it. */
async function renewThrough(member: MemberProcess, silent: SilentLeases, forMs: number): Promise<number> {
  const leases = new Map(silent.open.slice(0, 20).map((lease) => [lease.id, lease]));
  let acknowledged = 0;
  await renewDirectly(member.endpoint, [...leases.keys()], forMs, (id, sentMs, ttlSeconds) => {
    const lease = leases.get(id);
    if (lease === undefined) return;
    acknowledged++;
    lease.floorMs = Math.max(lease.floorMs, sentMs + 1_000 * ttlSeconds);
  });
  // An unanswered one may still be taken, up to its request timeout: that is as late as it may count from.
  for (const lease of leases.values()) lease.renewedMs = nowMs() + requestTimeoutMs;
  return acknowledged;
}

function look(
  keys: ReadonlySet<string>,
  sentMs: number,
  receivedMs: number,
  kept: KeptLeases,
  silent: SilentLeases,
  violations: string[],
): void {
  for (const key of kept.keys) if (!keys.has(key)) violations.push(`S1/L1: ${key} is gone, its lease was kept alive`);
  for (const lease of silent.open) {
    if (keys.has(lease.key) || sentMs < lease.thereMs) continue;
    lease.endedMs = receivedMs;
    if (receivedMs < lease.floorMs)
      violations.push(
        `L1: ${lease.key} (TTL ${lease.ttlSeconds} s) ended ${(lease.floorMs - receivedMs).toFixed(0)} ms early`,
      );
  }
}

/** The bound: TTL·1.002 + 2 s + Σ over leader changes (leaderless + election timeout + min(TTL, θ or spacing)). */
function deadlineMs(lease: SilentLease, changes: readonly LeaderChange[]): number {
  const ttlMs = 1_000 * lease.ttlSeconds;
  const thetaMs = Math.max(5_000, ttlMs / 2);
  const spacingMs = Math.max(5_000, ttlMs / 20);
  let boundMs = lease.renewedMs + ttlMs * 1.002 + 2_000;
  let first = true;
  for (const { atMs, leaderlessMs } of changes) {
    if (atMs + leaderlessMs < lease.sentMs || atMs > boundMs) continue;
    boundMs += leaderlessMs + electionMs + Math.min(ttlMs, first ? Math.max(thetaMs, spacingMs) : spacingMs);
    first = false;
  }
  return boundMs;
}

function judgeSilent(silent: SilentLeases, changes: readonly LeaderChange[], violations: string[]): number {
  let worst = Number.NEGATIVE_INFINITY;
  for (const lease of silent.leases) {
    const boundMs = deadlineMs(lease, changes);
    if (lease.endedMs === undefined) violations.push(`L4/L7: ${lease.key} (TTL ${lease.ttlSeconds} s) never ended`);
    else {
      worst = Math.max(worst, lease.endedMs - (boundMs - 2_000));
      if (lease.endedMs > boundMs)
        violations.push(
          `L4/L7: ${lease.key} (TTL ${lease.ttlSeconds} s) ended ${(lease.endedMs - boundMs).toFixed(0)} ms late`,
        );
    }
  }
  return worst;
}

async function judgePuts(client: ReturnType<typeof clientOf>, puts: PutStream, violations: string[]): Promise<void> {
  const there = new Set(await client.getAll().prefix('put/').keys());
  const lost = puts.acknowledged.filter((key) => !there.has(key));
  if (lost.length > 0) violations.push(`S1: ${lost.length} acknowledged puts are lost, the first is ${lost[0]}`);
}

/** All members at one index must have one state. */
async function judgeStates(cluster: ProcessCluster, violations: string[]): Promise<void> {
  const endMs = nowMs() + 20_000;
  for (;;) {
    const states = await Promise.all(cluster.members.map(stateOf));
    const indexes = new Set(states.map((state) => state?.index));
    if (indexes.size === 1 && !indexes.has(undefined)) {
      const digests = new Set(states.map((state) => state?.digest));
      if (digests.size > 1)
        violations.push(`D1: digests differ at index ${[...indexes][0]}: ${[...digests].join(', ')}`);
      return;
    }
    if (nowMs() > endMs) {
      violations.push(`V2: members stand at ${states.map((state) => state?.index).join(', ')}`);
      return;
    }
    await pause(50);
  }
}
