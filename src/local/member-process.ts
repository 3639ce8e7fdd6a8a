/**
 * One member as a child process: started with its output in a log file, watched, and stopped without leaving it behind. In
 * a group of its own, so that Ctrl-C reaches it through us, once.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Place } from './layout.ts';

/** How a member ended: exit code or signal, as words. */
export type Ended = string;

/** Sync, snapshots and LevelDB share libuv's threads; four are too few for all of them. */
const threads = '8';

/** A started member. */
export class MemberProcess {
  readonly place: Place;
  /** Resolves when the process is gone. */
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  #alive = true;

  /** Starts `program` (a JavaScript file) with `flags`. */
  constructor(place: Place, program: readonly string[], flags: readonly string[]) {
    this.place = place;
    mkdirSync(dirname(place.logFile), { recursive: true });
    const log = openSync(place.logFile, 'a');
    this.#child = spawn(process.execPath, [...program, ...flags], {
      stdio: ['ignore', log, log],
      detached: true,
      env: { UV_THREADPOOL_SIZE: threads, ...process.env },
    });
    closeSync(log);
    this.ended = new Promise((resolve) => {
      const end = (how: Ended): void => {
        this.#alive = false;
        resolve(how);
      };
      this.#child.once('error', (error) => end(error.message));
      this.#child.once('exit', (code, signal) => end(signal === null ? `exit code ${code}` : `signal ${signal}`));
    });
  }

  get alive(): boolean {
    return this.#alive;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Sends a signal; nothing happens if it is gone already. */
  signal(name: NodeJS.Signals): void {
    if (this.#alive) this.#child.kill(name);
  }

  /** The last lines of its log; none if somebody took the file away. */
  logTail(lines: number): readonly string[] {
    if (!existsSync(this.place.logFile)) return [];
    return readFileSync(this.place.logFile, 'utf8').trimEnd().split('\n').slice(-lines);
  }
}
