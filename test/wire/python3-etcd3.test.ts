/**
 * A Python program on python3-etcd3 0.12 (as Debian packages it, unmodified) against three members of ours, a scenario through
 * each, and three real etcds. What it prints must be the same. Skipped, with the reason, where the packages are missing.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Target } from '../support/etcd-cluster.ts';
import { debian, missing, startBoth } from './targets.ts';

const { 'etcd-server': etcd, 'python3-etcd3': python } = debian;
const lacking = missing({ 'etcd-server': etcd, 'python3-etcd3': python });
const program = fileURLToPath(new URL('python/acceptance.py', import.meta.url));

let targets: Awaited<ReturnType<typeof startBoth>> | undefined;

beforeAll(async () => {
  if (lacking === undefined) targets = await startBoth();
});

afterAll(async () => {
  await targets?.ours.stop();
  await targets?.etcd.stop();
});

beforeEach(({ skip }) => {
  if (lacking !== undefined) skip(lacking);
});

/** What a scenario prints, through one member. */
function transcript(target: Target, member: number, scenario: string): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const endpoint = target.endpoints[member] as string;
    const child = spawn('/usr/bin/python3', [program, endpoint, 'py', scenario]);
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString();
    });
    const limit = setTimeout(() => child.kill('SIGKILL'), 60_000);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(limit);
      if (code === 0) resolve(out.trimEnd().split('\n'));
      else reject(new Error(`${endpoint}: exit ${code ?? signal}\n${out}${err}`));
    });
  });
}

const scenarios = ['kv', 'txn', 'nested', 'lease', 'watch', 'lock', 'members', 'compaction', 'maintenance'] as const;

test.each(scenarios.map((name, i) => [name, i % 3] as const))('%s, through member %i', async (scenario, member) => {
  const { ours, etcd: theirs } = targets as NonNullable<typeof targets>;
  const [one, other] = await Promise.all([transcript(ours, member, scenario), transcript(theirs, member, scenario)]);
  expect(one).toEqual(other);
  expect(one.join('')).not.toBe('');
});
