/**
 * Runs seeds in a process of its own, and says on standard output, one JSON object a line, what came of each; ends at the first that
 * fails. Arguments: profile, first seed, number of seeds, stride.
 */
import { Coverage } from './coverage.ts';
import { drawSchedule } from './draw.ts';
import { Failure } from './report.ts';
import { runSchedule } from './run.ts';
import type { SeedSaid } from './seed-said.ts';

const [profile, first, count, stride] = process.argv.slice(2);
const say = (line: SeedSaid): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

for (let i = 0; i < Number(count); i++) {
  const seed = BigInt(first ?? 1) + BigInt(i) * BigInt(stride ?? 1);
  const began = process.cpuUsage();
  try {
    const report = runSchedule(drawSchedule(seed, profile));
    const { user, system } = process.cpuUsage(began);
    const coverage = new Coverage();
    coverage.add(report);
    say({
      type: 'passed',
      seed: `0x${seed.toString(16)}`,
      simulatedMs: report.simulatedMs,
      faultsMs: report.schedule.faultsMs,
      cpuMs: (user + system) / 1_000,
      calls: report.callCount,
      events: report.events,
      entries: report.entries,
      crashes: report.crashes,
      coverage: coverage.toJson(),
    });
  } catch (error) {
    const failure = error instanceof Failure ? error : undefined;
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const invariant = failure?.invariant ?? 'crash';
    say({ type: 'failed', seed: `0x${seed.toString(16)}`, invariant, atMs: failure?.atMs ?? 0, message });
    break;
  }
}
