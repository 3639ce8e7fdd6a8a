/**
 * Scripted runs of the whole cluster, each the shortest way to one kind of bug that random search meets rarely. `seed` moves delays
 * and elections a little. Each throws a `Violation` if a promise breaks, be it here or in the checks of the world.
 */
import { NO_MEMBER } from '../../src/store/entry.ts';
import type { SimMember } from './member.ts';
import { ask, cutPeers, grant, isAlive, ledWorld, put, rangeOf, renewal } from './script-steps.ts';
import { Violation } from './violation.ts';
import type { World } from './world.ts';

/** TTL of the lease that etcd loses. */
const longMs = 900_000;

/** What the member says is left; undefined if it says nothing. */
function remainingMs(world: World, member: SimMember, id: bigint): number | undefined {
  const { result } = ask(world, member, { type: 'timeToLive', id });
  return result?.type === 'lease' && result.answer.type === 'alive' ? result.answer.remainingMs : undefined;
}

/** What was acknowledged at `sentMs` must be kept by whoever leads the others. */
function mustHonour(world: World, cutOff: SimMember, sentMs: number, ttlMs: number, id: bigint): void {
  const majority = world.members.find((member) => member !== cutOff) as SimMember;
  const left = remainingMs(world, majority, id);
  if (left === undefined)
    throw new Violation('L1', 'what was acknowledged by the cut off leader is gone for the others');
  const early = sentMs + ttlMs - (world.nowMs + left);
  if (early > 1)
    throw new Violation('L1', `the cut off leader acknowledged ${early.toFixed(0)} ms more than others keep`);
}

/** Lease 7, just granted. */
function freshLease(seed: number): { world: World; leader: SimMember } {
  const { world, leader } = ledWorld(seed);
  grant(world, leader, 7n, longMs);
  return { world, leader };
}

/** Lease 7 at 460 of 900 s, checkpointed. */
function checkpointedLease(seed: number): { world: World; leader: SimMember } {
  const { world, leader } = freshLease(seed);
  world.run(460_000);
  const machine = leader.node?.machine;
  if (world.leader !== leader || !((machine?.lessor.remainingMsAt(machine.lessor.slotOf(7n)) ?? 0) > 0))
    throw new Violation('L7', 'a long lease that nobody renews has no checkpoint after half its time');
  return { world, leader };
}

/**
 * reliability.md §0.2: only the peer links of the leader are cut, and a client renews through it. With an even seed the lease is
 * checkpointed; with an odd one it is fresh, and the leader stands still until the others have elected another.
 */
export function peersCut(seed: number): { readonly acknowledged: number } {
  const { world, leader } = seed % 2 === 0 ? checkpointedLease(seed) : freshLease(seed);
  cutPeers(world, leader);
  if (seed % 2 === 1) {
    leader.pause(6_000, seed % 4 === 1, (seed % 3) as 0 | 1 | 2);
    world.run(6_000);
  }
  let acknowledged = 0;
  for (let i = 0; i < 5; i++) {
    const sentMs = world.nowMs;
    const record = world.clients.call(0, leader, renewal(7n), 7_000);
    world.run(i < 4 ? 300 : 8_000);
    if (!isAlive(record)) continue;
    acknowledged++;
    mustHonour(world, leader, sentMs, longMs, 7n);
  }
  return { acknowledged };
}

/** The same, cut at every stage of a renewal: before the round, during the clear, right after the answer. */
export function cutAtEveryStage(seed: number): { readonly acknowledged: number } {
  const { world, leader } = checkpointedLease(seed);
  const sentMs = world.nowMs;
  const record = world.clients.call(0, leader, renewal(7n), 7_000);
  world.run((seed % 40) / 8);
  cutPeers(world, leader);
  world.run(8_000);
  if (!isAlive(record)) return { acknowledged: 0 };
  mustHonour(world, leader, sentMs, longMs, 7n);
  return { acknowledged: 1 };
}

