/** `npm start` with stand-in members: what it says, what it refuses, and that it leaves no process behind. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LocalCluster } from '../../src/local/cluster.ts';
import { layout, memberFlagsOf, portMistake } from '../../src/local/layout.ts';
import { start } from '../../src/local/start.ts';
import { readConfig } from '../../src/ops/config.ts';

let dir = '';
const clusters: LocalCluster[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'local-'));
});
afterEach(() => {
  delete process.env['FAKE_MEMBER'];
  // A failed test must not leave its members behind.
  for (const cluster of clusters.splice(0)) cluster.kill();
  rmSync(dir, { recursive: true, force: true });
});

/** A started `npm start`, its words, and its two Ctrl-Cs. */
class Started {
  readonly lines: string[] = [];
  readonly ended: Promise<number>;
  readonly #stop = new AbortController();
  readonly #stopNow = new AbortController();
  #heard: () => void = () => {};

  constructor(argv: readonly string[], mode = '') {
    process.env['FAKE_MEMBER'] = mode;
    const hear = (line: string): void => {
      this.lines.push(line);
      this.#heard();
    };
    const plain = (text: string): string => text;
    this.ended = start(argv, {
      memberProgram: [fileURLToPath(new URL('fake-member.mjs', import.meta.url))],
      toolCommand: 'leasectl',
      say: hear,
      complain: (line) => hear(`! ${line}`),
      paint: { bold: plain, dim: plain, green: plain, red: plain },
      stop: this.#stop.signal,
      stopNow: this.#stopNow.signal,
      started: (cluster) => void clusters.push(cluster),
    });
  }
  interrupt(): void {
    (this.#stop.signal.aborted ? this.#stopNow : this.#stop).abort();
  }
  /** Resolves when a line holds `text`. */
  async heard(text: string): Promise<void> {
    while (!this.lines.some((line) => line.includes(text))) {
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
  }
}

/** Three pairs of ports that are free now. */
async function freeBase(): Promise<number> {
  for (;;) {
    const server = createServer();
    const base = await listening(server, 0);
    await new Promise((resolve) => server.close(resolve));
    if (base < 65_000 && (await portMistake(layout({ members: 3, basePort: base, dataDir: dir }))) === undefined)
      return base;
  }
}
function listening(server: Server, port: number): Promise<number> {
  return new Promise((resolve) =>
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    }),
  );
}
const pidOf = (name: string): number => Number(readFileSync(join(dir, name, 'pid'), 'utf8'));
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('layout', () => {
  it('uses the well-known ports, or those from a base on', () => {
    const ports = (basePort: number | undefined) =>
      layout({ members: 3, basePort, dataDir: 'd' }).map((p) => [p.clientPort, p.peerPort]);
    expect(ports(undefined)).toEqual([
      [2379, 2380],
      [22379, 22380],
      [32379, 32380],
    ]);
    expect(ports(5000)).toEqual([
      [5000, 5001],
      [5010, 5011],
      [5020, 5021],
    ]);
    expect(layout({ members: 5, basePort: undefined, dataDir: 'd' })[4]).toMatchObject({
      clientPort: 52379,
      logFile: 'd/n5.log',
    });
  });

  it('its flags are a configuration the member accepts', () => {
    const places = layout({ members: 3, basePort: undefined, dataDir: 'd' });
    for (const place of places) {
      const read = readConfig(memberFlagsOf(place, places), {});
      expect(read).toMatchObject({ type: 'run', config: { name: place.name, dataDir: place.dataDir, warnings: [] } });
    }
  });
});

