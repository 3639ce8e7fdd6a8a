/** All services of a member in one table, guarded and counted: what a transport mounts. */
import type { Metrics } from '../ops/metrics.ts';
import { authService } from './auth.ts';
import { clusterService } from './cluster.ts';
import { electionService } from './election.ts';
import { healthService } from './health.ts';
import { instrument } from './instrument.ts';
import { leaseBatchService } from './keep-alive-batches.ts';
import { kvService } from './kv.ts';
import { guardLeader } from './leader-guard.ts';
import { leaseService } from './lease.ts';
import { lockService } from './lock.ts';
import { maintenanceService } from './maintenance.ts';
import type { Member } from './member.ts';
import { Queues } from './queues.ts';
import { reflectionService } from './reflection.ts';
import type { ServiceTable } from './transport.ts';
import { watchService } from './watch.ts';

export interface ServicesOptions {
  readonly metrics: Metrics;
  /** Hears of errors that no row of the table covers; the program logs them and exits. */
  readonly onBug: (error: unknown) => void;
  /** etcd's --watch-progress-notify-interval; 10 minutes if not given. */
  readonly progressIntervalMs?: number;
  /** Keep-alives of one stream on their way; the limit of base/limits.ts if not given. */
  readonly keepAlivesPerStream?: number;
  /** Calls that wait for a lock or an election; the limit of base/limits.ts if not given. */
  readonly queueCalls?: number;
}

export function services(member: Member, { metrics, onBug, ...options }: ServicesOptions): ServiceTable {
  const queues = new Queues(member, metrics, options.queueCalls);
  const table: ServiceTable = {
    ...kvService(member),
    ...watchService(member, options.progressIntervalMs),
    ...leaseService(member, metrics, options.keepAlivesPerStream),
    ...leaseBatchService(member, metrics, options.keepAlivesPerStream),
    ...lockService(member, queues),
    ...electionService(member, queues),
    ...clusterService(member),
    ...maintenanceService(member, onBug),
    ...authService(member),
    ...healthService(member),
  };
  const all = { ...table, ...reflectionService(Object.keys(table)) };
  return instrument(guardLeader(all, member), metrics, onBug);
}
