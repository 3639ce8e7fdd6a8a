/** What `import 'leasehold/client'` brings along: the library, gRPC, protobufjs, and nothing of the server. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

async function inputsOf(
  entry: string,
): Promise<{ readonly own: readonly string[]; readonly packages: ReadonlySet<string> }> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    write: false,
    metafile: true,
    logLevel: 'silent',
  });
  const inputs = Object.keys(metafile.inputs);
  const packages = inputs.flatMap((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []);
  return { own: inputs.filter((path) => !path.includes('node_modules')), packages: new Set(packages) };
}

test('the client pulls in nothing of the server, and two packages with what these need', async () => {
  const { own, packages } = await inputsOf('src/client/client.ts');
  expect(own).toContain('src/client/client.ts');
  expect(own.filter((path) => !/^src\/client\/(?!testing\/)/.test(path))).toEqual([]);
  const needed = ['@grpc/grpc-js', 'protobufjs'];
  expect(needed.filter((name) => !packages.has(name))).toEqual([]);
  const behind = ['@grpc/proto-loader', 'lodash.camelcase', 'long', 'yargs'];
  const others = [...packages].filter((name) => !needed.includes(name) && !behind.includes(name));
  expect(others.filter((name) => !name.startsWith('@protobufjs/') && !name.startsWith('@js-sdsl/'))).toEqual([]);
});

test('a bundle of the client is one file that runs by itself', async () => {
  const { outputFiles } = await build({
    absWorkingDir: root,
    stdin: {
      contents: `import { Client } from './src/client/client.ts';
        const client = new Client({ endpoints: ['127.0.0.1:1'], timeout: 50 });
        client.grant('1s').catch((error) => { console.log(error.code); return client.close(); });`,
      resolveDir: root,
    },
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    write: false,
    logLevel: 'silent',
  });
  const run = spawnSync(process.execPath, ['-'], { input: outputFiles[0]?.text ?? '', encoding: 'utf8', cwd: '/' });
  expect(run.stderr).toBe('');
  expect(run.stdout).toBe('unavailable\n');
});

test('the built package is imported by its name', () => {
  const text = `import { Client, LeaseError } from 'leasehold/client'; console.log(typeof Client, typeof LeaseError);`;
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', text], { encoding: 'utf8', cwd: root });
  expect(run.stdout).toBe('function function\n');
});
