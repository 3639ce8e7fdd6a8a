/**
 * `npm test`: the static steps and every test; the last line is `N passed, N failed`, where each static step counts as a
 * test. With filters, only the tests in matching files and no static steps.
 */
import { runStaticSteps, staticSteps } from './steps.ts';
import { runTests, summaryLine } from './vitest-run.ts';

const help = `npm test [-- filter…]
  static checks and all tests; the last line is "N passed, N failed", exit 1 if any failed
  filter…   only tests in files whose path contains one of these, without the static checks`;

const filters = process.argv.slice(2);
if (filters.includes('--help')) {
  process.stdout.write(`${help}\n`);
} else {
  const failedSteps = filters.length === 0 ? await runStaticSteps() : [];
  const steps = filters.length === 0 ? staticSteps.length : 0;
  const counts = await runTests(filters);
  const all = {
    passed: counts.passed + steps - failedSteps.length,
    failed: counts.failed + failedSteps.length,
    skipped: counts.skipped,
  };
  for (const name of failedSteps) process.stdout.write(`FAIL ${name} (see above)\n`);
  process.stdout.write(`${summaryLine(all)}\n`);
  process.exitCode = all.failed === 0 ? 0 : 1;
}
