/** Each rule of `scripts/tidy` refuses the small bad thing it is for, and lets the good one beside it pass. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { tidy } from '../../scripts/tidy.ts';

const header = '/** What it owns. */\n';
const dirs: string[] = [];
afterEach(() => {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true });
});

/** Writes a tree and returns what tidy says of it, as `file:line reason`. An empty page of invariants is added. */
function complaints(files: Readonly<Record<string, string>>): readonly string[] {
  const root = mkdtempSync(join(tmpdir(), 'tidy-'));
  dirs.push(root);
  for (const [path, text] of Object.entries({ 'docs/INVARIANTS.md': '# none\n', ...files })) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return tidy(root).map((problem) => `${problem.file}:${problem.line} ${problem.reason}`);
}

/** The same for one file of the core. */
const inCore = (code: string): readonly string[] => complaints({ 'src/raft/log.ts': header + code });

describe('the purity line', () => {
  it.each([
    ["import { readFileSync } from 'node:fs';", 'a Node module (node:fs)'],
    ["import { pack } from 'msgpackr';", 'a package (msgpackr)'],
    ['export async function f() {}', 'async'],
    ['export const f = async () => 1;', 'async'],
    ['export async function f() { await 1; }', 'await'],
    ['export async function f(x: AsyncIterable<1>) { for await (const y of x) y; }', 'await'],
    ['export type T = Promise<number>;', 'Promise'],
    ['export const later = () => setTimeout(() => 1, 2);', 'setTimeout'],
    ['export const soon = () => setImmediate(() => 1);', 'setImmediate'],
    ['export const soon = () => queueMicrotask(() => 1);', 'queueMicrotask'],
    ['export const now = () => Date.now();', 'Date'],
    ['export const now = () => performance.now();', 'performance'],
    ['export const chance = () => Math.random();', 'Math.random'],
    ['export const pid = () => process.pid;', 'process'],
    ["export const say = () => console.log('x');", 'console'],
    ['export const all = () => globalThis;', 'globalThis'],
    ["export const load = () => import('./x.ts');", 'import()'],
    ['let count = 0;\nexport const next = () => ++count;', 'module-level let'],
    ['export const seen = new Map<string, number>();', 'module-level mutable state'],
    ['export const seen = new Set<string>();', 'module-level mutable state'],
    ['export const list = [1, 2];', 'module-level mutable state'],
    ['export const table = { a: 1 };', 'module-level mutable state'],
    ['export const table: Record<string, number> = {};', 'module-level mutable state'],
    ['export class A { static count = 0; }', 'a static field'],
  ])('refuses %s', (code, reason) => {
    const found = inCore(code);
    expect(
      found.some((line) => line.includes(reason) && line.startsWith('src/raft/log.ts:')),
      found.join('\n'),
    ).toBe(true);
  });

  it.each([
    'export const list: readonly number[] = [1, 2];',
    'export const seen: ReadonlySet<string> = new Set();',
    'export const table = { a: 1 } as const;',
    'export const empty = new Uint8Array(0);',
    'export interface Row { readonly process: string; readonly Date: number }',
    'export const pid = (x: { process: number }) => x.process;',
    'export class A { static readonly size = 1; #count = 0; next() { return ++this.#count; } }',
    "export const text = 'setTimeout Promise Date';",
  ])('lets pass: %s', (code) => {
    expect(inCore(code)).toEqual([]);
  });

  it('names the line', () => {
    expect(inCore('\nexport const now = () => Date.now();')).toEqual([
      'src/raft/log.ts:3 Date (no clock), inside the purity line',
    ]);
  });

  it('holds for the core only, and lets one file have crc32', () => {
    expect(
      complaints({
        'src/disk/fs-wal.ts': `${header}import { open } from 'node:fs/promises';\nexport const f = async () => open('x');\n`,
        'src/state/codec.ts': `${header}import { TupleWriter } from './codec-writer.ts';\nexport const writer = new TupleWriter();\n`,
        'src/state/codec-writer.ts': `${header}export class TupleWriter {}\n`,
        'src/base/crc.ts': `${header}import { crc32 } from 'node:zlib';\nexport const crc = crc32;\n`,
      }),
    ).toEqual([]);
  });
});

