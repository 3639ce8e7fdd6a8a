/**
 * A real cluster for tests: member processes on free loopback ports, every directed peer link through a proxy of its own, so
 * that a cut touches exactly the link it names. Ends its processes by their ids, whatever happens.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TcpProxy } from '../support/proxy.ts';

const program = fileURLToPath(new URL('../../dist/bin/leasehold.js', import.meta.url));
const strangeMachine = new URL('strange-machine.mjs', import.meta.url).href;

export interface ClusterSettings {
  readonly members?: number;
  readonly heartbeatMs?: number;
  readonly electionMs?: number;
  readonly flags?: readonly string[];
  /** Without proxies the links cannot be cut, and cost nothing. */
  readonly proxied?: boolean;
  /** Where the data directories lie, if not in the cluster's own. */
  readonly dataDirs?: string;
  /** What is odd about every member's machine, at its first start. */
  readonly strange?: Readonly<Record<string, string>>;
}

export class MemberProcess {
  readonly name: string;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly dataDir: string;
  readonly logFile: string;
  readonly #flags: readonly string[];
  #child: ChildProcess | undefined;
  exits: string[] = [];

  constructor(name: string, clientPort: number, peerPort: number, dataDir: string, flags: readonly string[]) {
    this.name = name;
    this.clientPort = clientPort;
    this.peerPort = peerPort;
    this.dataDir = dataDir;
    this.logFile = `${dataDir}.log`;
    this.#flags = flags;
  }

