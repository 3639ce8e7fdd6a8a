/** Watches that come and go leave nothing: no watcher on the member, no listener on a signal that lives on, no memory. */
import { getEventListeners } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { Client } from '../../../src/client/client.ts';
import { until } from '../../rpc/wire-client.ts';
import { FakeClock, FakeMembers, settled } from '../fake-members.ts';
import { startTarget } from '../target.ts';

test('on a member: 1,000 watches made and left, before and after they stood, read and not', async () => {
  const target = await startTarget();
  const client = new Client({ endpoints: target.endpoints });
  const stop = new AbortController();
  const { signal } = stop;
  const watchers = async (): Promise<number> => {
    const text = await (await fetch(`http://${target.endpoints[0]}/metrics`)).text();
    return Number(/^etcd_debugging_mvcc_watcher_total (\d+)/m.exec(text)?.[1]);
  };
  const kept = client.watch('kept');
  await kept.started();
  const one = async (i: number): Promise<void> => {
    const watch = client.watch(`k${i}`, { signal });
    if (i % 4 === 0) return watch.close();
    await watch.started();
    if (i % 4 === 1) return watch.close();
    await client.put(`k${i}`, 'v');
    for await (const _ of watch) break;
  };
  for (let i = 0; i < 1_000; i += 50) await Promise.all(Array.from({ length: 50 }, (_, j) => one(i + j)));
  expect(getEventListeners(signal, 'abort')).toEqual([]);
  let left = Number.NaN;
  for (let tries = 0; tries < 100 && left !== 1; tries++) left = await watchers();
  expect(left).toBe(1);
  let ended = false;
  const reading = (async () => {
    for await (const _ of client.watch('last', { signal })) expect.unreachable();
    ended = true;
  })();
  stop.abort();
  await until(() => ended, 'the signal has ended it');
  await reading;
  await client.close();
  await target.stop();
});

test('in the process: 10,000 watches, views and clients that came and went', async () => {
  setFlagsFromString('--expose_gc');
  const gc = runInNewContext('gc') as () => void;
  const clock = new FakeClock();
  const members = new FakeMembers();
  const { signal } = new AbortController();
  const client = new Client({ endpoints: ['a:1'], clock, connect: members.connect });
  const cycle = async (i: number): Promise<void> => {
    const own = i % 10 === 0 ? new Client({ endpoints: ['a:1'], clock, connect: members.connect }) : client;
    const watch = own.watch(`k${i}`, { signal });
    const reading = watch[Symbol.asyncIterator]()
      .next()
      .catch(() => undefined);
    if (i % 10 === 5) (await own.view('v')).close();
    if (own !== client) await own.close();
    else watch.close();
    await reading;
    members.streams.length = 0;
    members.asked.length = 0;
    members.ranges.length = 0;
  };
  const heap = async (cycles: number): Promise<number> => {
    for (let i = 0; i < cycles; i++) await cycle(i);
    await settled();
    gc();
    return process.memoryUsage().heapUsed;
  };
  const before = await heap(2_000);
  const after = await heap(10_000);
  expect(after - before).toBeLessThan(2 * 1024 * 1024);
  expect(clock.timers).toBe(0);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
  await client.close();
});
