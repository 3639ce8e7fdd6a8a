/** An example as its users run it: a process, what it prints, and how it ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const tsx = import.meta.resolve('tsx');
const waitMsMax = 30_000;

/** `sources`: the library as it is in `src/`; `built`: as it is imported from the package, which is `dist/`. */
export type Library = 'sources' | 'built';

export class Example {
  /** Everything it has printed, errors too. */
  readonly lines: string[] = [];
  readonly #name: string;
  readonly #process: ChildProcess;
  readonly #waiting = new Set<() => void>();
  #rest = '';

  constructor(name: string, args: readonly string[], library: Library = 'sources') {
    this.#name = name;
    // Names of modules are looked up in the sources where the project's tsconfig.json is, which only the root's cwd finds.
    const cwd = library === 'sources' ? root : tmpdir();
    this.#process = spawn(process.execPath, ['--import', tsx, `${root}examples/${name}.ts`, ...args], {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process.stdout?.on('data', (chunk) => this.#take(String(chunk)));
    this.#process.stderr?.on('data', (chunk) => this.#take(String(chunk)));
    this.#process.on('close', () => this.#wake());
  }

  /** The first line from `from` on that matches, when it is printed. */
  async line(pattern: RegExp, from = 0): Promise<string> {
    const endMs = performance.now() + waitMsMax;
    for (;;) {
      const found = this.lines.slice(from).find((line) => pattern.test(line));
      if (found !== undefined) return found;
      const leftMs = endMs - performance.now();
      if (leftMs <= 0 || this.#over)
        throw new Error(`${this.#name} did not print ${pattern}, but:\n${this.lines.join('\n')}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#waiting.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Its exit code, when it ends by itself; the signal's name if one ended it. */
  async ended(): Promise<number | string> {
    if (!this.#over) await once(this.#process, 'close', { signal: AbortSignal.timeout(waitMsMax) });
    return this.#process.exitCode ?? this.#process.signalCode ?? 'unknown';
  }

  /** Kills it if it still runs. */
  async stop(): Promise<void> {
    this.signal('SIGKILL');
    await this.ended();
  }

  get #over(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  #take(chunk: string): void {
    const parts = (this.#rest + chunk).split('\n');
    this.#rest = parts.pop() ?? '';
    this.lines.push(...parts);
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}
