/** A real etcd of one member, for tests that compare: on free ports, in a folder of its own, gone with the test. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../rpc/wire-client.ts';

/** Whether there is one to start. */
export const etcdInstalled: boolean = spawnSync('etcd', ['--version']).status === 0;
if (!etcdInstalled) process.stderr.write('no comparison with a real etcd: there is no `etcd` on the PATH\n');

export class RealEtcd {
  /** `host:port` of its client port. */
  readonly address: string;
  readonly #process: ChildProcess;
  readonly #folder: string;

  private constructor(address: string, process: ChildProcess, folder: string) {
    this.address = address;
    this.#process = process;
    this.#folder = folder;
  }

  get port(): number {
    return Number(this.address.split(':').pop());
  }

  /** Resolves when it serves. `more`: flags besides those that it needs. */
  static async start(more: Readonly<Record<string, string>> = {}): Promise<RealEtcd> {
    const folder = mkdtempSync(join(tmpdir(), 'real-etcd-'));
    const log = join(folder, 'log');
    const peer = `http://127.0.0.1:${await freePort()}`;
    // Its JSON gateway dials the address it was given, so that cannot be port 0.
    const client = `http://127.0.0.1:${await freePort()}`;
    const flags = {
      'data-dir': join(folder, 'data'),
      'listen-client-urls': client,
      'advertise-client-urls': client,
      'listen-peer-urls': peer,
      'initial-advertise-peer-urls': peer,
      'initial-cluster': `default=${peer}`,
      logger: 'zap',
      'log-outputs': log,
      ...more,
    };
    const started = spawn(
      'etcd',
      Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`),
      { stdio: 'ignore' },
    );
    const serving = /serving client traffic[^}]*"address":"([^"]+)"/;
    const logged = (): string => (existsSync(log) ? readFileSync(log, 'utf8') : '');
    await until(() => serving.test(logged()), 'etcd serves');
    return new RealEtcd(serving.exec(logged())?.[1] ?? '', started, folder);
  }

  stop(): void {
    this.#process.kill('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A port that was free a moment ago. */
function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
