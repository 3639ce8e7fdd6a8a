/**
 * Scripted runs of the whole cluster about the death of leaders and of connections (V11). `seed` moves delays, and says how many members
 * there are. Each throws a `Violation` if a promise breaks, be it here or in the checks of the world.
 */
import type { SimMember } from './member.ts';
import { ask, ledWorld, put } from './script-steps.ts';
import { Violation } from './violation.ts';
import type { World } from './world.ts';

/** Three members never split their votes over one leader's death; of four that are left, two may get two votes each, now and then. */
const shareOfTimeoutMax = { 3: 0.1, 5: 0.9 } as const;
const deaths = 4;

/**
 * One leader after the other dies, and the others notice in the same moment, as their connections break. In some seeds it is started
 * again at once, in others only its connections break, and it lives.
 */
export function leaderDies(seed: number): void {
  const count = seed % 3 === 0 ? 5 : 3;
  const { world } = ledWorld(seed, count, { inOrder: true });
  for (let death = 0; death < deaths; death++) {
    const leader = world.leader as SimMember;
    const others = world.members.filter((member) => member !== leader);
    const term = leader.node?.raft.term as number;
    const brokenMs = world.nowMs;
    if (seed % 4 === 0) breakLinks(world, leader, others);
    else {
      leader.crash();
      if (seed % 4 === 1) leader.start();
    }
    const limitMs = shareOfTimeoutMax[count] * world.electionTimeoutMs;
    const served = (): boolean =>
      others.some(({ node }) => node !== undefined && node.raft.term > term && node.raft.ownTermCommitted);
    if (!world.runUntil(served, limitMs))
      throw new Violation('V11', `nobody serves ${limitMs} ms after the connections of a leader broke`);
    const record = ask(world, others[death % others.length] as SimMember, put(`death${death}`));
    const tookMs = world.nowMs - brokenMs;
    if (record.outcome !== 'ok' || tookMs > limitMs + world.tickMs)
      throw new Violation('V11', `a put is answered ${tookMs.toFixed(0)} ms after the connections of a leader broke`);
    if (!leader.up) leader.start();
    settles(world);
  }
}

/**
 * The connection from a healthy leader to one follower breaks again and again, faster than it ticks, while the others hear the leader:
 * it goes on leading in its term, and the follower asks the others no more often than it ticks.
 */
export function linkFlaps(seed: number): void {
  const { world, leader } = ledWorld(seed, seed % 3 === 0 ? 5 : 3, { inOrder: true });
  settles(world);
  const term = leader.node?.raft.term as number;
  const followers = world.members.filter((member) => member !== leader);
  const follower = followers[seed % followers.length] as SimMember;
  const before = follower.talk.preVotes;
  const beganMs = world.nowMs;
  for (let i = 0; i < 200; i++) {
    // Each is heard before the next break: a follower that knows no leader has none to lose.
    world.clients.call(0, leader, put(`flap${i}`), 500);
    world.run(4 + ((seed + i) % 5));
    breakLinks(world, leader, [follower]);
    if (world.leader !== leader || leader.node?.raft.term !== term)
      throw new Violation('R10', 'a connection that came and went deposed a leader that all others heard');
  }
  const ticks = (world.nowMs - beganMs) / (world.tickMs * world.ticksPerRaftTick);
  const questions = (follower.talk.preVotes - before) / followers.length;
  if (questions > ticks + 2 + ticks / world.electionTicks)
    throw new Violation('V11', `a connection that came and went made ${questions} campaigns in ${ticks} ticks`);
  if (questions < 2) throw new Error('the script is void: nobody minds that its connection breaks');
  world.run(2 * world.electionTimeoutMs);
  if (world.leader !== leader || leader.node?.raft.term !== term)
    throw new Violation('R10', 'a connection that had come and gone deposed a leader');
}

/** Those hear that their connection from `leader` broke; nothing that was on its way is lost. */
function breakLinks(world: World, leader: SimMember, members: readonly SimMember[]): void {
  for (const member of members)
    world.network.carry(world.network.link(leader.index, member.index), () =>
      member.enqueue({ type: 'linkLost', member: leader.id }),
    );
}

/** Two election timeouts later somebody leads, and in the same term as half of that time before. */
function settles(world: World): void {
  world.run(world.electionTimeoutMs);
  const term = world.leader?.node?.raft.term;
  world.run(world.electionTimeoutMs);
  if (world.leader?.node?.raft.ownTermCommitted !== true || world.leader.node.raft.term !== term)
    throw new Violation('V1', 'a calm cluster does not come to rest');
}
