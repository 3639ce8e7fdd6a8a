/**
 * The pages for users against the library: every example of `docs/CLIENT.md` and `README.md` compiles as a file of its
 * own, and those of the guide are run on a test cluster, where they print what the page says (`// prints …`). Those
 * marked `no-run` need what a test has not: certificates, a service.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, test } from 'vitest';
import * as library from '../../src/client/client.ts';
import * as testing from '../../src/client/testing/test-cluster.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

interface Example {
  readonly name: string;
  readonly code: string;
  readonly runs: boolean;
}

/** Named by the heading they stand under. */
function examplesOf(path: string): readonly Example[] {
  let name = '';
  const found: Example[] = [];
  const text = readFileSync(`${root}${path}`, 'utf8');
  for (const [, title, noRun, code] of text.matchAll(/^## (.+)$|^```ts( no-run)?\n([\s\S]*?)^```$/gm)) {
    if (title !== undefined) name = title;
    else found.push({ name, code: code ?? '', runs: noRun === undefined });
  }
  return found;
}

const examples = examplesOf('docs/CLIENT.md');

/** What examples find around them. */
const around = `import type { Client as AnyClient } from 'leasehold/client';
declare global {
  const client: AnyClient;
  const signal: AbortSignal;
  const log: { info(text: string | undefined): void; warn(text: string): void };
  const db: { query(sql: string, values: readonly unknown[]): Promise<void> };
  function doWork(options: { readonly signal: AbortSignal }): Promise<void>;
  function runScheduler(options: { readonly signal: AbortSignal; readonly fence: bigint }): Promise<void>;
}
`;

test('every example compiles', () => {
  const { config } = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: ['a.ts'] }, ts.sys, root);
  const all = [...examples, ...examplesOf('README.md')];
  const sources = new Map(all.map(({ code }, i) => [`${root}example-${i}.ts`, `${code}\nexport {};\n`]));
  sources.set(`${root}around.ts`, around);
  const strict = { ...options, incremental: false, noUnusedLocals: false };
  const host = ts.createCompilerHost(strict);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (path) => sources.has(path) || fileExists(path);
  host.readFile = (path) => sources.get(path) ?? readFile(path);
  host.getSourceFile = (path, ...how) => {
    const text = sources.get(path);
    return text === undefined ? getSourceFile(path, ...how) : ts.createSourceFile(path, text, how[0]);
  };
  const program = ts.createProgram({ rootNames: [...sources.keys()], options: strict, host });
  const problems = [...sources.keys()].flatMap((path) => {
    const source = program.getSourceFile(path);
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
  });
  const format = {
    getCanonicalFileName: (path: string) => path,
    getCurrentDirectory: () => root,
    getNewLine: () => '\n',
  };
  expect(ts.formatDiagnostics(problems, format)).toBe('');
});

const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.CommonJS };
const require = createRequire(import.meta.url);
const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor as new (
  ...source: string[]
) => (...values: unknown[]) => Promise<void>;

/** What the page says that it prints, in order. */
function promised(code: string): readonly string[] {
  return [...code.matchAll(/\/\/ prints (.*)$/gm)].map(([, text]) => text ?? '');
}

test.each(examples.filter(({ runs }) => runs))('runs as the page says: $name', async ({ code }) => {
  await using cluster = await testing.TestCluster.start();
  const { connect, clock } = cluster.process();
  /** Members are found in the process, whatever the example names. */
  class Client extends library.Client {
    constructor(options: library.ClientOptions) {
      super({ ...options, endpoints: cluster.endpoints, connect, clock });
    }
  }
  const modules: Readonly<Record<string, unknown>> = {
    'leasehold/client': { ...library, Client },
    'leasehold/client/testing': testing,
  };
  const printed: (string | undefined)[] = [];
  const stop = new AbortController();
  const pass = async (): Promise<void> => {};
  const values = {
    require: (name: string): unknown => modules[name] ?? require(name),
    exports: {},
    client: cluster.client(),
    signal: stop.signal,
    log: { info: (text: string | undefined) => printed.push(text), warn: () => {} },
    db: { query: pass },
    doWork: pass,
    runScheduler: pass,
  };
  const { outputText } = ts.transpileModule(code, { compilerOptions });
  const run = new AsyncFunction(...Object.keys(values), `{\n${outputText}\n}`);
  // One that has a cluster of its own moves the time itself.
  if (code.includes('TestCluster')) await run(...Object.values(values));
  else await cluster.until(() => run(...Object.values(values)));
  expect(printed).toEqual(promised(code));
});

test('the page has examples, and most of them run', () => {
  expect(examples.filter(({ runs }) => runs).length).toBeGreaterThanOrEqual(9);
  expect(examples.flatMap(({ code }) => promised(code)).length).toBeGreaterThanOrEqual(12);
});
