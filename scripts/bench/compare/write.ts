/** The rows as text: for a terminal, for a page, for programs. Pure. */
import type { Target } from './arguments.ts';
import type { Compared, Side, Spread } from './figures.ts';

const nameOf: Readonly<Record<Target, string>> = { leasehold: 'leasehold', etcd: 'etcd' };

/** One object. */
export function jsonOf(row: Compared): string {
  return JSON.stringify(row);
}

/** A table in Markdown; lines end with \n. */
export function markdownOf(rows: readonly Compared[], targets: readonly Target[]): string {
  const both = targets.length > 1;
  const head = [
    'work',
    ...targets.map((target) => `${nameOf[target]}: a second (min–max)`),
    ...targets.map((target) => `${nameOf[target]}: median / p99`),
    ...targets.map((target) => `${nameOf[target]}: CPU an op`),
    ...(both ? ['rate, × etcd (min–max)', 'CPU an op, 1/… of etcd (min–max)', 'wanted', ''] : []),
    "load's share of a core",
  ];
  const lines = rows.map((row) => {
    const sides = targets.map((target) => row.sides[target]);
    return [
      row.name,
      ...sides.map((side) => (side === undefined ? '' : rate(side))),
      ...sides.map((side) => (side === undefined ? '' : times(side))),
      ...sides.map((side) => (side === undefined ? '' : `${fewDigits(side.cpuMicros.median)} µs`)),
      ...(both ? comparison(row) : []),
      sides.map((side) => (side === undefined ? '' : side.loadCores.median.toFixed(2))).join(' / '),
    ];
  });
  const rule = head.map((_, at) => (at === 0 ? '---' : '---:'));
  return [head, rule, ...lines].map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

/** A block of lines a row. */
export function simpleOf(row: Compared): string {
  const lines = [row.name];
  for (const target of ['leasehold', 'etcd'] as const) {
    const side = row.sides[target];
    if (side === undefined) continue;
    const cpu = `CPU ${fewDigits(side.cpuMicros.median)} µs (${range(side.cpuMicros)})`;
    const load = `load ${side.loadCores.median.toFixed(2)} of a core`;
    lines.push(`  ${target.padEnd(10)} ${rate(side)} a second, ${times(side)}, ${cpu}, ${load}`);
    if (side.errors > 0) lines.push(`  ${' '.repeat(10)} ${side.errors} errors: ${side.firstError}`);
  }
  const [rateRatio, cpuRatio, wanted, verdict] = comparison(row);
  if (row.ratios !== undefined) {
    const ask = wanted === '' ? '' : `; wanted ${wanted}: ${verdict}`;
    lines.push(`  ratio      rate × ${rateRatio}, CPU 1/${cpuRatio}${ask}`);
  }
  return `${lines.join('\n')}\n`;
}

function comparison(row: Compared): readonly string[] {
  const { ratios, holds, sides } = row;
  const of = (ratio: Spread | undefined): string =>
    ratio === undefined ? '' : `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)}–${ratio.max.toFixed(2)})`;
  const errors = Object.values(sides).reduce((sum, side) => sum + side.errors, 0);
  const verdict = holds === undefined ? '' : holds ? 'holds' : 'misses';
  return [of(ratios?.rate), of(ratios?.cpu), wantedOf(row), errors > 0 ? `${verdict} (${errors} errors)` : verdict];
}

function wantedOf({ wanted, msP99Max }: Compared): string {
  const ratio = wanted === undefined ? [] : [`× ${wanted.rate}, 1/${wanted.cpu}`];
  return [...ratio, ...(msP99Max === undefined ? [] : [`p99 ${msP99Max} ms`])].join(', ');
}

const rate = ({ perSecond }: Side): string => `${fewDigits(perSecond.median)} (${range(perSecond)})`;
const times = ({ msMedian, msP99 }: Side): string => `${fewDigits(msMedian.median)} / ${fewDigits(msP99.median)} ms`;
const range = ({ min, max }: Spread): string => `${fewDigits(min)}–${fewDigits(max)}`;

/** As many digits as say something. */
function fewDigits(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en');
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
