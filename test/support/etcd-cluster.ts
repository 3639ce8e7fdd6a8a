/**
 * Real etcds, three if not said, for tests that show clients the same thing twice: named and numbered as the members of `ProcessCluster`, on
 * free ports, in a folder of their own, gone with the test. Says once, when loaded, that there is none to start.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts, pause } from '../cluster/processes.ts';

/** What the suites of real clients need to know of a cluster, ours or etcd's. */
export interface Target {
  readonly endpoints: readonly string[];
  kill(member: number): Promise<void>;
  /** Stops a member where it is (SIGSTOP); its connections stay. */
  freeze(member: number): void;
  thaw(member: number): void;
  /** Starts a killed member again; resolves when it serves. */
  restart(member: number): Promise<void>;
  stop(): Promise<void>;
}

export class EtcdCluster implements Target {
  readonly endpoints: readonly string[];
  readonly #folder: string;
  readonly #flags: readonly (readonly string[])[];
  readonly #processes: (ChildProcess | undefined)[] = [];

  private constructor(folder: string, endpoints: readonly string[], flags: readonly (readonly string[])[]) {
    this.#folder = folder;
    this.endpoints = endpoints;
    this.#flags = flags;
  }

  /** Resolves when all members serve. */
  static async start(more: readonly string[] = [], members = 3): Promise<EtcdCluster> {
    const folder = mkdtempSync(join(tmpdir(), 'etcd-cluster-'));
    const ports = await freePorts(2 * members);
    const names = Array.from({ length: members }, (_, i) => `n${i + 1}`);
    const peers = names.map((_, i) => `http://127.0.0.1:${ports[members + i]}`);
    const endpoints = names.map((_, i) => `127.0.0.1:${ports[i]}`);
    const flags = names.map((name, i) => [
      `--name=${name}`,
      `--data-dir=${join(folder, name)}`,
      `--listen-client-urls=http://${endpoints[i]}`,
      `--advertise-client-urls=http://${endpoints[i]}`,
      `--listen-peer-urls=${peers[i]}`,
      `--initial-advertise-peer-urls=${peers[i]}`,
      `--initial-cluster=${names.map((each, j) => `${each}=${peers[j]}`).join(',')}`,
      ...more,
    ]);
    const cluster = new EtcdCluster(folder, endpoints, flags);
    for (const i of names.keys()) cluster.#spawn(i);
    for (const i of names.keys()) await cluster.#serves(i);
    return cluster;
  }

  async kill(member: number): Promise<void> {
    const child = this.#processes[member];
    if (child === undefined) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGKILL');
    await gone;
    this.#processes[member] = undefined;
  }

  /** Of those that run. */
  pids(): readonly { readonly pid: number }[] {
    return this.#processes.flatMap((child) => (child?.pid === undefined ? [] : [{ pid: child.pid }]));
  }

  freeze(member: number): void {
    this.#processes[member]?.kill('SIGSTOP');
  }

  thaw(member: number): void {
    this.#processes[member]?.kill('SIGCONT');
  }

  async restart(member: number): Promise<void> {
    this.#spawn(member);
    await this.#serves(member);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#processes.map((_, i) => this.kill(i)));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #spawn(member: number): void {
    this.#processes[member] = spawn('etcd', this.#flags[member] as string[], { stdio: 'ignore' });
  }

  async #serves(member: number): Promise<void> {
    const url = `http://${this.endpoints[member]}/health`;
    for (let tries = 0; tries < 400; tries++) {
      try {
        const answer = await fetch(url, { signal: AbortSignal.timeout(1_000) });
        if (answer.ok) return;
      } catch {
        // It does not listen yet.
      }
      await pause(50);
    }
    throw new Error(`etcd n${member + 1} does not serve`);
  }
}
