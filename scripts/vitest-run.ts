/**
 * Runs vitest as a child with our reporter and brings its counts home. A run that breaks without a failed test (a worker
 * that dies, a configuration that does not load) counts as a failure: nothing may look green that was not run.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, runStep } from './steps.ts';

/** How many tests ended how. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** The environment variable that tells the reporter where to leave its counts. */
export const countsVariable = 'VITEST_COUNTS_FILE';

/** Runs all tests, or those in files whose path contains one of `filters`; output goes to stdout as it comes. */
export async function runTests(filters: readonly string[]): Promise<Counts> {
  const dir = mkdtempSync(join(tmpdir(), 'leasehold-test-'));
  const countsPath = join(dir, 'counts.json');
  try {
    const args = [
      join(root, 'node_modules/vitest/vitest.mjs'),
      'run',
      `--reporter=${join(root, 'scripts/reporter.ts')}`,
      ...filters,
    ];
    const result = await runStep({ name: 'tests', args }, true, { ...process.env, [countsVariable]: countsPath });
    return settle(readCounts(countsPath), result.ok);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** What the counts mean given vitest's own verdict: a bad exit without a failed test is one failure; so is a run of nothing. */
export function settle(counts: Counts | undefined, exitedWell: boolean): Counts {
  if (counts === undefined) return { passed: 0, failed: 1, skipped: 0 };
  if (counts.failed === 0 && (!exitedWell || counts.passed === 0)) return { ...counts, failed: 1 };
  return counts;
}

/** The last line of `npm test`. */
export function summaryLine(counts: Counts): string {
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
  return `${counts.passed} passed, ${counts.failed} failed${skipped}`;
}

function readCounts(path: string): Counts | undefined {
  try {
    const read: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof read !== 'object' || read === null) return undefined;
    const { passed, failed, skipped } = read as Record<string, unknown>;
    if (typeof passed !== 'number' || typeof failed !== 'number' || typeof skipped !== 'number') return undefined;
    return { passed, failed, skipped };
  } catch {
    return undefined;
  }
}
