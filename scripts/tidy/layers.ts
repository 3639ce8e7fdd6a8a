/**
 * Who may import whom (house §6), and that nobody does so in a circle. One table: a folder that is not in it is a mistake,
 * so a new room has to say where it stands.
 */
import { isBuiltin } from 'node:module';
import { folderOf, type Import, importsOf, type Problem, type Source } from './source.ts';

interface Layer {
  /** Folders it may import from, besides itself. */
  readonly uses: readonly string[];
  /** Folders of which it may import types only. */
  readonly types: readonly string[];
  /** Above the purity line: no packages, no Node modules. */
  readonly pure: boolean;
}

const pure = (uses: readonly string[], types: readonly string[] = []): Layer => ({ uses, types, pure: true });
const impure = (uses: readonly string[], types: readonly string[] = []): Layer => ({ uses, types, pure: false });
const core: readonly string[] = ['base', 'store', 'raft', 'state', 'primary', 'watch', 'node'];

/** The tree's floors, top of the list first. */
export const layers: ReadonlyMap<string, Layer> = new Map([
  ['base', pure([])],
  ['store', pure(['base'])],
  ['raft', pure(['base', 'store'])],
  ['state', pure(['base', 'store'])],
  ['primary', pure(['base', 'store'], ['state'])],
  ['watch', pure(['base', 'store'], ['state'])],
  ['node', pure(['base', 'store', 'raft', 'state', 'primary', 'watch'])],
  ['h2', pure(['base'])],
  ['disk', impure(['base', 'store', 'raft', 'state', 'node'])],
  ['peer', impure(['base', 'store', 'raft', 'state', 'node'])],
  ['ops', impure(['base', 'store'], ['node', 'state', 'raft'])],
  ['rpc', impure(['base', 'h2', 'store', 'state', 'watch', 'node', 'ops'], ['raft'])],
  ['gateway', impure(['base', 'store', 'state', 'watch', 'node', 'ops', 'rpc'], ['raft'])],
  ['console', impure(['base', 'ops', 'rpc', 'node'])],
  ['server', impure([...core, 'disk', 'peer', 'rpc', 'gateway', 'console', 'ops'])],
  ['client', impure([])],
  // Tests without a server have the whole server in them; nothing of the library may need that.
  ['client/testing', impure([...core, 'disk', 'peer', 'rpc', 'ops', 'server', 'client'])],
  ['cli', impure(['base', 'client'])],
  ['local', impure(['base', 'cli', 'ops'])],
  ['bin', impure([...core, 'disk', 'peer', 'rpc', 'gateway', 'console', 'ops', 'server', 'client', 'cli', 'local'])],
]);

/** Folders inside the purity line. */
export function isPure(path: string): boolean {
  const folder = folderOf(path);
  return folder !== undefined && layers.get(folder)?.pure === true;
}

/** Folders inside others that stand on a floor of their own. */
const annexes: readonly string[] = ['client/testing'];

/** The line of the table that a file belongs to. */
function roomOf(path: string): string | undefined {
  return annexes.find((annex) => path.startsWith(`src/${annex}/`)) ?? folderOf(path);
}

/** Checks every import under `src/` against the table. */
export function checkLayers(sources: readonly Source[]): readonly Problem[] {
  const problems: Problem[] = [];
  for (const source of sources) {
    if (!source.path.startsWith('src/')) continue;
    const folder = roomOf(source.path);
    const layer = folder === undefined ? undefined : layers.get(folder);
    if (folder === undefined || layer === undefined) {
      problems.push({ file: source.path, line: 1, reason: `folder is not in the table of scripts/tidy/layers.ts` });
      continue;
    }
    for (const one of importsOf(source)) {
      const reason =
        one.target === undefined ? outsideReason(source.path, layer, one) : insideReason(folder, layer, one);
      if (reason !== undefined) problems.push({ file: source.path, line: one.line, reason });
    }
  }
  return problems;
}

/** Examples stand on what their readers can have: the package by its name, gRPC, and Node. */
export function checkExamples(sources: readonly Source[]): readonly Problem[] {
  return sources
    .filter(({ path }) => path.startsWith('examples/'))
    .flatMap((source) =>
      importsOf(source)
        .filter(({ specifier }) => !/^(leasehold\/client(\/testing)?|@grpc\/grpc-js|node:.+)$/.test(specifier))
        .map(({ specifier, line }) => ({
          file: source.path,
          line,
          reason: `examples import leasehold/client, @grpc/grpc-js and Node, not ${specifier}`,
        })),
    );
}

/** Packages and Node modules: none inside the purity line, but crc32 in its one file. */
function outsideReason(path: string, layer: Layer, one: Import): string | undefined {
  if (!layer.pure) {
    const bare = !one.specifier.startsWith('node:') && isBuiltin(one.specifier);
    return bare ? `Node modules are imported as node:${one.specifier}` : undefined;
  }
  if (one.specifier === 'node:zlib' && path === 'src/base/crc.ts') return undefined;
  const what = one.specifier.startsWith('node:') ? 'a Node module' : 'a package';
  return `imports ${what} (${one.specifier}) inside the purity line`;
}

function insideReason(folder: string, layer: Layer, one: Import): string | undefined {
  const target = one.target ?? '';
  if (!target.startsWith('src/')) return `imports ${target}, which is outside src/`;
  const to = roomOf(target);
  if (!target.endsWith('.ts')) return `imports ${one.specifier} without its .ts extension`;
  if (to === undefined) return `imports ${target}, which is in no room`;
  if (to === folder || layer.uses.includes(to)) return undefined;
  if (layer.types.includes(to))
    return one.typeOnly ? undefined : `${folder} may import only types from ${to} (${target})`;
  return `${folder} must not import from ${to} (${target})`;
}

/** Reports each circle of imports once, at the import that closes it. Types count: a circle is hard to read either way. */
export function checkCycles(sources: readonly Source[]): readonly Problem[] {
  const graph = new Map<string, readonly Import[]>(sources.map((source) => [source.path, importsOf(source)]));
  const problems: Problem[] = [];
  const done = new Set<string>();
  const trail: string[] = [];
  const visit = (path: string): void => {
    trail.push(path);
    for (const one of graph.get(path) ?? []) {
      const target = one.target;
      if (target === undefined || !graph.has(target) || done.has(target)) continue;
      const at = trail.indexOf(target);
      if (at >= 0)
        problems.push({
          file: path,
          line: one.line,
          reason: `import circle: ${[...trail.slice(at), target].join(' → ')}`,
        });
      else visit(target);
    }
    trail.pop();
    done.add(path);
  };
  for (const path of graph.keys()) if (!done.has(path)) visit(path);
  return problems;
}
