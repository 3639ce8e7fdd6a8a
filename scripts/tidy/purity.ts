/**
 * The purity line (house §6): inside it code is synchronous, asks no clock and no chance, and keeps no state at module level.
 * What it bans it bans by name: a local variable called `process` is refused too, which costs nobody anything.
 */
import ts from 'typescript';
import { isPure } from './layers.ts';
import { lineOf, type Problem, type Source, walk } from './source.ts';

const bannedNames: ReadonlyMap<string, string> = new Map(
  Object.entries({
    Promise: 'the core is synchronous',
    setTimeout: 'no timers',
    setInterval: 'no timers',
    setImmediate: 'no timers',
    clearTimeout: 'no timers',
    clearInterval: 'no timers',
    clearImmediate: 'no timers',
    queueMicrotask: 'no timers',
    Date: 'no clock',
    performance: 'no clock',
    process: 'no process',
    console: 'no output',
    fetch: 'no I/O',
    crypto: 'no chance',
    globalThis: 'no globals',
    require: 'no dynamic loading',
  }),
);

/** Checks every file inside the purity line. */
export function checkPurity(sources: readonly Source[]): readonly Problem[] {
  return sources.filter((source) => isPure(source.path)).flatMap(checkFile);
}

function checkFile(source: Source): readonly Problem[] {
  const problems: Problem[] = [];
  const add = (node: ts.Node, reason: string): void => {
    problems.push({ file: source.path, line: lineOf(source, node), reason: `${reason}, inside the purity line` });
  };
  walk(source.tree, (node) => {
    if (node.kind === ts.SyntaxKind.AsyncKeyword) add(node, 'async');
    else if (ts.isAwaitExpression(node) || node.kind === ts.SyntaxKind.AwaitKeyword) add(node, 'await');
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node, 'import()');
    else if (ts.isPropertyAccessExpression(node) && node.getText(source.tree) === 'Math.random')
      add(node, 'Math.random');
    else if (ts.isIdentifier(node) && isFreeName(node)) {
      const why = bannedNames.get(node.text);
      if (why !== undefined) add(node, `${node.text} (${why})`);
    } else if (ts.isPropertyDeclaration(node) && isMutableStatic(node))
      add(node, 'a static field that is not readonly');
  });
  for (const statement of source.tree.statements) {
    if (ts.isVariableStatement(statement)) checkTopLevel(source, statement, add);
  }
  return problems;
}

/** Not the name of a member: `record.process` and `{ process: 1 }` are no business of ours. */
function isFreeName(node: ts.Identifier): boolean {
  const parent = node.parent;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
  if (ts.isQualifiedName(parent)) return parent.left === node;
  const isMember =
    ts.isPropertyAssignment(parent) ||
    ts.isPropertySignature(parent) ||
    ts.isPropertyDeclaration(parent) ||
    ts.isMethodDeclaration(parent) ||
    ts.isMethodSignature(parent) ||
    ts.isGetAccessor(parent) ||
    ts.isSetAccessor(parent);
  return !(isMember && parent.name === node);
}

function isMutableStatic(node: ts.PropertyDeclaration): boolean {
  const kinds = (node.modifiers ?? []).map((modifier) => modifier.kind);
  return kinds.includes(ts.SyntaxKind.StaticKeyword) && !kinds.includes(ts.SyntaxKind.ReadonlyKeyword);
}

function checkTopLevel(
  source: Source,
  statement: ts.VariableStatement,
  add: (node: ts.Node, reason: string) => void,
): void {
  if ((statement.modifiers ?? []).some((modifier) => modifier.kind === ts.SyntaxKind.DeclareKeyword)) return;
  if ((statement.declarationList.flags & ts.NodeFlags.Const) === 0) {
    add(statement, 'a module-level let or var');
    return;
  }
  for (const declaration of statement.declarationList.declarations) {
    const reason = mutableReason(source, declaration);
    if (reason !== undefined) add(declaration, `${reason} is module-level mutable state`);
  }
}

/** Collections and objects at module level must be typed or frozen so that nobody can change them. */
function mutableReason(source: Source, declaration: ts.VariableDeclaration): string | undefined {
  const value = declaration.initializer;
  if (value === undefined || isReadonlyType(declaration.type, source)) return undefined;
  if (ts.isNewExpression(value)) {
    const text = value.getText(source.tree);
    if (text === 'new Uint8Array(0)') return undefined;
    const coder = /^new TupleWriter\b/.test(text) && /codec[^/]*\.ts$/.test(source.path);
    return coder ? undefined : `new ${value.expression.getText(source.tree)}(…) without a readonly type`;
  }
  if (ts.isArrayLiteralExpression(value)) return 'an array without a readonly type';
  if (ts.isObjectLiteralExpression(value)) {
    const named =
      declaration.type !== undefined && !/^(Record|Map|Set|Array)</.test(declaration.type.getText(source.tree));
    return named ? undefined : 'an object without a readonly type';
  }
  return undefined;
}

function isReadonlyType(type: ts.TypeNode | undefined, source: Source): boolean {
  if (type === undefined) return false;
  const text = type.getText(source.tree);
  return /^(readonly\b|Readonly<|Readonly(Map|Set|Array)<)/.test(text);
}
