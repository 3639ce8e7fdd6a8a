/** What `client-hold` makes of its counts: whether figures stayed where they were, and whether renewals came as a herd. No I/O. */
import type { Check } from './row.ts';

/** One stretch of the steady part. */
export interface Sample {
  /** Of one core. */
  readonly clientCpuPercent: number;
  /** All members together, of one core. */
  readonly membersCpuPercent: number;
  readonly clientRssMib: number;
  /** With what is not collected yet. */
  readonly clientHeapMib: number;
  readonly renewalsPerSecond: number;
  readonly answersPerSecond: number;
  readonly messagesOutPerSecond: number;
  readonly messagesInPerSecond: number;
  /** System calls that write, of the whole process, in the median second; nearly all are to the socket. */
  readonly writeCallsPerSecond: number;
}

/** A tenth of a second: renewals that were sent and answered in it. */
export interface Tenth {
  readonly at: number;
  readonly sent: number;
  readonly answered: number;
}

/** How much the last third may exceed the first: a share of it, and so much besides, for what is too small to matter. */
const growthMax: Partial<Record<keyof Sample, readonly [share: number, more: number]>> = {
  clientCpuPercent: [0.2, 2],
  clientRssMib: [0.1, 16],
  renewalsPerSecond: [0.1, 1],
  messagesOutPerSecond: [0.1, 1],
  writeCallsPerSecond: [0.2, 5],
};

/** Means over all samples, and the last third against the first. */
export function flatness(samples: readonly Sample[]): {
  readonly figures: Record<string, number>;
  readonly checks: Check[];
} {
  const third = Math.max(1, Math.floor(samples.length / 3));
  const figures: Record<string, number> = {};
  const checks: Check[] = [];
  for (const name of Object.keys(samples[0] ?? {}) as (keyof Sample)[]) {
    const of = (some: readonly Sample[]): number[] => some.map((sample) => sample[name]);
    figures[name] = mean(of(samples));
    const growth = growthMax[name];
    if (growth === undefined) continue;
    const first = mean(of(samples.slice(0, third)));
    const last = mean(of(samples.slice(-third)));
    figures[`${name}_first`] = first;
    figures[`${name}_last`] = last;
    checks.push({ name: `${name} is flat`, ok: last <= first * (1 + growth[0]) + growth[1], seen: last - first });
  }
  return { figures, checks };
}

/** A tenth may have so many times the renewals of the average one; all leases at once would be some hundred times. */
const peakMax = 4;
/** Renewals flow again at the latest after this share of the TTL. */
const flowShareMax = 0.25;

/**
 * From the kill on: how long until a renewal was answered again, and how renewals spread over the period after that. `killTenth`: at or
 * right before the kill.
 */
export function herd(
  tenths: readonly Tenth[],
  killTenth: number,
  { leases, ttlSeconds }: { readonly leases: number; readonly ttlSeconds: number },
): { readonly figures: Record<string, number>; readonly checks: Check[]; readonly perSecond: string[] } {
  const by = new Map(tenths.map((each) => [each.at, each]));
  const periodTenths = Math.round((ttlSeconds * 10) / 3);
  const flow = flowsAgain(by, killTenth, periodTenths);
  const counts = Array.from({ length: periodTenths }, (_, i) => by.get(killTenth + flow + i)?.sent ?? 0);
  const average = leases / periodTenths;
  const sorted = [...counts].sort((a, b) => a - b);
  const peakOverMean = (sorted.at(-1) ?? 0) / average;
  const secondsToFlow = flow / 10;
  const perSecond: string[] = [];
  for (let from = -flow; from < periodTenths; from += 10) {
    const second = Array.from({ length: 10 }, (_, i) => by.get(killTenth + flow + from + i)?.sent ?? 0);
    perSecond.push(`${((from + flow) / 10).toFixed(0)} s after the kill: ${second.join(' ')} renewals in its tenths`);
  }
  return {
    figures: {
      secondsToFlow,
      renewalsInThePeriod: counts.reduce((sum, each) => sum + each, 0),
      perTenthMean: average,
      perTenthP99: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
      perTenthMax: sorted.at(-1) ?? 0,
      peakOverMean,
      tenthsOverTwiceTheMean: counts.filter((each) => each > 2 * average).length,
    },
    checks: [
      {
        name: `renewals flow again within ${flowShareMax * ttlSeconds} s`,
        ok: secondsToFlow <= flowShareMax * ttlSeconds,
        seen: secondsToFlow,
      },
      {
        name: `no tenth of a second has over ${peakMax} times the mean`,
        ok: peakOverMean <= peakMax,
        seen: peakOverMean,
      },
    ],
    perSecond,
  };
}

/** Tenths from the kill to the end of the longest silence within the period after it. */
function flowsAgain(by: ReadonlyMap<number, Tenth>, killTenth: number, periodTenths: number): number {
  let longest = 0;
  let end = 0;
  let silence = 0;
  for (let i = 0; i < periodTenths; i++) {
    if ((by.get(killTenth + i)?.answered ?? 0) > 0) silence = 0;
    else if (++silence > longest) {
      longest = silence;
      end = i + 1;
    }
  }
  return end;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, each) => sum + each, 0) / Math.max(1, values.length);
}
