/** Runs etcdctl, and takes out of its output what differs between any two clusters: ids, ports, times, sizes. */
import { spawn } from 'node:child_process';

export interface Run {
  /** Standard output, then standard error, without etcdctl's own log lines. */
  readonly out: string;
  /** Undefined: it was ended by a signal. */
  readonly code: number | undefined;
}

const env = { PATH: process.env['PATH'] ?? '', ETCDCTL_API: '3' };

/** One command to its end. `input` goes to its standard input. */
export function etcdctl(endpoints: string, args: readonly string[], input = ''): Promise<Run> {
  const running = new Running(endpoints, args, 20_000);
  running.write(input);
  running.child.stdin.end();
  return running.ended;
}

/** A command that goes on: a watch, a lock, a candidate, a mirror. */
export class Running {
  readonly child;
  readonly ended: Promise<Run>;
  /** Standard output so far. */
  out = '';
  #err = '';

  constructor(endpoints: string, args: readonly string[], limitMs = 60_000) {
    this.child = spawn('etcdctl', ['--endpoints', endpoints, ...args], { env });
    this.child.stdout.on('data', (chunk: Buffer) => {
      this.out += chunk.toString();
    });
    this.child.stderr.on('data', (chunk: Buffer) => {
      this.#err += chunk.toString();
    });
    this.child.stdin.on('error', () => {});
    const limit = setTimeout(() => this.child.kill('SIGKILL'), limitMs);
    this.ended = new Promise((resolve, reject) => {
      this.child.on('error', reject);
      this.child.on('close', (code) => {
        clearTimeout(limit);
        const err = this.#err.replace(/^(\{"level":|\d{4}-\d\d-\d\d |\d{4}\/\d\d\/\d\d ).*\n/gm, '');
        resolve({ out: this.out + err, code: code ?? undefined });
      });
    });
  }

  write(line: string): void {
    this.child.stdin.write(line);
  }

  /** Waits until its output holds the text. */
  async says(text: string | RegExp, limitMs = 15_000): Promise<void> {
    const endMs = performance.now() + limitMs;
    const there = (): boolean => (typeof text === 'string' ? this.out.includes(text) : text.test(this.out));
    while (!there()) {
      if (performance.now() > endMs) throw new Error(`in vain waited for ${String(text)} in:\n${this.out}${this.#err}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Ends it as Ctrl-C does. */
  async interrupt(): Promise<Run> {
    this.child.kill('SIGINT');
    return this.ended;
  }
}

/**
 * Each id, key of a lock, port by the order of its first appearance; times and sizes as such. Two clusters in the same state give
 * the same text.
 */
export class Mask {
  readonly #seen = new Map<string, string>();

  /** Numbers that are known beforehand, such as the members' endpoints. */
  constructor(known: Readonly<Record<string, string>> = {}) {
    for (const [text, name] of Object.entries(known)) this.#seen.set(text, name);
  }

  of(text: string): string {
    return text
      .replace(/"raft_term":\d+|"RaftTerm" : \d+/g, 'raft term')
      .replace(/"member_id":\d+|"MemberID" : \d+/g, 'member')
      .replace(/127\.0\.0\.1:(\d+)/g, (whole) => this.#name('address', whole))
      .replace(/\b[0-9a-f]{14,16}\b/g, (whole) => this.#name('id', BigInt(`0x${whole}`).toString()))
      .replace(/\b\d{15,20}\b/g, (whole) => this.#name('id', whole))
      .replace(/\b\d+(\.\d+)?(ms|µs|s)\b/g, '<time>')
      .replace(/\b\d+(\.\d+)? (MB|kB|B)\b/g, '<size>');
  }

  #name(kind: string, text: string): string {
    const name = this.#seen.get(text) ?? `<${kind} ${this.#seen.size}>`;
    this.#seen.set(text, name);
    return name;
  }
}
