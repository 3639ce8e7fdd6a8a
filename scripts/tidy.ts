/**
 * The rules of the house that a compiler does not know: who may import whom, the purity line, circles, sizes, words, invariants that
 * name their tests, and a page that names every method. Prints `file:line reason` for each break; exit 1 if there is any. Never
 * writes.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkHouse } from './tidy/house.ts';
import { checkInvariants } from './tidy/invariants.ts';
import { checkCycles, checkExamples, checkLayers } from './tidy/layers.ts';
import { checkPurity } from './tidy/purity.ts';
import { type Problem, readSources } from './tidy/source.ts';
import { checkWirePage } from './tidy/wire.ts';

/** Every broken rule of the tree at `root`, sorted by place. */
export function tidy(root: string): readonly Problem[] {
  const sources = readSources(root, ['src', 'test', 'scripts', 'examples']);
  const problems = [
    ...checkLayers(sources),
    ...checkCycles(sources.filter((source) => source.path.startsWith('src/'))),
    ...checkExamples(sources),
    ...checkPurity(sources),
    ...checkHouse(sources),
    ...checkInvariants(root, sources),
    ...checkWirePage(root),
  ];
  return problems.sort((a, b) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1));
}

const self = fileURLToPath(import.meta.url);
if (process.argv[1] === self) {
  const args = process.argv.slice(2);
  if (args.includes('--help')) {
    process.stdout.write(
      'node --import tsx scripts/tidy.ts [root]\n  checks the house rules; prints file:line reason\n',
    );
  } else {
    const problems = tidy(args[0] ?? join(self, '../..'));
    for (const problem of problems) process.stdout.write(`${problem.file}:${problem.line} ${problem.reason}\n`);
    process.stdout.write(problems.length === 0 ? 'tidy: nothing to say\n' : `tidy: ${problems.length} broken rules\n`);
    process.exitCode = problems.length === 0 ? 0 : 1;
  }
}
