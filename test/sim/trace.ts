/** A run in words: one line an event, the newest last. The legend is in docs/TESTING.md. */
import { runSchedule } from './run.ts';
import type { Schedule } from './schedule.ts';

/** Older lines are forgotten: what matters is near the failure. */
const linesMax = 20_000;

/** Runs the schedule and tells what happened, up to the failure if there is one. */
export function traceOf(schedule: Schedule): readonly string[] {
  const lines: string[] = [];
  const add = (line: string): void => {
    lines.push(line);
    if (lines.length > 2 * linesMax) lines.splice(0, linesMax);
  };
  try {
    const trace = (atMs: number, member: number, text: string): void => add(traceLine(atMs, member, text));
    const report = runSchedule(schedule, { trace });
    add(traceLine(report.simulatedMs, -1, 'END every check passed'));
  } catch (error) {
    add(`FAILED ${error instanceof Error ? error.message : String(error)}`);
  }
  return lines.slice(-linesMax);
}

function traceLine(atMs: number, member: number, text: string): string {
  return `${atMs.toFixed(3).padStart(11)}  ${(member < 0 ? '' : `n${member + 1}`).padEnd(3)} ${text}`;
}
