/** A program that runs under a lock, with the tool's own standard streams. */
import { spawn } from 'node:child_process';

/** Runs it to its end. Undefined: it ended with 0; else why not, in Go's words. `stop` asks it to end. */
export function runChild(
  [program = '', ...args]: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  stop: AbortSignal,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { env, stdio: 'inherit' });
    const end = (): void => void child.kill('SIGTERM');
    stop.addEventListener('abort', end);
    child.on('error', (error: NodeJS.ErrnoException) => {
      const missing = error.code === 'ENOENT' ? 'executable file not found in $PATH' : error.message;
      resolve(`exec: ${JSON.stringify(program)}: ${missing}`);
    });
    child.on('exit', (code, signal) => {
      stop.removeEventListener('abort', end);
      if (signal !== null) resolve(`signal: ${signal}`);
      else resolve(code === 0 ? undefined : `exit status ${code}`);
    });
  });
}