/** A follower that was cut off for seconds comes back: the leader goes on leading, in its term (pre-vote). */
export function cutOffFollowerReturns(seed: number): void {
  const { world, leader } = ledWorld(seed);
  const term = leader.node?.raft.term;
  const follower = world.members.find((member) => member !== leader) as SimMember;
  cutPeers(world, follower);
  world.run(8_000);
  world.network.heal();
  world.run(3_000);
  if (world.leader !== leader || leader.node?.raft.term !== term)
    throw new Violation('R10', 'a member that came back from a cut deposed a healthy leader');
}

/**
 * A leader is cut off with a long tail that nobody knows; the others go on in a newer term with a shorter log. When the newer leader
 * dies, the long log must not win against the newer one (R4).
 */
export function longerOldLog(seed: number): void {
  const { world, leader } = ledWorld(seed);
  cutPeers(world, leader);
  for (let i = 0; i < 30; i++) {
    world.clients.call(0, leader, put(`old${i}`), 500);
    world.run(5);
  }
  const others = world.members.filter((member) => member !== leader);
  const led = (): boolean => others.some(({ node }) => node?.raft.role === 'leader' && node.raft.ownTermCommitted);
  if (!world.runUntil(led, 10_000)) throw new Violation('V1', 'two of three elect nobody');
  const newer = others.find(({ node }) => node?.raft.role === 'leader') as SimMember;
  if (ask(world, newer, put('new')).outcome !== 'ok') throw new Violation('V1', 'two of three commit nothing');
  newer.crash();
  world.network.heal();
  world.run(8_000);
  const found = world.leader?.node?.machine.range(rangeOf('new'));
  if (found?.type !== 'range' || found.count !== 1) throw new Violation('S1', 'a put that was acknowledged is gone');
}

/**
 * A leader is cut off with a long tail that nobody knows, and the others, who keep hardly any log, go on. Its tail is longer than what
 * they committed, so that the snapshot which then overtakes it ends below it: nothing of that tail may stay (R3, R6).
 */
export function overtakenBySnapshot(seed: number): void {
  const { world, leader } = ledWorld(seed, 3, { logTailEntriesMax: 2 });
  cutPeers(world, leader);
  for (let i = 0; i < 60; i++) {
    world.clients.call(0, leader, put(`old${i}`), 500);
    world.run(5);
  }
  const others = world.members.filter((member) => member !== leader);
  const led = (): boolean => others.some(({ node }) => node?.raft.role === 'leader' && node.raft.ownTermCommitted);
  if (!world.runUntil(led, 10_000)) throw new Violation('V1', 'two of three elect nobody');
  const newer = others.find(({ node }) => node?.raft.role === 'leader') as SimMember;
  for (let i = 0; i < 8; i++) {
    if (ask(world, newer, put(`new${i}`)).outcome !== 'ok') throw new Violation('V1', 'two of three commit nothing');
    world.run(500);
  }
  world.network.heal();
  world.run(3_000);
  if (leader.installs === 0) throw new Error('the script is void: no snapshot overtook the leader that was cut off');
  if (ask(world, leader, put('last')).outcome !== 'ok') throw new Violation('V1', 'three of three commit nothing');
}

/** A member alone stands still for half a minute while its clients go on renewing: no lease of theirs dies (L12). */
export function stalledLeader(seed: number): void {
  const { world, leader } = ledWorld(seed, 1);
  const ids = Array.from({ length: 10 }, (_, i) => BigInt(i + 1));
  for (const id of ids) grant(world, leader, id, 2_000);
  leader.pause(30_000, seed % 2 === 0, (seed % 3) as 0 | 1 | 2);
  for (let at = 0; at < 34_000; at += 600) {
    for (const id of ids) world.clients.call(0, leader, renewal(id), 5_000);
    world.run(600);
  }
  const left = leader.node?.machine.lessor.count;
  if (left !== ids.length)
    throw new Violation('L12', `of 10 leases that were renewed all the time ${left} outlived a stall`);
}

