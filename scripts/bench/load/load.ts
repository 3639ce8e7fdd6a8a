/** The load's process as the benchmark sees it. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Measured } from './meter.ts';
import type { Part } from './part.ts';

const program = fileURLToPath(new URL('load-process.ts', import.meta.url));

export class LoadProcess {
  readonly #process: ChildProcess;

  constructor() {
    this.#process = fork(program, { execArgv: ['--import', 'tsx'], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  }

  /** One at a time. Rejects when the load cannot be prepared, or the process ends. */
  measure(part: Part): Promise<Measured> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null, signal: string | null): void =>
        reject(new Error(`the load's process ended with ${signal ?? code}`));
      this.#process.once('exit', ended);
      this.#process.once('message', (said: { readonly measured?: Measured; readonly problem?: string }) => {
        this.#process.off('exit', ended);
        if (said.measured === undefined) reject(new Error(said.problem));
        else resolve(said.measured);
      });
      this.#process.send(part);
    });
  }

  end(): void {
    this.#process.kill();
  }
}
