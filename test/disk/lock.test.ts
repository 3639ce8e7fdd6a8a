import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type DataPaths, dataPaths } from '../../src/disk/data-paths.ts';
import { lockDataDir } from '../../src/disk/lock.ts';
import { scratchDirectory } from './scratch.ts';

/** Starts another process that takes the lock; resolves with its first line. */
async function otherProcess(paths: DataPaths): Promise<{ child: ChildProcess; line: string }> {
  const script = join(import.meta.dirname, 'lock-process.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', script, paths.root], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [bytes] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, line: bytes.toString().trim() };
}

test('a second holder is refused in one line that names directory, process and remedy; releasing frees it', async () => {
  const paths = dataPaths(join(await scratchDirectory(), 'not', 'there', 'yet'));
  const lock = await lockDataDir(paths);
  expect((await stat(paths.root)).mode & 0o777).toBe(0o700);
  const message = `${paths.root}: in use by process ${process.pid}; stop it, or use another --data-dir`;
  await expect(lockDataDir(paths)).rejects.toMatchObject({ trouble: 'locked', message });
  expect((await otherProcess(paths)).line).toBe(`locked ${message}`);
  await lock.release();
  await (await lockDataDir(paths)).release();
});

test('the lock of a process that was killed is free at once, whatever it left behind', async () => {
  const paths = dataPaths(await scratchDirectory());
  const { child, line } = await otherProcess(paths);
  expect(line).toBe('locked');
  await expect(lockDataDir(paths)).rejects.toThrow(`in use by process ${child.pid}`);
  child.kill('SIGKILL');
  await once(child, 'exit');
  await (await lockDataDir(paths)).release();
});

test('a damaged lock is no reason to refuse: there is nothing in it', async () => {
  const damages = [
    async (path: string) => rm(join(path, 'CURRENT')),
    async (path: string) => writeFile(join(path, 'CURRENT'), 'nonsense'),
    async (path: string) => {
      for (const name of await readdir(path)) if (name.startsWith('MANIFEST')) await writeFile(join(path, name), '');
    },
    async (path: string) => rm(path, { recursive: true }),
  ];
  for (const damage of damages) {
    const paths = dataPaths(await scratchDirectory());
    await (await lockDataDir(paths)).release();
    await damage(paths.lock);
    const lock = await lockDataDir(paths);
    await expect(lockDataDir(paths)).rejects.toMatchObject({ trouble: 'locked' });
    await lock.release();
  }
});

test('a data directory that cannot be one is refused with its path', async () => {
  const file = join(await scratchDirectory(), 'file');
  await writeFile(file, '');
  const refused = lockDataDir(dataPaths(file));
  await expect(refused).rejects.toMatchObject({ trouble: 'fileSystem' });
  await expect(refused).rejects.toThrow(/^\S+file: cannot use the data directory \(ENOTDIR|EEXIST\)/);
});
