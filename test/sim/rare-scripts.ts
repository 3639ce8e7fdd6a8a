/**
 * Scripted runs, as in `scripts.ts`, of what takes several rare things at once: a stream of an image that fails for good, a sweep that is
 * lost with its term, a watch that lags when its member leaps, a candidate that comes back while it still waits.
 */
import type { Command, LeaseId } from '../../src/state/command.ts';
import { type Candidate, joinCommand, joinedOf, leaveCommand, queuePrefix } from '../../src/watch/queue.ts';
import type { CallRecord, ClientCall, WatchRecord } from './history.ts';
import { queueName } from './locking.ts';
import type { SimMember } from './member.ts';
import type { ClientOp } from './schedule.ts';
import { ask, cutPeers, grant, ledWorld, put } from './script-steps.ts';
import { type TurnAnswer, TurnWait } from './turn-wait.ts';
import { Violation } from './violation.ts';
import { openWatch } from './watching.ts';
import { keyBytes } from './workload.ts';
import type { World } from './world.ts';

const written = keyBytes(0);

function othersThan(world: World, member: SimMember): [SimMember, SimMember] {
  return world.members.filter((each) => each !== member) as [SimMember, SimMember];
}

function must(world: World, member: SimMember, call: ClientCall): CallRecord {
  const record = ask(world, member, call);
  if (record.outcome !== 'ok') throw new Violation('V1', `a ${call.type} fails where a quorum is whole`);
  return record;
}

/** Puts the watched key so often, slowly: the image is written now and then, and the log behind it goes. */
function putSlowly(world: World, member: SimMember, times: number): void {
  for (let i = 0; i < times; i++) {
    must(world, member, put(written.toString()));
    world.run(300);
  }
}

/**
 * A leader begins to send its image, and both its follower and its leadership go before it has arrived: the stream fails, and nobody asks
 * for another. The member that sent it must not keep its log for it (V6; `dropsLog` looks after every image write).
 */
export function streamFailsForGood(seed: number): void {
  const { world, leader } = ledWorld(seed, 3, { logTailEntriesMax: 2 });
  const [behind, next] = othersThan(world, leader);
  behind.crash();
  putSlowly(world, leader, 12);
  behind.start();
  if (!world.runUntil(() => world.streams.size > 0, 5_000))
    throw new Error('the script is void: nobody needs an image');
  behind.staysDown = true;
  behind.crash();
  leader.enqueue({ type: 'transfer', target: next.id, reply: () => undefined });
  if (!world.runUntil(() => world.leader === next && next.node?.raft.ownTermCommitted === true, 10_000))
    throw new Violation('V1', 'leadership is not handed over');
  if (behind.installs > 0) throw new Error('the script is void: the image has arrived');
  putSlowly(world, next, 20);
}

/**
 * A leader is cut off with a sweep that nobody has heard of; its successor hands leadership back before it can do anything. The same
 * member leads again, and must not wait for the sweep of its lost term (V6).
 */
export function sweepOfALostTerm(seed: number): void {
  const { world, leader } = ledWorld(seed, 3, { diskMsMin: 20, diskMsMax: 30 });
  for (let i = 0; i < 3; i++) must(world, leader, put('k'));
  const raft = leader.node?.raft;
  const sweeps = (): boolean => leader.node?.machine.compaction.position !== undefined;
  const revision = leader.node?.machine.revision ?? 0;
  world.clients.call(0, leader, { type: 'command', command: { type: 'compact', revision }, serverId: false }, 7_000);
  for (let i = 0; i < 5_000 && !sweeps(); i++) world.run(0.1);
  cutPeers(world, leader);
  const [one, two] = othersThan(world, leader);
  const leads = (): boolean => one.node?.raft.role === 'leader' || two.node?.raft.role === 'leader';
  for (let i = 0; i < 10_000 && !leads(); i++) world.run(1);
  if (!leads() || !isSweeping(leader)) throw new Error('the script is void: no sweep, or no successor');
  // Its first entry is not on its disk before it is told to go.
  for (const member of [one, two]) member.diskStalledUntilMs = world.nowMs + 400;
  world.network.heal();
  const successor = one.node?.raft.role === 'leader' ? one : two;
  successor.enqueue({ type: 'transfer', target: leader.id, reply: () => undefined });
  if (!world.runUntil(() => world.leader === leader && raft?.ownTermCommitted === true, 10_000) || !sweeps())
    throw new Error('the script is void: another member leads, or has swept');
  world.run(3_000);
  for (const { name, node } of world.members)
    if (node?.machine.compaction.position !== undefined)
      throw new Violation('V6', `${name} keeps what a compaction made useless for 3 s, with a leader`);
}

