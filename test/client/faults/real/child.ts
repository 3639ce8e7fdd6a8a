/** A process of the real rounds: its lines as they come, its standard input as the word to end. Ended by its id, whatever happens. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../..', import.meta.url));

export class Child {
  readonly #child: ChildProcess;
  readonly #gone: Promise<number | null>;

  /** `script` stands beside this file. */
  constructor(script: string, args: readonly string[], heard: (line: string) => void) {
    const path = fileURLToPath(new URL(script, import.meta.url));
    const stdio = ['pipe', 'pipe', 'inherit'] as const;
    this.#child = spawn(process.execPath, ['--import', 'tsx', path, ...args], { cwd: root, stdio: [...stdio] });
    if (this.#child.stdout !== null) createInterface({ input: this.#child.stdout }).on('line', heard);
    this.#gone = new Promise((resolve) => this.#child.on('close', resolve));
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    if (this.running) this.#child.kill(signal);
  }

  /** Tells it to end and waits; kills it if it does not. */
  async end(withinMs = 10_000): Promise<number | null> {
    this.signal('SIGCONT');
    this.#child.stdin?.end();
    const late = setTimeout(() => this.#child.kill('SIGKILL'), withinMs);
    const code = await this.#gone;
    clearTimeout(late);
    return code;
  }
}
