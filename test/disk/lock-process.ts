/** Run by lock.test.ts in a process of its own: takes the lock of a data directory, says so, and stays until it is killed. */
import { DataDirError } from '../../src/disk/data-dir-error.ts';
import { dataPaths } from '../../src/disk/data-paths.ts';
import { lockDataDir } from '../../src/disk/lock.ts';

try {
  await lockDataDir(dataPaths(process.argv[2] ?? ''));
  console.log('locked');
  process.stdin.resume();
} catch (error) {
  console.log(error instanceof DataDirError ? `${error.trouble} ${error.message}` : `unexpected ${String(error)}`);
}
