/** Directories and listeners that cannot be used are refused in one line, and nothing is created. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { dataDirMistake, listenMistake } from '../../src/ops/config-files.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'config-files-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

it('a directory that is there, or can be made, passes and is not made', () => {
  expect(dataDirMistake(dir)).toBeUndefined();
  expect(dataDirMistake(join(dir, 'a/b/c'))).toBeUndefined();
  expect(readdirSync(dir)).toEqual([]);
});

it('a file in its place, or above it', () => {
  writeFileSync(join(dir, 'file'), '');
  expect(dataDirMistake(join(dir, 'file'))).toBe(`leasehold: --data-dir: ${dir}/file is not a directory; name another`);
  expect(dataDirMistake(join(dir, 'file/x'))).toBe(
    `leasehold: --data-dir: ${dir}/file/x cannot be created: ${dir}/file is not a directory`,
  );
});

it('no permission', () => {
  const locked = join(dir, 'locked');
  mkdirSync(locked);
  chmodSync(locked, 0o555);
  chmodSync(dir, 0o755);
  const line = `leasehold: --data-dir: ${locked} cannot be written: no permission on ${locked}; change its owner or name another`;
  expect(process.getuid?.() === 0 ? mistakeAsNobody(locked) : dataDirMistake(locked)).toBe(line);
});

/** Root may write anywhere, so root's tests ask as somebody else. */
function mistakeAsNobody(path: string): string {
  const module = new URL('../../src/ops/config-files.ts', import.meta.url).href;
  const script = `const { dataDirMistake } = await import(${JSON.stringify(module)}); console.log(dataDirMistake(${JSON.stringify(path)}))`;
  const args = ['--import', 'tsx', '--input-type=module', '-e', script];
  const scratch = join(dir, 'scratch');
  mkdirSync(scratch);
  chmodSync(scratch, 0o777);
  const env = { ...process.env, TMPDIR: scratch, HOME: scratch };
  const run = spawnSync(process.execPath, args, { uid: 65_534, gid: 65_534, encoding: 'utf8', env });
  return run.stdout.trim() || run.stderr;
}

it('a listener’s error becomes a line', async () => {
  const first = createServer();
  await new Promise<void>((resolve) => first.listen(0, '127.0.0.1', resolve));
  const address = first.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const error = await new Promise<NodeJS.ErrnoException>((resolve) => {
    createServer().once('error', resolve).listen(port, '127.0.0.1');
  });
  expect(listenMistake('listen-client-urls', `http://127.0.0.1:${port}`, error)).toBe(
    `leasehold: --listen-client-urls: cannot listen on http://127.0.0.1:${port}: the port is in use; stop what listens there or choose another`,
  );
  await new Promise((resolve) => first.close(resolve));
  expect(
    listenMistake('listen-peer-urls', 'http://192.0.2.1:1', Object.assign(new Error('x'), { code: 'EADDRNOTAVAIL' })),
  ).toContain('this machine has no such address');
});