  get endpoint(): string {
    return `127.0.0.1:${this.clientPort}`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** `strange`: what is odd about its machine, as `strange-machine.mjs` takes it. */
  start(strange?: Readonly<Record<string, string>>): void {
    const log = openSync(this.logFile, 'a');
    const node = strange === undefined ? [] : ['--import', strangeMachine];
    const child = spawn(process.execPath, [...node, program, ...this.#flags], {
      stdio: ['ignore', log, log],
      env: { ...process.env, ...strange },
    });
    closeSync(log);
    child.on('exit', (code, signal) => this.exits.push(signal ?? String(code)));
    this.#child = child;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) this.#child?.kill(signal);
  }

  /** Sends the signal and waits for the end. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.running) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill(signal);
    if (signal !== 'SIGKILL') child.kill('SIGCONT');
    await gone;
  }

  logTail(lines = 20): string {
    return readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  }
}

export class ProcessCluster {
  readonly members: readonly MemberProcess[];
  readonly directory: string;
  /** `from>to` → the proxy that `from` dials to reach `to`. */
  readonly #proxies = new Map<string, TcpProxy>();

  private constructor(members: readonly MemberProcess[], directory: string, proxies: ReadonlyMap<string, TcpProxy>) {
    this.members = members;
    this.directory = directory;
    for (const [link, proxy] of proxies) this.#proxies.set(link, proxy);
  }

  static async start(settings: ClusterSettings = {}): Promise<ProcessCluster> {
    const directory = mkdtempSync(join(tmpdir(), 'leasehold-'));
    const count = settings.members ?? 3;
    const names = Array.from({ length: count }, (_, i) => `n${i + 1}`);
    const ports = await freePorts(2 * count);
    const peerPortOf = new Map(names.map((name, i) => [name, ports[count + i] as number]));
    const initialCluster = names.map((name) => `${name}=http://127.0.0.1:${peerPortOf.get(name)}`).join(',');
    const proxies = new Map<string, TcpProxy>();
    const members: MemberProcess[] = [];
    for (const [i, name] of names.entries()) {
      const dial: string[] = [];
      for (const other of names) {
        if (other === name || settings.proxied === false) continue;
        const proxy = new TcpProxy({ host: '127.0.0.1', port: peerPortOf.get(other) as number });
        await proxy.listen();
        proxies.set(`${name}>${other}`, proxy);
        dial.push(`${other}=http://127.0.0.1:${proxy.port}`);
      }
      const client = `http://127.0.0.1:${ports[i]}`;
      const peer = `http://127.0.0.1:${peerPortOf.get(name)}`;
      const dataDir = join(settings.dataDirs ?? directory, name);
      members.push(
        new MemberProcess(name, ports[i] as number, peerPortOf.get(name) as number, dataDir, [
          `--name=${name}`,
          `--data-dir=${dataDir}`,
          `--listen-client-urls=${client}`,
          `--advertise-client-urls=${client}`,
          `--listen-peer-urls=${peer}`,
          `--initial-advertise-peer-urls=${peer}`,
          `--initial-cluster=${initialCluster}`,
          `--initial-cluster-token=${directory}`,
          `--heartbeat-interval=${settings.heartbeatMs ?? 100}`,
          `--election-timeout=${settings.electionMs ?? 1000}`,
          ...(dial.length > 0 ? [`--peer-dial=${dial.join(',')}`] : []),
          ...(settings.flags ?? []),
        ]),
      );
    }
    const cluster = new ProcessCluster(members, directory, proxies);
    for (const member of members) member.start(settings.strange);
    return cluster;
  }

  get endpoints(): string[] {
    return this.members.map((member) => member.endpoint);
  }

  /**
   * Cuts every peer link of `name`, both ways; its client port stays open. `silent`: nothing passes, and nobody is told, as behind a
   * firewall that drops; else connections are reset.
   */
  cutPeers(name: string, silent: boolean): void {
    for (const [link, proxy] of this.#proxies) {
      if (!link.split('>').includes(name)) continue;
      if (silent) proxy.stall();
      else proxy.cut();
    }
  }

  heal(): void {
    for (const proxy of this.#proxies.values()) proxy.heal();
  }

  /** Waits until every running member answers /readyz with 200. */
  async ready(limitMs = 20_000): Promise<void> {
    const endMs = performance.now() + limitMs;
    for (const member of this.members) {
      while (member.running && !(await isReady(member))) {
        if (performance.now() > endMs)
          throw new Error(`${member.name} is not ready after ${limitMs} ms:\n${member.logTail()}`);
        await pause(50);
      }
      if (!member.running) throw new Error(`${member.name} ended (${member.exits.join(', ')}):\n${member.logTail()}`);
    }
  }

  /** The member that the others (or itself) name as leader right now. */
  async leader(limitMs = 15_000): Promise<MemberProcess> {
    const endMs = performance.now() + limitMs;
    for (;;) {
      for (const member of this.members) {
        if (member.running && (await metric(member, 'etcd_server_is_leader')) === 1) return member;
      }
      if (performance.now() > endMs) throw new Error(`no leader after ${limitMs} ms`);
      await pause(25);
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop('SIGKILL')));
    await Promise.all([...this.#proxies.values()].map((proxy) => proxy.close()));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** One sample from /metrics; undefined if the member does not answer. */
export async function metric(member: { readonly endpoint: string }, name: string): Promise<number | undefined> {
  try {
    const answer = await fetch(`http://${member.endpoint}/metrics`, { signal: AbortSignal.timeout(1_000) });
    const line = (await answer.text()).split('\n').find((each) => each.startsWith(`${name} `));
    return line === undefined ? undefined : Number(line.slice(name.length + 1));
  } catch {
    return undefined;
  }
}

/** What the member's state is: the digest of everything applied up to an index. */
export async function stateOf(
  member: MemberProcess,
): Promise<{ readonly index: number; readonly digest: string } | undefined> {
  try {
    const answer = await fetch(`http://${member.endpoint}/state`, { signal: AbortSignal.timeout(1_000) });
    return (await answer.json()) as { readonly index: number; readonly digest: string };
  } catch {
    return undefined;
  }
}

async function isReady(member: MemberProcess): Promise<boolean> {
  try {
    return (await fetch(`http://${member.endpoint}/readyz`, { signal: AbortSignal.timeout(1_000) })).ok;
  } catch {
    return false;
  }
}

/** Ports that were free a moment ago, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
