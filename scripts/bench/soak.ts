/**
 * No false election: for minutes clients of all members grant at a steady rate and others renew as fast as they can, while a member,
 * the leader every other time, stands still now and then for less than an election timeout. The term is to stay what it was, and no
 * call to fail.
 */
import { metric, type ProcessCluster, pause } from '../../test/cluster/processes.ts';
import { LoadProcess } from './load/load.ts';
import type { Part } from './load/part.ts';
import { progress, type Row } from './row.ts';

const everyMs = 20_000;
const stillMsMin = 200;
const stillMsMax = 550;
const settleMs = 1_500;

export async function soak(cluster: ProcessCluster, minutes: number): Promise<Row> {
  const common = {
    endpoints: cluster.endpoints,
    pids: cluster.members.map(({ pid }) => pid),
    warmSeconds: 1,
    seconds: minutes * 60,
  };
  const grants: Part = { ...common, kind: 'grant', connections: 12, clients: 100, perSecond: 200 };
  const renewals: Part = { ...common, kind: 'keepAlive', connections: 6, clients: 6, window: 4, leases: 1_000 };
  const loads = [new LoadProcess(), new LoadProcess()] as const;
  try {
    await pause(settleMs);
    const before = await terms(cluster);
    const measured = Promise.all([loads[0].measure(grants), loads[1].measure(renewals)]);
    let over = false;
    const end = measured.finally(() => {
      over = true;
    });
    // Looked at below.
    end.catch(() => undefined);
    let stills = 0;
    for (let nextMs = performance.now() + everyMs; !over; await pause(100)) {
      if (performance.now() < nextMs) continue;
      nextMs += everyMs;
      await standStill(cluster, stills++ % 2 === 0);
      progress(`${stills} times a member stood still; terms ${(await terms(cluster)).join(', ')}`);
    }
    const [granted, renewed] = await end;
    const moved = (await terms(cluster)).reduce((sum, term, at) => sum + term - (before[at] as number), 0);
    const errors = granted.errors + renewed.errors;
    return {
      road: `soak: ${minutes} minutes, ${cluster.members.length} members`,
      figures: {
        grants: granted.operations,
        grantMsMedian: granted.msMedian,
        grantMsP99: granted.msP99,
        grantMsMax: granted.msMax,
        renewals: renewed.operations,
        stoodStill: stills,
        termsMoved: moved,
        errors,
      },
      checks: [
        { name: 'nobody is elected', ok: moved === 0, seen: moved },
        { name: 'no call fails', ok: errors === 0, seen: errors },
      ],
    };
  } finally {
    for (const load of loads) load.end();
  }
}

async function standStill(cluster: ProcessCluster, leads: boolean): Promise<void> {
  const leader = await cluster.leader();
  const member = leads ? leader : cluster.members.find((each) => each !== leader);
  member?.signal('SIGSTOP');
  await pause(stillMsMin + Math.random() * (stillMsMax - stillMsMin));
  member?.signal('SIGCONT');
}

function terms(cluster: ProcessCluster): Promise<number[]> {
  return Promise.all(cluster.members.map(async (member) => (await metric(member, 'raft_term')) ?? 0));
}
