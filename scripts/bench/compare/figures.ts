/** What rounds on two clusters come to: medians, spread, ratios. Pure. */
import type { Measured } from '../load/meter.ts';
import type { Target } from './arguments.ts';
import type { RowSpec, Wanted } from './rows.ts';

/** Of several rounds. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface Side {
  readonly perSecond: Spread;
  /** Of all member processes together. */
  readonly cpuMicros: Spread;
  readonly msMedian: Spread;
  readonly msP99: Spread;
  /** Of a core, by the load itself. */
  readonly loadCores: Spread;
  readonly errors: number;
  readonly firstError: string;
}

export interface Compared {
  readonly name: string;
  readonly road: string;
  readonly wanted: Wanted | undefined;
  readonly msP99Max: number | undefined;
  readonly sides: Partial<Record<Target, Side>>;
  /** Ours to etcd's, round by round: times its rate; and its CPU per operation to ours, so that more is better in both. */
  readonly ratios: { readonly rate: Spread; readonly cpu: Spread } | undefined;
  /** Undefined where nothing is wanted, or nothing compared. */
  readonly holds: boolean | undefined;
}

/** The rounds of one row, in order; as many of each target. */
export function compared(spec: RowSpec, rounds: Partial<Record<Target, readonly Measured[]>>): Compared {
  const { leasehold, etcd } = rounds;
  const ratio = (of: (measured: Measured) => number): Spread =>
    spread((leasehold ?? []).map((ours, round) => of(ours) / of(etcd?.[round] as Measured)));
  const ratios =
    leasehold === undefined || etcd === undefined
      ? undefined
      : { rate: ratio(perSecond), cpu: ratio((measured) => 1 / cpuMicros(measured)) };
  const { wanted, msP99Max } = spec;
  const sides = {
    ...(leasehold === undefined ? {} : { leasehold: sideOf(leasehold) }),
    ...(etcd === undefined ? {} : { etcd: sideOf(etcd) }),
  };
  return { name: spec.name, road: spec.road, wanted, msP99Max, sides, ratios, holds: holds(spec, sides, ratios) };
}

/** Undefined where nothing is wanted, or it cannot be said. */
function holds(
  { wanted, msP99Max }: RowSpec,
  { leasehold }: Compared['sides'],
  ratios: Compared['ratios'],
): Compared['holds'] {
  if (leasehold === undefined) return undefined;
  const kept: boolean[] = [];
  if (wanted !== undefined && ratios !== undefined)
    kept.push(ratios.rate.median >= wanted.rate, ratios.cpu.median >= wanted.cpu);
  if (msP99Max !== undefined) kept.push(leasehold.msP99.median <= msP99Max);
  return kept.length === 0 ? undefined : kept.every((each) => each) && leasehold.errors === 0;
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const median = ((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2;
  return { median, min: sorted[0] ?? 0, max: sorted.at(-1) ?? 0 };
}

const perSecond = ({ operations, seconds }: Measured): number => operations / seconds;
const cpuMicros = ({ memberCpuSeconds, operations }: Measured): number =>
  (memberCpuSeconds * 1e6) / Math.max(1, operations);

function sideOf(rounds: readonly Measured[]): Side {
  return {
    perSecond: spread(rounds.map(perSecond)),
    cpuMicros: spread(rounds.map(cpuMicros)),
    msMedian: spread(rounds.map(({ msMedian }) => msMedian)),
    msP99: spread(rounds.map(({ msP99 }) => msP99)),
    loadCores: spread(rounds.map(({ loadCores }) => loadCores)),
    errors: rounds.reduce((sum, { errors }) => sum + errors, 0),
    firstError: rounds.find(({ firstError }) => firstError !== '')?.firstError ?? '',
  };
}
