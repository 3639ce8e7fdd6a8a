/**
 * The page of the wire against the wire: every method that `proto/` declares has one row in `docs/WIRE.md`, and a row names a method
 * that is declared. What the row says of it is a matter for `test/rpc/wire-page.test.ts`.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Problem } from './source.ts';

const page = 'docs/WIRE.md';
/** `package.Service/Method` in the first cell of a row. */
const rowPattern = /^\| `([\w.]+\/\w+)` \|/;

/** Says nothing of a tree without `proto/`. */
export function checkWirePage(root: string): readonly Problem[] {
  const declared = declaredMethods(join(root, 'proto'));
  if (declared.size === 0) return [];
  if (!existsSync(join(root, page))) return [{ file: page, line: 1, reason: 'is missing' }];
  const problems: Problem[] = [];
  const seen = new Set<string>();
  readFileSync(join(root, page), 'utf8')
    .split('\n')
    .forEach((text, at) => {
      const name = rowPattern.exec(text)?.[1];
      if (name === undefined) return;
      const line = at + 1;
      if (seen.has(name)) problems.push({ file: page, line, reason: `${name} listed twice` });
      if (!declared.has(name)) problems.push({ file: page, line, reason: `${name} is not declared in proto/` });
      seen.add(name);
    });
  for (const name of declared) {
    if (!seen.has(name)) problems.push({ file: page, line: 1, reason: `${name} has no row` });
  }
  return problems;
}

/** Read as text: a package, then services, then methods, as our files are written. */
function declaredMethods(folder: string): ReadonlySet<string> {
  const found = new Set<string>();
  if (!existsSync(folder)) return found;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.name.endsWith('.proto')) continue;
    const text = readFileSync(join(entry.parentPath, entry.name), 'utf8');
    let space = '';
    let service = '';
    for (const [, packageName, serviceName, method] of text.matchAll(
      /^package ([\w.]+);|^service (\w+)|^ *rpc (\w+)\(/gm,
    )) {
      if (packageName !== undefined) space = packageName;
      else if (serviceName !== undefined) service = serviceName;
      else found.add(`${space}.${service}/${method}`);
    }
  }
  return found;
}
