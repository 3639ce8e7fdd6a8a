/** The programs at their edges: what the metrics port serves, two SIGTERMs, and an `npm start` whose npm was told to go. Real processes. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { layout, portMistake } from '../../src/local/layout.ts';
import { freePorts, ProcessCluster, pause } from './processes.ts';
import { Caller, insist, type Line, lineTo } from './wire.ts';

const open: ProcessCluster[] = [];
const lines: Line[] = [];
afterEach(async () => {
  for (const line of lines.splice(0)) line.close();
  for (const cluster of open.splice(0)) await cluster.stop();
});

test('--listen-metrics-urls serves pages, and no keys: who may scrape need not be let near them', async () => {
  const [port = 0] = await freePorts(1);
  const flags = [`--listen-metrics-urls=http://127.0.0.1:${port}`];
  const cluster = await ProcessCluster.start({ members: 1, proxied: false, flags });
  open.push(cluster);
  await cluster.ready(60_000);
  for (const path of ['metrics', 'health', 'readyz']) {
    expect((await fetch(`http://127.0.0.1:${port}/${path}`)).status).toBe(200);
  }
  const line = lineTo(`127.0.0.1:${port}`);
  lines.push(line);
  await expect(new Caller(line.client).put('seen')).rejects.toMatchObject({ code: 14 });
});

test('a second SIGTERM does not cut short the hand-over that the first one began', async () => {
  const cluster = await ProcessCluster.start({ proxied: false });
  open.push(cluster);
  await cluster.ready(60_000);
  const leader = await cluster.leader();
  const others = cluster.members.filter((member) => member !== leader);
  const line = lineTo(leader.endpoint);
  lines.push(line);
  await insist(() => new Caller(line.client).put('settled'));
  const startMs = performance.now();
  for (const member of others) member.signal('SIGSTOP');
  leader.signal('SIGTERM');
  await pause(100);
  const ended = leader.stop('SIGTERM');
  await pause(100);
  for (const member of others) member.signal('SIGCONT');
  await ended;
  expect(performance.now() - startMs).toBeLessThan(5_000);
  expect(leader.exits).toEqual(['0']);
  expect(leader.logTail()).toContain('handed leadership over');
});

test('npm start ends with the npm that started it', async () => {
  const home = mkdtempSync(join(tmpdir(), 'leasehold-npm-'));
  let basePort = 0;
  do {
    [basePort = 0] = await freePorts(1);
  } while (basePort > 65_000 || (await portMistake(layout({ members: 1, basePort, dataDir: home }))) !== undefined);
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const flags = ['--members=1', `--base-port=${basePort}`, `--data-dir=${join(home, 'data')}`];
  // In a group of its own, so that a failed test can tell all of it to go.
  const npm = spawn('npm', ['start', '--', ...flags], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  let said = '';
  npm.stdout.setEncoding('utf8');
  npm.stdout.on('data', (text: string) => {
    said += text;
  });
  const closed = new Promise<string>((resolve) =>
    npm.stdout.once('close', () => resolve('the last one that speaks is gone')),
  );
  try {
    while (!said.includes('Ctrl-C stops everything')) await pause(50);
    npm.kill('SIGTERM');
    expect(await Promise.race([closed, pause(10_000)])).toBe('the last one that speaks is gone');
    expect(said).toContain('stopped; data is kept in');
    expect(await portMistake(layout({ members: 1, basePort, dataDir: home }))).toBeUndefined();
  } finally {
    if (!npm.stdout.closed) process.kill(-(npm.pid as number), 'SIGTERM');
    await closed;
  }
  rmSync(home, { recursive: true, force: true });
}, 60_000);
