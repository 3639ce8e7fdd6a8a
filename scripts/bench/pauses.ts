/**
 * Pauses of the members' event loops, as their own metrics tell them, and what the machine had to do with them: a loop that is ready to
 * run and gets no core pauses as well, and with four busy processes on two cores that is most of it.
 */
import { readFileSync } from 'node:fs';
import { type MemberProcess, metric } from '../../test/cluster/processes.ts';

/** No pause of a member may be longer than this, in promotion, expiry or snapshot. */
export const pauseMsMax = 100;

/** Of some members' event loops, over a stretch of time. */
export interface Pauses {
  /** The longest pause of any of them. Up to 10 ms of it are the meter's own, which looks that often. */
  readonly longestMs: number;
  /** CPU that their threads used, together. */
  readonly cpuMs: number;
  /** How long these threads were ready to run and had no core, together. */
  readonly waitedMs: number;
}

/** What the kernel counts of a thread. */
interface Scheduled {
  readonly cpuMs: number;
  readonly waitedMs: number;
}

const never: Scheduled = { cpuMs: 0, waitedMs: 0 };

/** Begins anew; call the result at the end. Reading a member's metrics forgets its longest pause, whoever reads. */
export async function measurePauses(members: readonly MemberProcess[]): Promise<() => Promise<Pauses>> {
  await longestMs(members);
  const before = new Map(members.map(({ pid }) => [pid, scheduled(pid)]));
  return async () => {
    const pauses = { longestMs: await longestMs(members), cpuMs: 0, waitedMs: 0 };
    for (const { pid } of members) {
      const now = scheduled(pid);
      // One that was started meanwhile is another process, and all of its time counts.
      const then = before.get(pid) ?? never;
      pauses.cpuMs += now.cpuMs - then.cpuMs;
      pauses.waitedMs += now.waitedMs - then.waitedMs;
    }
    return pauses;
  };
}

async function longestMs(members: readonly MemberProcess[]): Promise<number> {
  const seconds = await Promise.all(members.map((member) => metric(member, 'nodejs_eventloop_lag_max_seconds')));
  return 1_000 * Math.max(...seconds.map((each) => each ?? Number.NaN));
}

/** Of a process's first thread, which is Node's event loop; nothing where there is no /proc. */
function scheduled(pid: number): Scheduled {
  try {
    const [cpuNs, waitedNs] = readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ').map(Number);
    return { cpuMs: (cpuNs ?? 0) / 1e6, waitedMs: (waitedNs ?? 0) / 1e6 };
  } catch {
    return never;
  }
}