/** Leaders hand over every 20 s; a lease of 60 s that nobody renews must end all the same (L7). */
export function leadersComeAndGo(seed: number): void {
  const { world, leader } = ledWorld(seed);
  grant(world, leader, 7n, 60_000);
  for (let atMs = 0; atMs < 150_000; atMs += 20_000) {
    world.leader?.enqueue({ type: 'transfer', target: NO_MEMBER, reply: () => undefined });
    world.run(20_000);
  }
  if (world.leader?.node?.machine.lessor.count !== 0)
    throw new Violation('L7', 'a lease of 60 s lives on after 160 s and 8 leaders');
}

/** Renewed just before its record is due, then never again; the next leader must know how old it is (L7). */
export function renewedInTheLastSecond(seed: number): void {
  const { world, leader } = ledWorld(seed);
  const grantedMs = world.nowMs;
  grant(world, leader, 7n, 60_000);
  world.run(grantedMs + 29_960 - world.nowMs);
  if (!isAlive(ask(world, leader, renewal(7n)))) throw new Violation('V3', 'a renewal fails in a calm cluster');
  world.run(45_000);
  leader.enqueue({ type: 'transfer', target: NO_MEMBER, reply: () => undefined });
  world.run(grantedMs + 125_000 - world.nowMs);
  if (world.leader?.node?.machine.lessor.count !== 0)
    throw new Violation('L7', 'a lease renewed at 30 s with a TTL of 60 s lives at 125 s, after one change of leader');
}

/**
 * A checkpoint is on the followers' slow disks, the lease is renewed, the leader dies: whoever holds the checkpoint leads next, and
 * the renewal must not have been acknowledged.
 */
export function checkpointInFlight(seed: number): void {
  const ttlMs = 20_000;
  const { world, leader } = ledWorld(seed);
  const grantedMs = world.nowMs;
  grant(world, leader, 7n, ttlMs);
  world.run(grantedMs + 9_900 - world.nowMs);
  const followers = world.members.filter((member) => member !== leader);
  for (const follower of followers) follower.diskStalledUntilMs = world.nowMs + 600;
  world.run(250);
  world.clients.call(0, leader, renewal(7n), 5_000);
  world.run(150 + (seed % 10) * 5);
  leader.crash();
  world.run(ttlMs + 10_000);
}

/** The leader goes deaf, hands over, and its clients go on renewing: whatever it acknowledges now its successor does not know. */
export function handedOverAndCut(seed: number): void {
  const { world, leader } = ledWorld(seed);
  grant(world, leader, 7n, 3_000);
  for (const member of world.members) if (member !== leader) world.network.cut(member.index, leader.index);
  leader.enqueue({ type: 'transfer', target: NO_MEMBER, reply: () => undefined });
  for (let i = 0; i < 30; i++) {
    world.clients.call(0, leader, renewal(7n), 2_000);
    world.run(50);
  }
  world.run(6_000);
}

/**
 * A follower asks about a lease that nobody granted, restarts at once, and asks about one that lives: its first question in each boot.
 * The leader's disk stands still meanwhile, so that both are answered together, and each answer must find its own question.
 */
export function askedInTwoBoots(seed: number): void {
  const { world, leader } = ledWorld(seed);
  grant(world, leader, 7n, 60_000);
  const asker = world.members.find((member) => member !== leader) as SimMember;
  leader.diskStalledUntilMs = world.nowMs + 700;
  // Committed by the others, so that no question counts as answered before the leader has applied it.
  world.clients.call(0, leader, put('unapplied'), 5_000);
  world.run(50);
  world.clients.call(0, asker, renewal(8n), 5_000);
  world.run(100 + (seed % 10) * 10);
  asker.crash();
  asker.start();
  const record = ask(world, asker, renewal(7n));
  if (!isAlive(record)) throw new Violation('L2-mirror', 'a lease that lives is said to be gone');
}