describe('layers', () => {
  const value = `${header}export const x = 1;\nexport type X = number;\n`;
  it('refuses an upward import and one between rooms that do not know each other', () => {
    const found = complaints({
      'src/state/lease.ts': value,
      'src/node/node.ts': value,
      'src/raft/a.ts': `${header}import { x } from '../state/lease.ts';\nexport const a = x;\n`,
      'src/store/b.ts': `${header}import { x } from '../node/node.ts';\nexport const b = x;\n`,
    });
    expect(found).toEqual([
      'src/raft/a.ts:2 raft must not import from state (src/state/lease.ts)',
      'src/store/b.ts:2 store must not import from node (src/node/node.ts)',
    ]);
  });

  it('lets watch have types of state, not its code', () => {
    const found = complaints({
      'src/state/lease.ts': value,
      'src/watch/a.ts': `${header}import type { X } from '../state/lease.ts';\nexport type A = X;\n`,
      'src/watch/b.ts': `${header}import { x } from '../state/lease.ts';\nexport const b = x;\n`,
    });
    expect(found).toEqual(['src/watch/b.ts:2 watch may import only types from state (src/state/lease.ts)']);
  });

  it('lets the testing of the client have the server, and the client not have its testing', () => {
    const found = complaints({
      'src/client/a.ts': value,
      'src/client/b.ts': `${header}import { x } from './testing/c.ts';\nexport const b = x;\n`,
      'src/client/testing/c.ts': `${header}import { x } from '../../node/n.ts';\nexport const c = x;\n`,
      'src/client/testing/d.ts': `${header}import { x } from '../a.ts';\nexport const d = x;\n`,
      'src/node/n.ts': value,
    });
    expect(found).toEqual(['src/client/b.ts:2 client must not import from client/testing (src/client/testing/c.ts)']);
  });

  it('examples import what their readers can have', () => {
    const found = complaints({
      'examples/good.ts': `${header}import { Client } from 'leasehold/client';\nexport const c = Client;\n`,
      'examples/near.ts': `${header}import { x } from '../src/client/client.ts';\nexport const c = x;\n`,
      'examples/far.ts': `${header}import { x } from 'lodash';\nexport const c = x;\n`,
    });
    const reason = 'examples import leasehold/client, @grpc/grpc-js and Node, not';
    expect(found).toEqual([
      `examples/far.ts:2 ${reason} lodash`,
      `examples/near.ts:2 ${reason} ../src/client/client.ts`,
    ]);
  });

  it('refuses unknown rooms, missing extensions and bare Node modules', () => {
    const found = complaints({
      'src/attic/x.ts': value,
      'src/base/a.ts': value,
      'src/base/b.ts': `${header}import { x } from './a';\nexport const b = x;\n`,
      'src/ops/c.ts': `${header}import { join } from 'path';\nexport const c = join;\n`,
    });
    expect(found).toEqual([
      'src/attic/x.ts:1 folder is not in the table of scripts/tidy/layers.ts',
      'src/base/b.ts:2 imports ./a without its .ts extension',
      'src/ops/c.ts:2 Node modules are imported as node:path',
    ]);
  });

  it('finds circles, through types as well', () => {
    const found = complaints({
      'src/base/a.ts': `${header}import { b } from './b.ts';\nexport const a = b;\n`,
      'src/base/b.ts': `${header}import type { C } from './c.ts';\nexport const b = 1 as C;\n`,
      'src/base/c.ts': `${header}import { a } from './a.ts';\nexport type C = typeof a;\n`,
    });
    expect(found).toEqual([
      'src/base/c.ts:2 import circle: src/base/a.ts → src/base/b.ts → src/base/c.ts → src/base/a.ts',
    ]);
  });
});

