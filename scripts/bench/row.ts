/** What a road of the benchmark found, and how it is shown. */
import { readFileSync } from 'node:fs';
import { loadavg } from 'node:os';

/** One line of the result: figures under their names, units last. */
export interface Row {
  readonly road: string;
  readonly figures: Readonly<Record<string, number>>;
  /** What is wanted of them. */
  readonly checks?: readonly Check[];
}

/** Something that must hold, and what was seen. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly seen: number;
}

/** Lines about what is being done; on stderr, so that results can be piped. Over each other on a terminal. */
export function progress(line: string, last = true): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}${last ? '\n' : ''}`);
  else if (last) process.stderr.write(`${line}\n`);
}

/** What is wanted of rows, as a table. */
export function markdownOf(rows: readonly Row[]): string {
  const lines = rows.flatMap(({ road, checks = [] }) =>
    checks.map(({ name, ok, seen }) => `| ${road} | ${name} | ${rounded(seen)} | ${ok ? 'holds' : 'misses'} |\n`),
  );
  return `| road | wanted | seen | |\n| --- | --- | ---: | --- |\n${lines.join('')}`;
}

export function print(row: Row, json: boolean): void {
  // Other work on the machine spoils figures: how much there was stands beside them.
  const figures = { ...row.figures, load1min: loadavg()[0] ?? 0 };
  if (json) {
    process.stdout.write(`${JSON.stringify({ road: row.road, ...figures, checks: row.checks })}\n`);
    return;
  }
  process.stdout.write(`${row.road}\n`);
  for (const [name, value] of Object.entries(figures)) process.stdout.write(`  ${name.padEnd(34)} ${rounded(value)}\n`);
  for (const check of row.checks ?? []) process.stdout.write(checkLine(check));
}

/** Prints each and the verdict; returns whether all hold. */
export function printChecks(checks: readonly Check[], json: boolean): boolean {
  const ok = checks.every((check) => check.ok);
  if (json) process.stdout.write(`${JSON.stringify({ road: 'verdict', ok, checks })}\n`);
  else {
    for (const check of checks) process.stdout.write(checkLine(check));
    process.stdout.write(ok ? 'verdict: all checks hold\n' : 'verdict: FAILED\n');
  }
  return ok;
}

function checkLine({ name, ok, seen }: Check): string {
  return `  ${ok ? 'holds ' : 'FAILED'} ${name} (${rounded(seen)})\n`;
}

/** The value below which the share `q` of `sorted` lies. */
export function quantile(sorted: ArrayLike<number>, q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
}

/** Resident memory of a process in MiB; 0 where there is no /proc. */
export function residentMib(pid: number): number {
  try {
    const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
    return Number(found?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** A clock tick of /proc (USER_HZ). */
const tickSeconds = 0.01;

/** CPU that these have used so far, together; 0 where there is no /proc. */
export function cpuSeconds(members: readonly { readonly pid: number }[]): number {
  let ticks = 0;
  for (const { pid } of members) {
    try {
      // After the name in brackets: state is field 3, user and system time fields 14 and 15.
      const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').pop()?.split(' ') ?? [];
      ticks += Number(fields[11]) + Number(fields[12]);
    } catch {
      return 0;
    }
  }
  return ticks * tickSeconds;
}

/** System calls that wrote something so far, of a process; 0 where there is no /proc. */
export function writeCalls(pid: number): number {
  try {
    return Number(/^syscw: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'latin1'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

function rounded(value: number): string {
  return Number.isInteger(value)
    ? value.toLocaleString('en')
    : value.toLocaleString('en', { maximumFractionDigits: 2 });
}
