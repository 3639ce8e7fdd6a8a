/**
 * Leaders of a real cluster die, are told to stop, and lose connections: how soon the others serve (V11), what becomes of calls, and
 * that nothing less than a leader's death makes a new one (R10). The bounds are generous: a machine may have much else to do.
 */
import { status as codes } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import { type MemberProcess, metric, ProcessCluster, pause } from './processes.ts';
import { Caller, insist, type Line, lineTo } from './wire.ts';

/** From the signal to the first grant at another member. */
const killMsMax = 1_600;
const stopMsMax = 1_000;

const open: ProcessCluster[] = [];
const lines: Line[] = [];
afterEach(async () => {
  for (const line of lines.splice(0)) line.close();
  for (const cluster of open.splice(0)) await cluster.stop();
});

async function startCluster(proxied: boolean): Promise<ProcessCluster> {
  const cluster = await ProcessCluster.start({ proxied });
  open.push(cluster);
  await cluster.ready(60_000);
  return cluster;
}

function callerOf(member: MemberProcess): Caller {
  const line = lineTo(member.endpoint);
  lines.push(line);
  return new Caller(line.client);
}

/** The leader, and callers of the others that are connected. */
async function scene(cluster: ProcessCluster): Promise<{ leader: MemberProcess; others: readonly Caller[] }> {
  const leader = await cluster.leader();
  const others = cluster.members.filter((member) => member !== leader).map(callerOf);
  for (const other of others) await insist(() => other.grant(60));
  return { leader, others };
}

/** Grants at all of them until one is answered. Returns how long that took from `fromMs`. */
async function firstGrant(callers: readonly Caller[], fromMs: number): Promise<number> {
  await Promise.any(callers.map((caller) => insist(() => caller.grant(60))));
  return performance.now() - fromMs;
}

/** Waits until all say the same. */
async function termOf(cluster: ProcessCluster): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const terms = await Promise.all(cluster.members.map((member) => metric(member, 'raft_term')));
    const [term] = terms;
    if (term !== undefined && terms.every((each) => each === term)) return term;
    await pause(50);
  }
  throw new Error('members stay in different terms');
}

test('V11: leaders are killed one after the other, and the others grant soon', async () => {
  const cluster = await startCluster(false);
  for (let round = 0; round < 3; round++) {
    const { leader, others } = await scene(cluster);
    const fromMs = performance.now();
    leader.signal('SIGKILL');
    expect(await firstGrant(others, fromMs)).toBeLessThan(killMsMax);
    await leader.stop('SIGKILL');
    leader.start();
    await cluster.ready(60_000);
  }
}, 120_000);

test('a leader that is told to stop hands over first: the others grant soon, and each of its calls ends', async () => {
  const cluster = await startCluster(false);
  for (let round = 0; round < 2; round++) {
    const { leader, others } = await scene(cluster);
    const own = callerOf(leader);
    await insist(() => own.grant(60));
    const ends = new Set<string>();
    let going = true;
    const calling = Promise.all(
      Array.from({ length: 8 }, async () => {
        while (going)
          await own.grant(60).then(
            () => ends.add('answered'),
            (error: { code?: number }) => {
              ends.add(codes[error.code ?? codes.UNKNOWN] as string);
              going = false;
            },
          );
      }),
    );
    const before = await termOf(cluster);
    const fromMs = performance.now();
    const stopped = leader.stop('SIGTERM');
    expect(await firstGrant(others, fromMs)).toBeLessThan(stopMsMax);
    await stopped;
    await calling;
    expect(leader.exits.at(-1)).toBe('0');
    expect([...ends].filter((end) => end !== 'answered' && end !== 'UNAVAILABLE')).toEqual([]);
    leader.start();
    await cluster.ready(60_000);
    // The hand-over was the only election.
    expect(await termOf(cluster)).toBe(before + 1);
  }
}, 120_000);

test('R10: neither connections that come and go nor members that stand still for a moment depose a leader', async () => {
  const cluster = await startCluster(true);
  const { leader, others } = await scene(cluster);
  const follower = cluster.members.find((member) => member !== leader) as MemberProcess;
  const term = await termOf(cluster);
  for (let cut = 0; cut < 8; cut++) {
    cluster.cutPeers(follower.name, false);
    await pause(20);
    cluster.heal();
    await pause(cut % 2 === 0 ? 30 : 250);
  }
  for (const member of [follower, leader]) {
    member.signal('SIGSTOP');
    await pause(300);
    member.signal('SIGCONT');
    await Promise.all(others.map((other) => insist(() => other.grant(60))));
  }
  expect(await termOf(cluster)).toBe(term);
  expect((await cluster.leader()).name).toBe(leader.name);
}, 120_000);
