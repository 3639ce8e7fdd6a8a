/**
 * Invariants by id (house §10.5). `docs/INVARIANTS.md` is a table: id, sentence, where asserted, where tested. Every id that a
 * header or an assert in `src/` names must be a row, and every file a row names must exist.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { lineOf, type Problem, type Source, walk } from './source.ts';

const page = 'docs/INVARIANTS.md';

/** R raft, L leases, F locks, K keys, W watch, D determinism, S storage, V liveness. */
const idPattern = /\b[RLFKWDSV]\d{1,2}\b/g;
/** Looks like an id, is an engine. */
const notIds: readonly string[] = ['V8'];

interface Row {
  readonly id: string;
  readonly line: number;
  readonly asserted: readonly string[];
  readonly tested: readonly string[];
}

/** Checks ids used in `src/` against the page, and the page against the tree. */
export function checkInvariants(root: string, sources: readonly Source[]): readonly Problem[] {
  const path = join(root, page);
  if (!existsSync(path)) return [{ file: page, line: 1, reason: 'is missing' }];
  const rows = readRows(readFileSync(path, 'utf8'));
  const known = new Set(rows.map((row) => row.id));
  const problems: Problem[] = [];
  for (const row of rows) problems.push(...checkRow(root, row, rows));
  for (const source of sources.filter((one) => one.path.startsWith('src/'))) {
    for (const use of usesOf(source)) {
      if (!known.has(use.id))
        problems.push({ file: source.path, line: use.line, reason: `${use.id} is not in ${page}` });
    }
  }
  return problems;
}

function checkRow(root: string, row: Row, rows: readonly Row[]): readonly Problem[] {
  const problems: Problem[] = [];
  const add = (reason: string): void =>
    void problems.push({ file: page, line: row.line, reason: `${row.id}: ${reason}` });
  if (rows.find((other) => other.id === row.id) !== row) add('listed twice');
  if (row.tested.length === 0) add('names no test');
  for (const file of row.tested) {
    if (!file.startsWith('test/')) add(`${file} is no test`);
    else if (!existsSync(join(root, file))) add(`test ${file} does not exist`);
  }
  for (const file of row.asserted) if (!existsSync(join(root, file))) add(`${file} does not exist`);
  return problems;
}

/** The table's rows; paths are what stands in backticks and has a slash. */
function readRows(text: string): readonly Row[] {
  const rows: Row[] = [];
  text.split('\n').forEach((line, i) => {
    const cells = line.split('|').map((cell) => cell.trim());
    const id = cells[1] ?? '';
    if (!line.startsWith('|') || !/^[RLFKWDSV]\d{1,2}$/.test(id)) return;
    rows.push({ id, line: i + 1, asserted: pathsIn(cells[3] ?? ''), tested: pathsIn(cells[4] ?? '') });
  });
  return rows;
}

function pathsIn(cell: string): readonly string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '').filter((path) => path.includes('/'));
}

/** Ids in the header comment, and at the start of an assert's sentence. */
function usesOf(source: Source): readonly { readonly id: string; readonly line: number }[] {
  const uses: { id: string; line: number }[] = [];
  const header = ts.getLeadingCommentRanges(
    source.text,
    source.text.startsWith('#!') ? source.text.indexOf('\n') : 0,
  )?.[0];
  if (header !== undefined) {
    const before = source.text.slice(0, header.pos).split('\n').length;
    source.text
      .slice(header.pos, header.end)
      .split('\n')
      .forEach((line, i) => {
        for (const [id] of line.matchAll(idPattern)) if (!notIds.includes(id)) uses.push({ id, line: before + i });
      });
  }
  walk(source.tree, (node) => {
    if (!ts.isCallExpression(node) || node.expression.getText(source.tree) !== 'assert') return;
    const why = node.arguments[1];
    if (why === undefined || !ts.isStringLiteralLike(why)) return;
    const id = /^([RLFKWDSV]\d{1,2})\b/.exec(why.text)?.[1];
    if (id !== undefined) uses.push({ id, line: lineOf(source, node) });
  });
  return uses;
}
