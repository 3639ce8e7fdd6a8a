/**
 * A Go program on etcd's own client library (clientv3 3.4 as Debian packages it, unmodified) against three members of ours and three
 * real etcds: sessions, mutexes, elections, watches that resume over the death of a member, 2,000 KeepAliveOnce, transactions.
 * What it prints must be the same. Skipped, with the reason, where Go or the packages are missing.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Target } from '../support/etcd-cluster.ts';
import { debian, missing, startBoth } from './targets.ts';

const { 'etcd-server': etcd, 'golang-go': go, 'golang-etcd-server-dev': sources } = debian;
const lacking = missing({ 'etcd-server': etcd, 'golang-go': go, 'golang-etcd-server-dev': sources });

let folder = '';
let targets: Awaited<ReturnType<typeof startBoth>> | undefined;

beforeAll(async () => {
  if (lacking !== undefined) return;
  folder = mkdtempSync(join(tmpdir(), 'clientv3-'));
  build(join(folder, 'acceptance'));
  targets = await startBoth();
}, 240_000);

afterAll(async () => {
  await targets?.ours.stop();
  await targets?.etcd.stop();
  if (folder !== '') rmSync(folder, { recursive: true, force: true });
});

beforeEach(({ skip }) => {
  if (lacking !== undefined) skip(lacking);
});

/** The object files are kept for the next run: from scratch it takes about a minute of one core. */
function build(binary: string): void {
  const cache = join(tmpdir(), 'leasehold-go-cache');
  mkdirSync(cache, { recursive: true });
  const own = fileURLToPath(new URL('go', import.meta.url));
  const env = { ...process.env, GO111MODULE: 'off', GOFLAGS: '', GOPATH: `${own}:/usr/share/gocode`, GOCACHE: cache };
  const { status, stderr } = spawnSync('go', ['build', '-o', binary, 'acceptance'], { env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`the Go program does not compile:\n${stderr}`);
}

/** What the scenarios print, sorted by scenario; `answers` are done when a scenario asks for them by these words. */
function transcript(
  target: Target,
  scenarios: readonly string[],
  answers: Readonly<Record<string, () => Promise<void>>> = {},
): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const program = spawn(join(folder, 'acceptance'), [target.endpoints.join(','), 'go', ...scenarios]);
    let out = '';
    let err = '';
    let asked = 0;
    program.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
      const questions = [...out.matchAll(/^\S+\? (.*)\n/gm)].map(([, what = '']) => what);
      for (const what of questions.slice(asked)) {
        asked++;
        const answer = answers[what];
        if (answer === undefined) reject(new Error(`the program asks to ${what}`));
        else answer().then(() => program.stdin.write('done\n'), reject);
      }
    });
    program.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString();
    });
    const limit = setTimeout(() => program.kill('SIGKILL'), 120_000);
    program.on('error', reject);
    program.on('close', (code, signal) => {
      clearTimeout(limit);
      if (code !== 0) reject(new Error(`${target.endpoints[0]}: exit ${code ?? signal}\n${out}${err}`));
      const lines = out.split('\n').filter((line) => line !== '' && !/^\S+\? /.test(line));
      resolve(scenarios.flatMap((name) => lines.filter((line) => line.startsWith(`${name}: `))));
    });
  });
}

const both = async (run: (target: Target) => Promise<string[]>): Promise<readonly [string[], string[]]> => {
  const { ours, etcd } = targets as NonNullable<typeof targets>;
  return await Promise.all([run(ours), run(etcd)]);
};

test.each(['txn', 'kubernetes', 'watch'])(
  '%s: the same lines, revisions and all',
  async (scenario) => {
    const [ours, theirs] = await both((target) => transcript(target, [scenario]));
    expect(ours).toEqual(theirs);
    expect(ours.length).toBeGreaterThan(5);
  },
  150_000,
);

test('a txn that is refused by a read inside it leaves no trace on any member', async () => {
  const refused = 'etcdserver: mvcc: required revision is a future revision';
  expect(await transcript((targets as NonNullable<typeof targets>).ours, ['refusedInside'])).toEqual(
    [0, 1, 2].flatMap((i) => [`refusedInside: member ${i}: ${refused}`, `refusedInside: member ${i}: a=1 v1`]),
  );
});

test('sessions, mutexes, elections, leases, keep-alive channels, software transactions, 2,000 KeepAliveOnce', async () => {
  const scenarios = ['stm', 'leases', 'keepAliveOnce', 'channels', 'session', 'mutex', 'election'];
  const [ours, theirs] = await both((target) => transcript(target, scenarios));
  expect(ours).toEqual(theirs);
  for (const name of scenarios) expect(ours.filter((line) => line.startsWith(`${name}: `))).not.toEqual([]);
  expect(ours).toContain('keepAliveOnce: 2000 calls');
  expect(ours).toContain('leases: keep-alive of the dead: etcdserver: requested lease not found');
  expect(ours).toContain('leases: the channel of the dead is open: false');
  expect(ours).toContain('channels: ten TTLs later: unread=x');
  expect(ours).toContain('channels: after Close a keep-alive has halted: true');
  expect(ours).toContain('mutex: 30 turns, at most 1 at a time; left: ""');
  expect(ours).toContain('stm: in the end: account0=100 account1=100 account2=100 account3=100');
}, 150_000);

test('a watch goes on where it was when its member is killed', async () => {
  const [ours, theirs] = await both((target) =>
    transcript(target, ['resume'], {
      'kill the first member': () => target.kill(0),
      'start the first member again': () => target.restart(0),
    }),
  );
  expect(ours).toEqual(theirs);
  expect(ours).toEqual(['resume: 400 values seen, all in order']);
}, 150_000);

test('without a leader a guarded keep-alive ends, and the other goes on when there is one again', async () => {
  const [ours, theirs] = await both((target) =>
    transcript(target, ['requireLeader'], {
      'take the others away': async () => {
        await target.kill(1);
        await target.kill(2);
      },
      'bring the others back': async () => {
        // One alone does not serve: the second is the quorum.
        await Promise.all([target.restart(1), target.restart(2)]);
      },
    }),
  );
  expect(ours).toEqual(theirs);
  expect(ours).toEqual(['requireLeader: the guarded one ends', 'requireLeader: the patient one goes on']);
}, 150_000);