describe('house rules', () => {
  it('refuses long files, long lines, unfinished work and any', () => {
    const found = complaints({
      'src/base/long.ts': header + 'export {};\n'.repeat(300),
      'src/base/wide.ts': `${header}// ${'x'.repeat(138)}\nexport {};\n`,
      'src/base/later.ts': `${header}// ${'TO'}${'DO'}: think\nexport {};\n`,
      'src/base/loose.ts': `${header}export const f = (x: any) => x;\n`,
    });
    expect(found.map((line) => line.replace(/:/, ' ').split(' ').slice(0, 3).join(' '))).toEqual([
      `src/base/later.ts 2 ${'TO'}${'DO'}:`,
      'src/base/long.ts 301 301',
      'src/base/loose.ts 2 any',
      'src/base/wide.ts 2 line',
    ]);
  });

  it('refuses missing headers, barrels and star exports', () => {
    const found = complaints({
      'src/base/a.ts': 'export const a = 1;\n',
      'src/base/b.ts': `${header}export { a } from './a.ts';\n`,
      'src/base/c.ts': `${header}export * from './a.ts';\nexport const c = 1;\n`,
      'src/base/index.ts': `${header}export const i = 1;\n`,
      'src/bin/run.ts': `#!/usr/bin/env node\n${header}export const r = 1;\n`,
    });
    expect(found).toEqual([
      'src/base/a.ts:1 no header comment saying what the file owns',
      'src/base/b.ts:1 barrel file: import from where it is',
      'src/base/c.ts:2 export *: import from where it is',
      'src/base/index.ts:1 index.ts: name the file after what it owns',
    ]);
  });

  it('refuses words the house does not use, in file names and declared names', () => {
    const found = complaints({
      'src/base/lease-manager.ts': `${header}export class LeaseManager {}\n`,
      'src/base/utility.ts': `${header}export const stringUtils = 1;\nexport const unhandled = 2;\n`,
    });
    expect(found).toEqual([
      'src/base/lease-manager.ts:1 file name says "manager" (house §9)',
      'src/base/lease-manager.ts:2 LeaseManager says "manager" (house §9)',
      'src/base/utility.ts:2 stringUtils says "utils" (house §9)',
    ]);
  });
});

describe('invariants', () => {
  const page = (rows: string): string =>
    `# Invariants\n\n| id | sentence | asserted | tested |\n|---|---|---|---|\n${rows}`;
  it('wants every id that src names on the page', () => {
    const found = complaints({
      'docs/INVARIANTS.md': page('| R1 | one leader | `src/raft/log.ts` | `test/raft/log.test.ts` |\n'),
      'src/raft/log.ts':
        "/** Keeps R1 and R2; V8 is an engine. */\nassert(true, 'R9: next > match');\nassert(true, 'R1: yes');\n",
      'test/raft/log.test.ts': header,
    });
    expect(found).toEqual([
      'src/raft/log.ts:1 R2 is not in docs/INVARIANTS.md',
      'src/raft/log.ts:2 R9 is not in docs/INVARIANTS.md',
    ]);
  });

  it('wants every row to name a test that exists', () => {
    const found = complaints({
      'docs/INVARIANTS.md': page(
        '| R1 | a | `src/raft/log.ts` | |\n| R2 | b | | `test/gone.test.ts` |\n| R2 | c | `src/gone.ts` | `src/raft/log.ts` |\n',
      ),
      'src/raft/log.ts': header,
    });
    expect(found).toEqual([
      'docs/INVARIANTS.md:5 R1: names no test',
      'docs/INVARIANTS.md:6 R2: test test/gone.test.ts does not exist',
      'docs/INVARIANTS.md:7 R2: listed twice',
      'docs/INVARIANTS.md:7 R2: src/raft/log.ts is no test',
      'docs/INVARIANTS.md:7 R2: src/gone.ts does not exist',
    ]);
  });

  it('wants the page', () => {
    const root = mkdtempSync(join(tmpdir(), 'tidy-'));
    dirs.push(root);
    expect(tidy(root)).toEqual([{ file: 'docs/INVARIANTS.md', line: 1, reason: 'is missing' }]);
  });
});

describe('the page of the wire', () => {
  const proto = `package a.b;\n\nservice S {\n  rpc M(stream Q) returns (P) {\n    option (x) = { y: 1 };\n  }\n  rpc N(Q) returns (P);\n}\n`;
  const row = (name: string): string => `| \`${name}\` | - | same | |\n`;

  it('has one row for each method, and no other', () => {
    const files = { 'proto/a/b.proto': proto };
    expect(complaints(files)).toEqual(['docs/WIRE.md:1 is missing']);
    expect(complaints({ ...files, 'docs/WIRE.md': row('a.b.S/M') + row('a.b.S/N') })).toEqual([]);
    const page = row('a.b.S/M') + row('a.b.S/M') + row('a.b.S/O');
    expect([...complaints({ ...files, 'docs/WIRE.md': page })].sort()).toEqual([
      'docs/WIRE.md:1 a.b.S/N has no row',
      'docs/WIRE.md:2 a.b.S/M listed twice',
      'docs/WIRE.md:3 a.b.S/O is not declared in proto/',
    ]);
  });
});
