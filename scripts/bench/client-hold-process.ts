/** The client of `client-hold` as its parent sees it: a process that answers questions. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Tenth } from './client-hold-checks.ts';
import { progress } from './row.ts';

/** Counts since its start. */
interface Counts {
  readonly sent: number;
  readonly answered: number;
  readonly gone: number;
  readonly messagesOut: number;
  readonly messagesIn: number;
  readonly streamsOpened: number;
  readonly lost: number;
  readonly lostReasons: Readonly<Record<string, number>>;
  readonly heapMib: number;
  readonly streamOn: string;
  /** Tenths of a second on the machine's monotonic clock, now. */
  readonly tenth: number;
}

const program = fileURLToPath(new URL('client-hold-child.mjs', import.meta.url));

/** The client's process. Every question rejects when it ends before it has answered. */
export class HoldingClient {
  readonly #process: ChildProcess;
  readonly #ended: Promise<never>;

  constructor(told: object) {
    const child = fork(program, [JSON.stringify(told)], {
      execArgv: ['--expose-gc'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#process = child;
    this.#ended = new Promise((_, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => reject(new Error(`the client ended with ${signal ?? code}`)));
    });
    // It is waited for only while something is asked.
    this.#ended.catch(() => undefined);
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  end(): void {
    this.#process.kill('SIGKILL');
  }

  /** Resolves when all leases are made; to the seconds that it took. */
  async made(): Promise<number> {
    const startMs = performance.now();
    const done = new Promise<void>((resolve) => {
      const hear = (message: { readonly made?: number; readonly done?: boolean }): void => {
        if (message.made === undefined) return;
        progress(`made ${message.made} leases`, false);
        if (message.done !== true) return;
        this.#process.off('message', hear);
        resolve();
      };
      this.#process.on('message', hear);
    });
    await Promise.race([done, this.#ended]);
    return (performance.now() - startMs) / 1_000;
  }

  counts(): Promise<Counts> {
    return this.#ask<Counts>({ question: 'counts' });
  }

  tenths(from: number): Promise<readonly Tenth[]> {
    return this.#ask<readonly Tenth[]>({ question: 'tenths', from });
  }

  /** MiB of the heap after a collection. */
  collected(): Promise<number> {
    return this.#ask<number>({ question: 'collected' });
  }

  async ids(): Promise<readonly bigint[]> {
    return (await this.#ask<readonly string[]>({ question: 'ids' })).map(BigInt);
  }

  async #ask<T>(asked: { readonly question: string; readonly from?: number }): Promise<T> {
    const answer = new Promise<T>((resolve) => {
      const hear = (message: { readonly question?: string; readonly answer: T }): void => {
        if (message.question !== asked.question) return;
        this.#process.off('message', hear);
        resolve(message.answer);
      };
      this.#process.on('message', hear);
    });
    this.#process.send(asked);
    return await Promise.race([answer, this.#ended]);
  }
}
