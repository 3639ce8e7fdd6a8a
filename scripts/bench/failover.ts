/**
 * The leader ends, by SIGKILL or by SIGTERM: how long until the others grant again, to clients that are connected to them already. From the
 * signal to the first grant of a newer term; and the longest time without any grant around it, as the old leader may grant after SIGTERM.
 */
import { type MemberProcess, type ProcessCluster, pause } from '../../test/cluster/processes.ts';
import { ask } from './load/ask.ts';
import { Connection } from './load/connection.ts';
import { paths, requests, termOf } from './load/messages.ts';
import { progress, quantile, type Row } from './row.ts';

export type EndingSignal = 'SIGKILL' | 'SIGTERM';

const probeMs = 4;
const ttlSeconds = 60;
/** Grants were answered for so long before the signal. */
const steadyMs = 300;
const giveUpMs = 15_000;
/** Between rounds, when all three are there again. */
const calmMs = 1_000;

interface Round {
  readonly firstGrantMs: number;
  readonly gapMs: number;
  readonly refused: number;
}

export async function failover(cluster: ProcessCluster, signal: EndingSignal, rounds: number): Promise<Row> {
  const found: Round[] = [];
  for (let n = 1; n <= rounds; n++) {
    const leader = await cluster.leader();
    const round = await oneRound(cluster, leader, signal);
    progress(`round ${n}: first grant after ${round.firstGrantMs.toFixed(0)} ms, gap ${round.gapMs.toFixed(0)} ms`);
    found.push(round);
    await leader.stop(signal);
    leader.start();
    await cluster.ready();
    await pause(calmMs);
  }
  const sorted = (of: (round: Round) => number): readonly number[] => found.map(of).sort((a, b) => a - b);
  const firsts = sorted(({ firstGrantMs }) => firstGrantMs);
  const gaps = sorted(({ gapMs }) => gapMs);
  const median = quantile(firsts, 0.5);
  const worst = quantile(firsts, 1);
  return {
    road: `failover by ${signal}: ${rounds} rounds, ${cluster.members.length} members`,
    figures: {
      firstGrantMsMedian: median,
      firstGrantMsWorst: worst,
      gapMsMedian: quantile(gaps, 0.5),
      gapMsWorst: quantile(gaps, 1),
      refused: found.reduce((sum, { refused }) => sum + refused, 0),
    },
    checks:
      signal === 'SIGKILL'
        ? [
            { name: 'the first grant comes within 300 ms, in the median', ok: median <= 300, seen: median },
            { name: 'and within 1.6 s at worst', ok: worst <= 1_600, seen: worst },
          ]
        : [{ name: 'the first grant comes within 50 ms', ok: worst <= 50, seen: worst }],
  };
}

async function oneRound(cluster: ProcessCluster, leader: MemberProcess, signal: EndingSignal): Promise<Round> {
  const others = cluster.members.filter((member) => member !== leader);
  const connections = others.map(({ endpoint }) => new Connection(endpoint));
  const grant = requests.grant(ttlSeconds);
  try {
    await Promise.all(connections.map(({ ready }) => ready));
    let refused = 0;
    let lastMs = performance.now();
    let gapMs = 0;
    let signalledMs = Number.POSITIVE_INFINITY;
    let oldTerm = 0;
    let first: (ms: number) => void = () => undefined;
    const newTerm = new Promise<number>((resolve) => {
      first = resolve;
    });
    const probe = async (connection: Connection): Promise<void> => {
      const { code, message, nowMs } = await ask(connection, paths.grant, grant);
      if (code !== 0) {
        refused++;
        return;
      }
      gapMs = nowMs > signalledMs ? Math.max(gapMs, nowMs - lastMs) : 0;
      lastMs = Math.max(lastMs, nowMs);
      const term = termOf(message);
      if (nowMs <= signalledMs) oldTerm = Math.max(oldTerm, term);
      else if (term > oldTerm) first(nowMs);
    };
    const probes = setInterval(() => {
      for (const connection of connections) void probe(connection);
    }, probeMs);
    try {
      await pause(steadyMs);
      signalledMs = performance.now();
      leader.signal(signal);
      const firstMs = await Promise.race([newTerm, pause(giveUpMs)]);
      if (firstMs === undefined) throw new Error(`no grant within ${giveUpMs} ms of ${signal}`);
      return { firstGrantMs: firstMs - signalledMs, gapMs, refused };
    } finally {
      clearInterval(probes);
    }
  } finally {
    for (const connection of connections) connection.close();
  }
}
