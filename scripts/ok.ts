/**
 * `npm run ok`: the one gate. It never writes (that is `npm run fix`) and runs everything a commit must pass: format and
 * lint, tidy (dependency rule, purity line, house rules), types, dead code, tests.
 */
import { runStaticSteps, stepLine } from './steps.ts';
import { runTests, summaryLine } from './vitest-run.ts';

const help = `npm run ok [-- --quick] [-- filter…]
  the gate: format and lint, tidy, types, dead code, tests. Writes nothing; exit 1 if a step fails.
  --quick   without the tests
  filter…   only tests in files whose path contains one of these`;

const args = process.argv.slice(2);
if (args.includes('--help')) {
  process.stdout.write(`${help}\n`);
} else {
  const unknown = args.find((arg) => arg.startsWith('-') && arg !== '--quick');
  if (unknown !== undefined) {
    process.stderr.write(`ok: unknown flag ${unknown}; see --help\n`);
    process.exitCode = 2;
  } else {
    process.exitCode = await gate(args);
  }
}

async function gate(flags: readonly string[]): Promise<number> {
  const failed = [...(await runStaticSteps())];
  if (!flags.includes('--quick')) {
    const began = performance.now();
    const counts = await runTests(flags);
    if (counts.failed > 0) failed.push('tests');
    process.stdout.write(
      `${stepLine(counts.failed === 0, 'tests', (performance.now() - began) / 1000)}  ${summaryLine(counts)}\n`,
    );
  }
  process.stdout.write(failed.length === 0 ? 'ok: all steps passed\n' : `ok: FAILED: ${failed.join(', ')}\n`);
  return failed.length === 0 ? 0 : 1;
}
