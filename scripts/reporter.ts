/**
 * Our vitest reporter: a line per test file, every failure in full, every skipped test with its reason. It leaves its counts
 * for `scripts/test.ts`, which prints the last line. Under plain `vitest --reporter` it just prints.
 */
import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { Reporter, SerializedError, TestCase, TestModule } from 'vitest/node';
import { root } from './steps.ts';
import { countsVariable } from './vitest-run.ts';

// biome-ignore lint/style/noDefaultExport: vitest loads a reporter by its default export.
export default class LineReporter implements Reporter {
  #passed = 0;
  #failed = 0;
  #skipped = 0;

  onTestModuleEnd(module: TestModule): void {
    const path = relative(root, module.moduleId);
    const failures: string[] = [];
    const skips: string[] = [];
    let passed = 0;
    for (const error of module.errors()) failures.push(`${path}\n${errorText(error)}`);
    for (const suite of module.children.allSuites()) {
      for (const error of suite.errors()) failures.push(`${path} > ${suite.fullName}\n${errorText(error)}`);
    }
    for (const test of module.children.allTests()) {
      const result = test.result();
      if (result.state === 'passed') passed++;
      else if (result.state === 'failed')
        failures.push(`${path} > ${test.fullName}\n${result.errors.map(errorText).join('\n')}`);
      else skips.push(`${path} > ${test.fullName}: ${skipReason(test)}`);
    }
    this.#passed += passed;
    this.#failed += failures.length;
    this.#skipped += skips.length;
    const seconds = (module.diagnostic().duration / 1000).toFixed(1).padStart(6);
    const word = failures.length > 0 ? 'FAIL' : 'ok  ';
    process.stdout.write(`${word} ${path.padEnd(46)} ${String(passed).padStart(4)} ${seconds} s\n`);
    for (const skip of skips) process.stdout.write(`     skipped ${skip}\n`);
    for (const failure of failures) process.stdout.write(`     FAILED ${failure}\n`);
  }

  onTestRunEnd(_modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    this.#failed += unhandled.length;
    for (const error of unhandled) process.stdout.write(`FAIL outside any test\n${errorText(error)}\n`);
    const path = process.env[countsVariable];
    if (path === undefined) return;
    writeFileSync(path, JSON.stringify({ passed: this.#passed, failed: this.#failed, skipped: this.#skipped }));
  }
}

function skipReason(test: TestCase): string {
  const result = test.result();
  const note = result.state === 'skipped' ? result.note : undefined;
  return note ?? (test.options.mode === 'todo' ? 'not written yet' : 'no reason given (say it with ctx.skip("why"))');
}

function errorText(error: SerializedError): string {
  const stack = (error.stack ?? error.message ?? String(error))
    .split('\n')
    .filter((line) => !/^\s+at .*(node_modules|new Promise|node:internal)/.test(line));
  const diff = typeof error['diff'] === 'string' ? ['', ...error['diff'].split('\n')] : [];
  return [...stack, ...diff].map((line) => `       ${plain(line)}`.trimEnd()).join('\n');
}

/** Without the colours vitest puts into diffs: our output is read by people and machines alike. */
function plain(line: string): string {
  const colour = String.fromCharCode(27);
  return line.replaceAll(new RegExp(`${colour}\\[[0-9;]*m`, 'g'), '');
}
