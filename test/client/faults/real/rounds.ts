/**
 * Holders on real time: processes that compete for locks of a real member, each through a proxy of its own, and are stopped, cut off,
 * stalled and slowed down, round after round. Seeded: the same faults, though never the same run.
 */
import { Prng } from '../../../../src/base/prng.ts';
import { Client } from '../../../../src/client/client.ts';
import { pause } from '../../../cluster/processes.ts';
import { TcpProxy } from '../../../support/proxy.ts';
import { startOurs } from '../../../wire/targets.ts';
import { Child } from './child.ts';
import type { Holding } from './holder-process.ts';
import { judge, type Verdict } from './judge.ts';
import { type Admission, type HolderSaid, monotonicMs, type Said } from './records.ts';
import type { StoreSaid } from './store-process.ts';

export interface RealPlan {
  readonly seed: bigint;
  /** One fault on one process each. */
  readonly rounds: number;
  readonly naive: boolean;
  readonly heard?: (rounds: number) => void;
}

export interface RealReport extends Verdict {
  readonly rounds: number;
  readonly faults: Readonly<{ [kind: string]: number }>;
  readonly accepted: number;
  readonly turnedAway: number;
}

const ttlMs = 2_000;
const holderCount = 4;
const lockCount = 6;
const kinds = ['stop', 'stop', 'stop', 'stall', 'stallUp', 'stallDown', 'cut', 'slow', 'reset'] as const;

interface Holder {
  readonly name: string;
  readonly child: Child;
  readonly proxy: TcpProxy;
}

export async function runReal(plan: RealPlan): Promise<RealReport> {
  const ends: (() => Promise<unknown>)[] = [];
  try {
    return await run(plan, (end) => void ends.unshift(end));
  } finally {
    for (const end of ends) await end();
  }
}

/** `defer`: what is to be ended, the last first. */
async function run(
  { seed, rounds, naive, heard }: RealPlan,
  defer: (end: () => Promise<unknown>) => void,
): Promise<RealReport> {
  const records: HolderSaid[] = [];
  const faults: { [kind: string]: number } = {};
  const locks = Array.from({ length: lockCount }, (_, i) => `real/${i}`);
  const target = await startOurs({ members: 1 });
  defer(() => target.stop());
  const storeSaid: StoreSaid[] = [];
  let port = (_: number): void => {};
  const storePort = new Promise<number>((resolve) => {
    port = resolve;
  });
  const store = new Child('store-process.ts', [], (line) => {
    const said = JSON.parse(line) as StoreSaid;
    storeSaid.push(said);
    if (said.port !== undefined) port(said.port);
  });
  defer(() => store.end());
  const observer = new Client({ endpoints: target.endpoints });
  defer(() => observer.close());
  const admissions: Admission[] = [];
  const over = new AbortController();
  const observed = observe(observer, admissions, over.signal);
  const holders: Holder[] = [];
  const [host = '', memberPort = ''] = (target.endpoints[0] ?? '').split(':');
  for (let i = 0; i < holderCount; i++) {
    const name = `h${i}`;
    const proxy = new TcpProxy({ host, port: Number(memberPort) });
    const endpoints = [`127.0.0.1:${await proxy.listen()}`];
    const holding: Holding = { endpoints, locks, ttlMs, storePort: await storePort, naive };
    const child = new Child('holder-process.ts', [JSON.stringify(holding)], (line) =>
      records.push({ who: name, ...(JSON.parse(line) as Said) }),
    );
    holders.push({ name, child, proxy });
    defer(async () => {
      await child.end();
      await proxy.close();
    });
  }
  await until(() => new Set(records.filter(({ type }) => type === 'held').map(({ who }) => who)).size >= 2);
  let begun = 0;
  // Half of them are under a fault at any time, so that there is always who takes over.
  const strikers = [holders.slice(0, 2), holders.slice(2)].map(async (some, i) => {
    const prng = new Prng(seed, `striker ${i}`);
    while (begun < rounds) {
      begun++;
      heard?.(begun);
      const kind = prng.pick(kinds);
      faults[kind] = (faults[kind] ?? 0) + 1;
      await strike(prng.pick(some), kind, ttlMs * (0.4 + 1.6 * prng.unit()), prng.between(100, 500));
      await pause(prng.between(200, 700));
    }
  });
  await Promise.all(strikers);
  await pause(ttlMs);
  const codes = await Promise.all(holders.map(({ child }) => child.end()));
  await store.end();
  over.abort();
  await observed;
  const verdict = judge(records, admissions, ttlMs);
  const crashes = codes.filter((code) => code !== 0).map((code) => `a holder ended with ${code}`);
  const { accepted = 0, turnedAway = 0, tokens = {} } = storeSaid.at(-1) ?? {};
  const violations = [...verdict.violations, ...crashes, ...notInOrder(tokens)];
  return { ...verdict, violations, rounds: begun, faults, accepted, turnedAway };
}

async function strike(
  { child, proxy }: Holder,
  kind: (typeof kinds)[number],
  forMs: number,
  slowMs: number,
): Promise<void> {
  if (kind === 'stop') child.signal('SIGSTOP');
  else if (kind === 'stall') proxy.stall();
  else if (kind === 'stallUp') proxy.stall('up');
  else if (kind === 'stallDown') proxy.stall('down');
  else if (kind === 'cut') proxy.cut();
  else if (kind === 'reset') proxy.reset();
  else for (const way of ['up', 'down'] as const) proxy.delay(way, slowMs);
  await pause(forMs);
  if (kind === 'stop') child.signal('SIGCONT');
  else proxy.heal();
}

/** Notes who owns each lock: the oldest key of its queue. */
async function observe(client: Client, admissions: Admission[], signal: AbortSignal): Promise<void> {
  const queues = new Map<string, Map<string, bigint>>();
  const owners = new Map<string, bigint>();
  for await (const event of client.watch({ prefix: 'real/' }, { from: 1n, signal })) {
    const atMs = monotonicMs();
    if (event.type !== 'put' && event.type !== 'delete') continue;
    const key = Buffer.from(event.key).toString();
    const lock = key.slice(0, key.lastIndexOf('/'));
    const queue = queues.get(lock) ?? new Map<string, bigint>();
    queues.set(lock, queue);
    if (event.type === 'put') queue.set(key, event.kv.createRevision);
    else queue.delete(key);
    const [oldest] = [...queue.values()].sort((a, b) => (a < b ? -1 : 1));
    if (oldest === undefined || oldest === owners.get(lock)) continue;
    owners.set(lock, oldest);
    admissions.push({ lock, token: `${oldest}`, atMs });
  }
}

function notInOrder(tokens: Readonly<{ [lock: string]: readonly string[] }>): readonly string[] {
  const violations: string[] = [];
  for (const [lock, accepted] of Object.entries(tokens))
    for (const [i, token] of accepted.entries())
      if (i > 0 && BigInt(token) < BigInt(accepted[i - 1] ?? 0))
        violations.push(`F4: the store took ${token} of ${lock}`);
  return violations;
}

async function until(holds: () => boolean): Promise<void> {
  const endMs = performance.now() + 30_000;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error('the holders do not begin');
    await pause(20);
  }
}
