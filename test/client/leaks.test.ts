/**
 * What comes and goes leaves nothing: clients, leases, watches, views, locks, terms, registrations and keepAlives, closed in all orders, with a
 * member and without one. `CYCLES=10000` for more of them; the bounds stay what they are.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { Client } from '../../src/client/client.ts';
import { freePorts, pause } from '../cluster/processes.ts';
import type { Said } from './leaks-process.ts';
import { startTarget } from './target.ts';

const cycles = Number(process.env['CYCLES'] ?? 300);
const unreachableCycles = cycles / 2;
/** Of the heap, between a tenth of the cycles and all: code that is warmer, not what cycles left. */
const growthMibMax = 2;
const limitMs = 120_000 + cycles * 200;

async function run(endpoints: readonly string[], many: number, ...more: string[]): Promise<Said> {
  const script = join(import.meta.dirname, 'leaks-process.ts');
  const flags = ['--expose-gc', '--import', 'tsx', script, JSON.stringify({ endpoints, cycles: many }), ...more];
  const { stdout } = await promisify(execFile)(process.execPath, flags, { timeout: limitMs });
  return JSON.parse(stdout) as Said;
}

function expectNothingLeft(said: Said): void {
  expect(said.unhandled).toEqual([]);
  expect(said.resourcesAfter).toEqual(said.resourcesBefore);
  expect(said.handlesAfter).toBe(said.handlesBefore);
  expect(said.timersAfter).toBe(said.timersBefore);
  expect(
    Object.values(said.listeners).every((count) => count === 0),
    JSON.stringify(said.listeners),
  ).toBe(true);
  const { heapMib } = said;
  expect((heapMib.at(-1) ?? 0) - (heapMib[0] ?? 0), JSON.stringify(heapMib)).toBeLessThan(growthMibMax);
}

test('with a member: handles, timers, listeners, memory, and what the member holds', { timeout: limitMs }, async () => {
  const target = await startTarget();
  try {
    const said = await run(target.endpoints, cycles);
    expectNothingLeft(said);
    for (const name of [
      'lease closed',
      'lock released',
      'watch read and closed',
      'election won and left',
      'view closed',
    ])
      expect(said.outcomes[`${name} ok`], JSON.stringify(said.outcomes)).toBeGreaterThan(0);
    const metrics = async (): Promise<string> => await (await fetch(`http://${target.endpoints[0]}/metrics`)).text();
    const sum = (text: string, name: string): number =>
      [...text.matchAll(new RegExp(`^${name}(?:{[^}]*})? (\\d+)`, 'gm'))].reduce(
        (all, [, each]) => all + Number(each),
        0,
      );
    const open = (text: string) => ({
      watchers: sum(text, 'etcd_debugging_mvcc_watcher_total'),
      watchStreams: sum(text, 'etcd_debugging_mvcc_watch_stream_total'),
      calls: sum(text, 'grpc_server_started_total') - sum(text, 'grpc_server_handled_total'),
    });
    const client = new Client({ endpoints: target.endpoints });
    let left: object = {};
    // What clients left to itself ends with its TTL.
    for (let tries = 0; tries < 100; tries++) {
      left = { ...open(await metrics()), leases: (await client.leases()).length };
      if (Object.values(left).every((count) => count === 0)) break;
      await pause(100);
    }
    await client.close();
    expect(left).toEqual({ watchers: 0, watchStreams: 0, calls: 0, leases: 0 });
  } finally {
    await target.stop();
  }
});

test('where there is no member', { timeout: limitMs }, async () => {
  const [port] = await freePorts(1);
  const said = await run([`127.0.0.1:${port}`], unreachableCycles, 'unreachable');
  expectNothingLeft(said);
  expect(
    Object.keys(said.outcomes).filter((outcome) => / (timeout|unavailable)$/.test(outcome)).length,
  ).toBeGreaterThan(3);
});