describe('start', () => {
  it('starts, names the leader and what to try, and Ctrl-C stops all; the second time finds the data', async () => {
    const base = await freeBase();
    const argv = [`--base-port=${base}`, `--data-dir=${dir}`];
    for (const round of ['first', 'second']) {
      const started = new Started(argv);
      await started.heard('Ctrl-C stops everything.');
      const text = started.lines.join('\n');
      expect(text).toContain(
        round === 'first' ? 'starting n1, n2, n3 …' : 'starting n1, n2, n3 on the data of last time …',
      );
      expect(text).toMatch(new RegExp(`3 members serve after [\\d.]+ s\n +n1 +http://127.0.0.1:${base} +leader`));
      expect(text).toContain(
        `etcdctl --endpoints=127.0.0.1:${base},127.0.0.1:${base + 10},127.0.0.1:${base + 20} lease grant 60`,
      );
      const pids = ['n1', 'n2', 'n3'].map(pidOf);
      expect(pids.map(isAlive)).toEqual([true, true, true]);
      started.interrupt();
      expect(await started.ended).toBe(0);
      expect(pids.map(isAlive)).toEqual([false, false, false]);
    }
    expect(readFileSync(join(dir, 'n3.log'), 'utf8')).toBe('member n3 starts fresh\nmember n3 finds its data\n');
  });

  it('says who died, with the end of its log and how to bring it back; ends when none is left', async () => {
    const base = await freeBase();
    const started = new Started([`--base-port=${base}`, `--data-dir=${dir}`]);
    await started.heard('Ctrl-C stops everything.');
    process.kill(pidOf('n1'), 'SIGKILL');
    await started.heard('bring it back');
    expect(started.lines.slice(-4)[0]).toBe('! n1 ended: signal SIGKILL; 2 of 3 members left');
    expect(started.lines.slice(-4)[2]).toBe('!     member n1 starts fresh');
    process.kill(pidOf('n2'), 'SIGKILL');
    process.kill(pidOf('n3'), 'SIGKILL');
    expect(await started.ended).toBe(1);
    expect(started.lines.at(-1)).toBe('! leasehold: no member is left');
  });

  it('a member that dies before it serves ends it all', async () => {
    const base = await freeBase();
    const started = new Started([`--base-port=${base}`, `--data-dir=${dir}`], 'die');
    expect(await started.ended).toBe(1);
    const text = started.lines.join('\n');
    expect(text).toContain('! leasehold: n2 ended (exit code 3) before it served');
    expect(text).toContain('!     something is wrong');
    expect(clusters.at(-1)?.members.map((member) => member.alive)).toEqual([false, false, false]);
  });

  it('a second Ctrl-C kills what does not stop', async () => {
    const base = await freeBase();
    const started = new Started([`--base-port=${base}`, `--data-dir=${dir}`], 'stubborn');
    await started.heard('Ctrl-C stops everything.');
    started.interrupt();
    await started.heard('stopping');
    started.interrupt();
    await started.ended;
    expect(['n1', 'n2', 'n3'].map(pidOf).map(isAlive)).toEqual([false, false, false]);
  });

  it('a port in use is one clear line, and nothing is started or created', async () => {
    const base = await freeBase();
    const other = createServer();
    await listening(other, base + 11);
    const started = new Started([`--base-port=${base}`, `--data-dir=${join(dir, 'd')}`]);
    expect(await started.ended).toBe(1);
    expect(started.lines).toEqual([
      `! leasehold: port ${base + 11} (peer port of n2) is in use; stop what listens there, or choose others with --base-port`,
    ]);
    await new Promise((resolve) => other.close(resolve));
  });

  it.each([
    [['--memers=3'], 2, 'unknown flag --memers (did you mean --members?); see npm start -- --help'],
    [['--members=2'], 2, '--members: "2" is not 1, 3 or 5'],
    [['--base-port=x'], 2, '--base-port: "x" is not a port from 1 to 65494'],
    [['--base-port'], 2, '--base-port needs a value'],
    [['--data-dir='], 2, '--data-dir: is empty; name a directory, as in --data-dir=data'],
    [['now'], 2, '"now" is no flag; see npm start -- --help'],
  ])('%j', async (argv, code, line) => {
    const started = new Started(argv);
    expect(await started.ended).toBe(code);
    expect(started.lines).toEqual([`! leasehold: ${line}`]);
  });

  it('a file where the data should be, or above', async () => {
    const base = await freeBase();
    writeFileSync(join(dir, 'file'), '');
    const started = new Started([`--base-port=${base}`, `--data-dir=${join(dir, 'file')}`]);
    expect(await started.ended).toBe(1);
    expect(started.lines).toEqual([`! leasehold: --data-dir: ${join(dir, 'file')} is not a directory; name another`]);
    const below = join(dir, 'file', 'below');
    const again = new Started([`--base-port=${base}`, `--data-dir=${below}`]);
    expect(await again.ended).toBe(1);
    expect(again.lines).toEqual([
      `! leasehold: --data-dir: ${below} cannot be created: ${join(dir, 'file')} is not a directory`,
    ]);
  });
});
