/** Watches and views over members that die: no gap, no repetition, and an honest listing where what came between is compacted. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Client, type WatchEvent } from '../../../src/client/client.ts';
import { LeaseError } from '../../../src/client/errors.ts';
import type { Channel } from '../../../src/client/transport/channel.ts';
import { grpcConnect } from '../../../src/client/transport/grpc-channel.ts';
import { calls } from '../../../src/client/wire/schema.ts';
import { until } from '../../rpc/wire-client.ts';
import { type ClientTarget, startTarget } from '../target.ts';

let target: ClientTarget;
let writer: Client;

beforeAll(async () => {
  target = await startTarget({ members: 3 });
  writer = new Client({ endpoints: target.endpoints, namespace: '/n/', timeout: '20s' });
});
afterAll(async () => {
  await writer.close();
  await target.stop();
});

/** A client of which it is known where its newest watch stream goes. */
function tracked(): { readonly client: Client; member(): number } {
  let endpoint = '';
  const connect = (to: string): Channel => {
    const channel = grpcConnect({ pingMs: 5_000 })(to);
    const stream: Channel['stream'] = (path, metadata, sink) => {
      if (path === calls.watch[0]) endpoint = to;
      return channel.stream(path, metadata, sink);
    };
    return {
      endpoint: to,
      stream,
      ready: (timeoutMs, signal) => channel.ready(timeoutMs, signal),
      unary: (path, request, options) => channel.unary(path, request, options),
      close: () => channel.close(),
    };
  };
  const client = new Client({ endpoints: target.endpoints, namespace: '/n/', connect });
  return { client, member: () => target.endpoints.indexOf(endpoint) };
}

/** What was written may have happened though it failed; the watch says. */
async function write(key: string, value: string): Promise<void> {
  try {
    await writer.put(key, value);
  } catch (error) {
    if (!(error instanceof LeaseError) || !error.mayHaveApplied) throw error;
  }
}

/** Done at least once: for writes where twice is as good. */
async function surely<T>(call: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof LeaseError) || !error.retryable || tries === 10) throw error;
    }
  }
}

test('members die under a watch, one after another, over 2,000 revisions', async () => {
  const { client, member } = tracked();
  const watch = client.watch({ prefix: 'k' }, { prevKv: true });
  const first = await watch.started();
  const view = await client.view({ prefix: 'k' });
  const revisions: bigint[] = [];
  const reading = (async () => {
    for await (const event of watch) revisions.push(event.type === 'put' ? event.revision : -1n);
  })();
  let dead: number | undefined;
  for (let i = 0; i < 2_000; i += 10) {
    if (i % 500 === 250) {
      if (dead !== undefined) await target.restart(dead);
      dead = member();
      await target.kill(dead);
    }
    await Promise.all(Array.from({ length: 10 }, (_, j) => write(`k${(i + j) % 50}`, String(i + j))));
  }
  const { revision, items } = await writer.list({ prefix: 'k' });
  await until(() => (revisions.at(-1) ?? 0n) >= revision && view.revision >= revision, 'all is told', 20_000);
  expect(revisions).toEqual(Array.from({ length: Number(revision - first) + 1 }, (_, i) => first + BigInt(i)));
  expect(revisions.length).toBeGreaterThanOrEqual(1_900);
  expect(view.entries().map(({ keyText, text }) => [keyText, text])).toEqual(
    items.map(({ keyText, text }) => [keyText, text]),
  );
  if (dead !== undefined) await target.restart(dead);
  await client.close();
  await expect(reading).rejects.toMatchObject({ code: 'closed' });
}, 180_000);

test('compacted while the member was away: a listing at one revision, then what follows; a view tells what differs', async () => {
  await surely(() => writer.put('c/gone', 'before'));
  await surely(() => writer.put('c/same', 'before'));
  const client = new Client({ endpoints: target.endpoints.slice(0, 1), namespace: '/n/' });
  const events = client.watch({ prefix: 'c/' })[Symbol.asyncIterator]();
  /** The first that is wanted: what was written twice is told twice. */
  const told = async (wanted: (event: WatchEvent) => boolean): Promise<WatchEvent> => {
    for (;;) {
      const { value, done } = await events.next();
      if (done === true) throw new Error('the watch ended in silence');
      if (wanted(value)) return value;
    }
  };
  const view = await client.view({ prefix: 'c/' });
  const { revision: seen } = await surely(() => writer.put('c/same', 'now'));
  await told((event) => event.revision === seen);
  await until(() => view.revision >= seen, 'the view has it');
  const changes = view.changes();
  const change = changes.next();
  await target.kill(0);
  const others = new Client({ endpoints: target.endpoints.slice(1), namespace: '/n/', timeout: '20s' });
  await surely(() => others.put('c/new', 'meanwhile'));
  const { revision } = await surely(() => others.delete('c/gone'));
  await others.compact(revision);
  await target.restart(0);
  const resync = await told(({ type }) => type !== 'put');
  expect(resync).toMatchObject({ type: 'resync', items: [{ keyText: 'c/new' }, { keyText: 'c/same' }] });
  expect(resync.revision).toBeGreaterThanOrEqual(revision);
  expect([(await change).value, (await changes.next()).value]).toMatchObject([
    { type: 'put', keyText: 'c/new', prev: undefined },
    { type: 'delete', keyText: 'c/gone', prev: { text: 'before' } },
  ]);
  const after = await surely(() => others.put('c/after', '1'));
  await told((event) => event.type === 'put' && event.keyText === 'c/after' && event.revision === after.revision);
  await others.close();
  await client.close();
}, 120_000);
