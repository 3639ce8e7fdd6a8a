/** `npm run bench -- compare`: the same work on our cluster and on etcd's, in turn. */
import { writeFileSync } from 'node:fs';
import { etcdInstalled } from '../../../test/support/real-etcd.ts';
import { LoadProcess } from '../load/load.ts';
import type { Measured } from '../load/meter.ts';
import { progress } from '../row.ts';
import type { CompareOptions, Target } from './arguments.ts';
import { type Cluster, leaderOf, start } from './clusters.ts';
import { type Compared, compared } from './figures.ts';
import { picture } from './picture.ts';
import { type RowSpec, rows } from './rows.ts';
import { jsonOf, markdownOf, simpleOf } from './write.ts';

/** A leader that changes in the middle spoils a stretch: it is measured again, so often at most. */
const triesMax = 3;

/** Prints the rows; returns whether all that is wanted holds. */
export async function compare(options: CompareOptions): Promise<boolean> {
  const targets = options.targets.filter((target) => target === 'leasehold' || etcdInstalled);
  if (targets.length === 0) throw new Error('there is no `etcd` on the PATH');
  const load = new LoadProcess();
  const found: Compared[] = [];
  try {
    for (const road of options.roads) {
      const specs = rows.filter((row) => row.road === road);
      for (const row of await onFreshClusters(targets, (clusters) => roadOn(load, clusters, specs, options))) {
        found.push(row);
        if (options.write === 'json') process.stdout.write(`${jsonOf(row)}\n`);
        else if (options.write === 'simple') process.stdout.write(simpleOf(row));
      }
    }
  } finally {
    load.end();
  }
  if (options.write === 'markdown') process.stdout.write(markdownOf(found, targets));
  if (options.svg !== undefined) writeFileSync(options.svg, picture(found));
  return found.every(({ holds }) => holds !== false);
}

type Clusters = ReadonlyMap<Target, Cluster>;

async function onFreshClusters<T>(targets: readonly Target[], work: (clusters: Clusters) => Promise<T>): Promise<T> {
  const clusters = new Map<Target, Cluster>();
  const stop = async (): Promise<void> => {
    await Promise.all([...clusters.values()].map((cluster) => cluster.stop()));
  };
  // Ctrl-C ends the members too.
  const interrupted = (): void => void stop().then(() => process.exit(130));
  process.once('SIGINT', interrupted);
  try {
    for (const target of targets) clusters.set(target, await start(target));
    return await work(clusters);
  } finally {
    process.off('SIGINT', interrupted);
    await stop();
  }
}

async function roadOn(
  load: LoadProcess,
  clusters: Clusters,
  specs: readonly RowSpec[],
  options: CompareOptions,
): Promise<readonly Compared[]> {
  const found: Compared[] = [];
  for (const [at, spec] of specs.entries()) {
    const rounds: Partial<Record<Target, Measured[]>> = {};
    // Members that were started a moment ago: one round does not count, so that their compilers and caches are where they stay.
    for (let round = at === 0 ? 0 : 1; round <= options.rounds; round++) {
      for (const [target, cluster] of clusters) {
        progress(`${spec.name}: ${target}, round ${round} of ${options.rounds}`, false);
        const measured = await oneRound(load, cluster, spec, options);
        if (round === 0) continue;
        rounds[target] ??= [];
        rounds[target].push(measured);
      }
    }
    found.push(compared(spec, rounds));
  }
  return found;
}

async function oneRound(
  load: LoadProcess,
  cluster: Cluster,
  { shape, on, warmSecondsMax }: RowSpec,
  { seconds, warmSeconds }: CompareOptions,
): Promise<Measured> {
  for (let tries = 1; ; tries++) {
    const leader = await leaderOf(cluster);
    const measured = await load.measure({
      ...shape,
      endpoints: on === 'leader' ? [leader] : cluster.endpoints.filter((endpoint) => endpoint !== leader),
      pids: cluster.pids,
      warmSeconds: Math.min(warmSeconds, warmSecondsMax ?? warmSeconds),
      seconds,
    });
    if ((await leaderOf(cluster)) === leader || tries === triesMax) return measured;
    progress('the leader changed: measured again');
  }
}
