/**
 * Runs rounds in a process of its own, and says on standard output what came of each; ends at the first that fails. Arguments: first seed,
 * number of rounds, stride, kind (or `any`), `naive` or nothing.
 */
import { drawPlan, type Kind } from './plan.ts';
import { runRound } from './round.ts';
import type { RoundSaid } from './said.ts';
import { Violation } from './violation.ts';

const [first, count, stride, wanted, naive] = process.argv.slice(2);
const say = (line: RoundSaid): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

for (let i = 0; i < Number(count); i++) {
  const seed = BigInt(first ?? 1) + BigInt(i) * BigInt(stride ?? 1);
  const plan = drawPlan(seed, { kind: wanted === 'any' ? undefined : (wanted as Kind), naive: naive === 'naive' });
  const about = { seed: `0x${seed.toString(16)}`, kind: plan.kind };
  const failed = (error: unknown): void => {
    const invariant = error instanceof Violation ? error.invariant : 'crash';
    const message = error instanceof Violation ? error.message : error instanceof Error ? `${error.stack}` : `${error}`;
    say({ type: 'failed', ...about, invariant, message });
    process.exit(0);
  };
  // Nothing that the library leaves unheard is fine.
  process.removeAllListeners('unhandledRejection').on('unhandledRejection', failed);
  const began = process.cpuUsage();
  try {
    const report = await runRound(plan);
    const { user, system } = process.cpuUsage(began);
    say({ type: 'passed', ...about, cpuMs: (user + system) / 1_000, report });
  } catch (error) {
    failed(error);
  }
}