/** Its log goes on behind what is committed. */
function isSweeping({ node }: SimMember): boolean {
  return node !== undefined && node.raft.lastIndex > node.raft.commit;
}

/**
 * Two watches at a member that is overtaken by a snapshot, a prompt one and one that lags: both go on where they were and are told all
 * that came in the leap (W3, W11), or, with an odd seed, that what comes next is compacted (W9).
 */
export function leapUnderWatches(seed: number): void {
  const { world, leader } = ledWorld(seed, 3, { logTailEntriesMax: 2 });
  const [overtaken] = othersThan(world, leader);
  must(world, leader, put(written.toString()));
  for (const slowMs of [0, 9_000]) openWatch(world, 0, overtaken, watchOp(slowMs));
  // The slow one reads once, and sleeps until it is woken.
  world.run(10_000);
  must(world, leader, put(written.toString()));
  world.run(100);
  cutPeers(world, overtaken);
  putSlowly(world, leader, 10);
  const revision = leader.node?.machine.revision ?? 0;
  if (seed % 2 === 1) must(world, leader, { type: 'command', command: { type: 'compact', revision }, serverId: false });
  world.run(1_500);
  world.network.heal();
  world.run(2_000);
  if (overtaken.installs === 0) throw new Error('the script is void: no snapshot overtook the member');
  world.run(20_000);
  if (seed % 2 === 0) world.observer.watchesDue(world.clients.watches, revision);
  else if (!world.clients.watches.every(isToldOfCompaction))
    throw new Violation('W9', 'a watch that compaction overtook is not told so');
}

function watchOp(slowMs: number): ClientOp & { readonly type: 'watch' } {
  const what = { key: 0, keyTo: -1, back: 0, prevKv: false, noPut: false, noDelete: false };
  return { type: 'watch', ...what, slowMs, moveMs: 0, forMs: 600_000 };
}

function isToldOfCompaction({ compactRevision, endedMs }: WatchRecord): boolean {
  return compactRevision > 0 && endedMs !== undefined;
}

/**
 * A candidate waits at a member that is cut off; its client leaves the queue through another one and enters it again with the same
 * lease, and the holder leaves. The old wait learns all of that at once: the key of its name is another candidate's (F3).
 */
export function comesBackWhileItWaits(seed: number): void {
  const { world, leader } = ledWorld(seed);
  const [cutOff] = othersThan(world, leader);
  const prefix = queuePrefix(queueName(1));
  const joins = (lease: LeaseId): Candidate => {
    const { result } = must(world, leader, command(joinCommand(prefix, lease, Buffer.from(`${lease}`))));
    if (result?.type !== 'outcome' || !result.outcome.ok || result.outcome.result.type !== 'txn')
      throw new Violation('V3', 'entering a queue was not answered');
    return joinedOf(prefix, lease, result.outcome.result, result.outcome.revision).candidate;
  };
  const leaves = ({ key, createRevision }: Candidate): void => {
    must(world, leader, command(leaveCommand(key, createRevision)));
  };
  for (const lease of [7n, 8n]) grant(world, leader, lease, 600_000);
  const holder = joins(7n);
  const waiting = joins(8n);
  world.run(1_000);
  const answer = waitAt(world, cutOff, waiting);
  cutPeers(world, cutOff);
  leaves(waiting);
  const again = joins(8n);
  leaves(holder);
  world.run((seed % 10) * 100);
  world.network.heal();
  world.run(8_000);
  const { createRevision: token, key } = waiting;
  const told = answer();
  if (told?.type === 'first') {
    const { foundAt, askedAt } = told;
    world.observer.locked({ queue: 1, client: 0, prefix, key, lease: 8n, token, foundAt, askedAt, atMs: world.nowMs });
  }
  if (told?.type !== 'gone') throw new Violation('F3', `the wait for a key that is deleted ends ${told?.type}`);
  const now = waitAt(world, cutOff, again);
  world.run(1_000);
  if (now()?.type !== 'first') throw new Violation('V3', `the only candidate of a queue is ${now()?.type}`);
}

/** Waits at the member from now on; what is returned says what that came to. */
function waitAt(world: World, member: SimMember, candidate: Candidate): () => TurnAnswer | undefined {
  let told: TurnAnswer | undefined;
  const { node } = member;
  if (node === undefined) throw new Error('the script is void: the member is down');
  new TurnWait(member, node, candidate, 60_000, (answer) => {
    told = answer;
  });
  world.run(10);
  return () => told;
}

function command(txn: Extract<Command, { type: 'txn' }>): ClientCall {
  return { type: 'command', command: txn, serverId: false };
}
