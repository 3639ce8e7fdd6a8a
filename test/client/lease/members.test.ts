/** Leases while members die and stand still: three members, one client, and what its holder sees. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { Client } from '../../../src/client/client.ts';
import type { Lease } from '../../../src/client/lease/lease.ts';
import type { Channel, Connect } from '../../../src/client/transport/channel.ts';
import { grpcConnect } from '../../../src/client/transport/grpc-channel.ts';
import { calls } from '../../../src/client/wire/schema.ts';
import { until } from '../../rpc/wire-client.ts';
import { type ClientTarget, startTarget } from '../target.ts';

let target: ClientTarget;
let client: Client;
/** Endpoint and method of every stream, in their order. */
let streams: { readonly endpoint: string; readonly path: string }[];

beforeAll(async () => {
  target = await startTarget({ members: 3 });
});
afterAll(() => target.stop());
beforeEach(() => {
  streams = [];
  client = new Client({ endpoints: target.endpoints, connect: watched });
});
afterEach(() => client.close());

const watched: Connect = (endpoint) => {
  const channel = grpcConnect({ pingMs: 5_000 })(endpoint);
  const watching: Channel = {
    endpoint,
    ready: (...args) => channel.ready(...args),
    unary: (...args) => channel.unary(...args),
    stream: (path, ...more) => {
      streams.push({ endpoint, path });
      return channel.stream(path, ...more);
    },
    close: () => channel.close(),
  };
  return watching;
};

/** The member that the client has its stream on. */
const used = (): number => target.endpoints.indexOf(streams.at(-1)?.endpoint ?? '');

/** Resolves when all have been renewed after this call; they must be held all the while. */
async function renewed(leases: readonly Lease[]): Promise<void> {
  const waiting = new Map(leases.map((lease) => [lease, performance.now() + lease.remaining + 100]));
  const again = (): boolean => {
    for (const [lease, deadlineMs] of waiting) {
      if (!lease.held()) throw new Error(`lease ${lease.id} is lost: ${lease.lost}`);
      if (performance.now() + lease.remaining < deadlineMs) return false;
      waiting.delete(lease);
    }
    return true;
  };
  await until(again, 'all leases are renewed', 60_000);
  for (const lease of leases) if (!lease.held()) throw new Error(`lease ${lease.id} is lost: ${lease.lost}`);
}

test('every member is killed once, the leader among them; no lease is lost', async () => {
  const leases = await Promise.all(Array.from({ length: 20 }, () => client.lease({ ttl: '8s' })));
  await renewed(leases);
  for (const member of [0, 1, 2]) {
    await target.kill(member);
    await renewed(leases);
    await target.restart(member);
  }
  const alive = await client.leases();
  expect(leases.every(({ id }) => alive.includes(id))).toBe(true);
});

test('the member that is asked stands still; another is asked in time', async () => {
  const leases = await Promise.all(Array.from({ length: 20 }, () => client.lease({ ttl: '8s' })));
  await renewed(leases);
  const member = used();
  target.freeze(member);
  try {
    await renewed(leases);
    expect(used()).not.toBe(member);
  } finally {
    target.thaw(member);
  }
});

test('no member is left: the signal aborts before the lease can have ended', async () => {
  const lease = await client.lease({ ttl: '3s' });
  await renewed([lease]);
  const sentMsMax = performance.now();
  for (const member of [0, 1, 2]) target.freeze(member);
  try {
    const deadlineMs = sentMsMax + 3_000;
    await new Promise<void>((resolve) => lease.signal.addEventListener('abort', () => resolve()));
    expect(performance.now()).toBeLessThan(deadlineMs);
    expect(lease.lost).toBe('unreachable');
  } finally {
    for (const member of [0, 1, 2]) target.thaw(member);
  }
});

test('10,000 leases on one stream, in the dialect that the members have', async () => {
  const leases: Lease[] = [];
  for (let made = 0; made < 10_000; made += 500)
    leases.push(...(await Promise.all(Array.from({ length: 500 }, () => client.lease({ ttl: '20s' })))));
  await renewed(leases);
  const paths = streams.map(({ path }) => path);
  expect(paths).toEqual(target.kind === 'etcd' ? [calls.keepAlive[0], calls.leaseKeepAlive[0]] : [calls.keepAlive[0]]);
  await Promise.all(leases.slice(0, 500).map((lease) => lease.close()));
  expect(leases.slice(500).every((lease) => lease.held())).toBe(true);
});
