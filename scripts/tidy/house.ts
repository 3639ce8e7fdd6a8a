/**
 * House rules that hold in every file (house §9, §10): size, words, headers, no barrels, nothing left for later.
 */
import ts from 'typescript';
import { lineOf, type Problem, type Source, walk } from './source.ts';

const linesMax = 300;
const columnsMax = 140;
const bannedWords: readonly string[] = ['manager', 'handler', 'helper', 'util', 'utils'];
/** Spelled in two halves, so that this file does not trip over itself. */
const unfinished = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX'].join('|')})\\b`);

/** Checks every file; the rules about size, header, barrels and `any` are for `src/` alone, and tests may hold long golden lines. */
export function checkHouse(sources: readonly Source[]): readonly Problem[] {
  return sources.flatMap((source) => [
    ...checkText(source),
    ...checkWords(source),
    ...(source.path.startsWith('src/') ? checkShape(source) : []),
  ]);
}

function checkText(source: Source): readonly Problem[] {
  const problems: Problem[] = [];
  source.text.split('\n').forEach((text, i) => {
    const add = (reason: string): void => void problems.push({ file: source.path, line: i + 1, reason });
    if (text.length > columnsMax && !source.path.startsWith('test/'))
      add(`line of ${text.length} columns (at most ${columnsMax})`);
    const word = unfinished.exec(text)?.[1];
    if (word !== undefined) add(`${word}: nothing is left for later in main`);
  });
  return problems;
}

function checkShape(source: Source): readonly Problem[] {
  const problems: Problem[] = [];
  const add = (line: number, reason: string): void => void problems.push({ file: source.path, line, reason });
  const lines = source.text.trimEnd().split('\n').length;
  if (lines > linesMax) add(linesMax + 1, `${lines} lines (at most ${linesMax}): two jobs in one file?`);
  if (!/^(#!.*\n)?\/\*\*/.test(source.text)) add(1, 'no header comment saying what the file owns');
  const reexports = source.tree.statements.filter((s) => ts.isExportDeclaration(s) && s.moduleSpecifier !== undefined);
  for (const statement of reexports) {
    const star = ts.isExportDeclaration(statement) && statement.exportClause === undefined;
    if (star) add(lineOf(source, statement), 'export *: import from where it is');
  }
  if (reexports.length > 0 && reexports.length === source.tree.statements.length)
    add(1, 'barrel file: import from where it is');
  if (/(^|\/)index\.ts$/.test(source.path)) add(1, 'index.ts: name the file after what it owns');
  walk(source.tree, (node) => {
    if (node.kind === ts.SyntaxKind.AnyKeyword) add(lineOf(source, node), 'any');
  });
  return problems;
}

/** File names and declared top-level names. Names of other people's APIs that we merely use are not ours to choose. */
function checkWords(source: Source): readonly Problem[] {
  const problems: Problem[] = [];
  const name = source.path.split('/').at(-1) ?? '';
  for (const word of wordsOf(name.replace(/(\.test)?\.ts$/, ''))) {
    if (bannedWords.includes(word))
      problems.push({ file: source.path, line: 1, reason: `file name says "${word}" (house §9)` });
  }
  for (const statement of source.tree.statements) {
    for (const declared of declaredNames(statement)) {
      const banned = wordsOf(declared.text).find((word) => bannedWords.includes(word));
      if (banned === undefined) continue;
      problems.push({
        file: source.path,
        line: lineOf(source, declared),
        reason: `${declared.text} says "${banned}" (house §9)`,
      });
    }
  }
  return problems;
}

function declaredNames(statement: ts.Statement): readonly ts.Identifier[] {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.map((d) => d.name).filter(ts.isIdentifier);
  }
  const named =
    ts.isFunctionDeclaration(statement) ||
    ts.isClassDeclaration(statement) ||
    ts.isInterfaceDeclaration(statement) ||
    ts.isTypeAliasDeclaration(statement);
  return named && statement.name !== undefined ? [statement.name] : [];
}

function wordsOf(name: string): readonly string[] {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/);
}
