/**
 * What the configuration says about files and ports, checked against the machine before anything is created there.
 */
import { accessSync, constants, mkdtempSync, rmdirSync, type Stats, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** One line if the data directory cannot be used, else undefined. Leaves nothing behind. */
export function dataDirMistake(dataDir: string): string | undefined {
  const path = resolve(dataDir);
  const line = (why: string): string => `leasehold: --data-dir: ${path} ${why}`;
  const found = statusOf(path);
  if (found !== undefined && !found.isDirectory()) return line('is not a directory; name another');
  const place = found === undefined ? nearestExisting(path) : path;
  if (!statSync(place).isDirectory()) return line(`cannot be created: ${place} is not a directory`);
  try {
    accessSync(place, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch {
    return line(`cannot be written: no permission on ${place}; change its owner or name another`);
  }
  return found === undefined ? placeMistake(place, line) : undefined;
}

/** Permission is not all: no directory can be made in /proc, nor on a disk that is full. Under a name nobody else makes or removes. */
function placeMistake(place: string, line: (why: string) => string): string | undefined {
  try {
    rmdirSync(mkdtempSync(join(place, '.leasehold-')));
    return undefined;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    return line(`cannot be created: ${place} takes no directory (${code}); name another`);
  }
}

/** One line for a listener that failed to open: `flag` and `url` say which. */
export function listenMistake(flag: string, url: string, error: NodeJS.ErrnoException): string {
  const line = (why: string): string => `leasehold: --${flag}: cannot listen on ${url}: ${why}`;
  switch (error.code) {
    case 'EADDRINUSE':
      return line('the port is in use; stop what listens there or choose another');
    case 'EADDRNOTAVAIL':
      return line('this machine has no such address');
    case 'EACCES':
      return line('no permission; choose a port above 1023');
    default:
      return line(error.message);
  }
}

function nearestExisting(path: string): string {
  let place = path;
  while (statusOf(place) === undefined) place = dirname(place);
  return place;
}

/** Nothing is there if a part of the path is missing or a file. */
function statusOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}
