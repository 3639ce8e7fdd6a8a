/** Several members: whichever of them fails, calls that may be made again are answered by another; the leader is found; others are learnt. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Client } from '../../../src/client/client.ts';
import { systemClock } from '../../../src/client/clock.ts';
import { type CallFailure, type LeaseError, leaseError } from '../../../src/client/errors.ts';
import { Calls } from '../../../src/client/transport/calls.ts';
import type { Channel, Connect } from '../../../src/client/transport/channel.ts';
import { grpcConnect } from '../../../src/client/transport/grpc-channel.ts';
import { isUsable } from '../../../src/client/transport/member-list.ts';
import { Members } from '../../../src/client/transport/members.ts';
import { Streams } from '../../../src/client/transport/streams.ts';
import { decode, encode } from '../../../src/client/wire/codec.ts';
import { pause } from '../../cluster/processes.ts';
import { until } from '../../rpc/wire-client.ts';
import { startOurs } from '../../wire/targets.ts';
import { type ClientTarget, startTarget } from '../target.ts';

let target: ClientTarget;
beforeAll(async () => {
  target = await startTarget({ members: 3 });
}, 90_000);
afterAll(() => target.stop());

/** Counts what goes to which member. */
function counting(): { connect: Connect; calls: Map<string, string[]> } {
  const calls = new Map<string, string[]>();
  const inner = grpcConnect({ pingMs: 6_000 });
  const connect: Connect = (endpoint) => {
    const channel = inner(endpoint);
    const here: string[] = [];
    calls.set(endpoint, here);
    const counted: Channel = {
      endpoint,
      ready: (...args) => channel.ready(...args),
      unary: (path, ...args) => {
        here.push(path);
        return channel.unary(path, ...args);
      },
      stream: (path, ...args) => {
        here.push(path);
        return channel.stream(path, ...args);
      },
      close: () => channel.close(),
    };
    return counted;
  };
  return { connect, calls };
}

async function leaderAt(): Promise<number> {
  for (;;) {
    for (const [at, endpoint] of target.endpoints.entries()) {
      const channel = grpcConnect({ pingMs: 6_000 })(endpoint);
      try {
        const options = { metadata: {}, timeoutMs: 1_000 };
        const raw = await channel.unary('/etcdserverpb.Maintenance/Status', new Uint8Array(), options);
        const { leader, header } = decode('StatusResponse', raw);
        if (leader !== 0n && leader === header?.memberId) return at;
      } catch {
        // It is not there, or has just lost its leader: the next one knows.
      } finally {
        channel.close();
      }
    }
    await pause(50);
  }
}

test('members are listed, with where clients reach them', async () => {
  await using client = new Client({ endpoints: target.endpoints });
  const members = await client.members();
  expect(members).toHaveLength(3);
  expect(members.map(({ clientUrls }) => clientUrls[0]).sort()).toEqual(
    target.endpoints.map((endpoint) => `http://${endpoint}`).sort(),
  );
  expect(new Set(members.map(({ id }) => id)).size).toBe(3);
  for (const { name, isLearner, peerUrls } of members) {
    expect(name).toMatch(/^n[123]$/);
    expect(isLearner).toBe(false);
    expect(peerUrls).toHaveLength(1);
  }
});

test('a member is killed under load: reads are answered by others, no write happens twice, none is lost', async () => {
  await using client = new Client({ endpoints: target.endpoints, timeout: '20s' });
  let over = false;
  const granted: bigint[] = [];
  const unknown: unknown[] = [];
  let reads = 0;
  const reading = async (): Promise<void> => {
    for (; !over; reads++) await client.leases();
  };
  const writing = async (): Promise<void> => {
    while (!over) {
      try {
        granted.push((await client.grant('600s')).id);
      } catch (error) {
        expect(error).toMatchObject({ mayHaveApplied: true, retryable: true });
        unknown.push(error);
      }
    }
  };
  const load = [reading(), reading(), writing(), writing()];
  for (const victim of [0, 1, 2]) {
    const before = reads;
    await target.kill(victim);
    while (reads < before + 20) await pause(20);
    await target.restart(victim);
  }
  over = true;
  await Promise.all(load);
  expect(await client.leases()).toEqual(expect.arrayContaining(granted));
  // Two writers, three kills: no more than what was under way on the member that died, or waited for its leader.
  expect(unknown.length).toBeLessThanOrEqual(6);
  expect(new Set(granted).size).toBe(granted.length);
}, 120_000);

test('calls with nobody to lead fail with "no leader" at once or in their time, and nothing is applied', async () => {
  await using client = new Client({ endpoints: target.endpoints, timeout: '2s' });
  await client.leases();
  await target.kill(0);
  await target.kill(1);
  try {
    let last: unknown;
    const endMs = performance.now() + 20_000;
    do last = await client.grant('10s').catch((error: unknown) => error);
    while ((last as { code?: string }).code !== 'no_leader' && performance.now() < endMs);
    // The first attempt of that call may have been on its way while there was a leader; of the next one none was.
    last = await client.grant('10s').catch((error: unknown) => error);
    expect(last).toMatchObject({ code: 'no_leader', retryable: true, mayHaveApplied: false });
    // Without a leader this member still says who is in the cluster.
    expect(await client.members({ timeout: '10s' })).toHaveLength(3);
  } finally {
    await Promise.all([target.restart(0), target.restart(1)]);
  }
  expect((await client.grant('10s', { timeout: '20s' })).ttl).toBe(10n);
}, 120_000);

test('a member that is told to stop: it takes its leave, and of reads and writes none fails but by its own words', async () => {
  const ours = await startOurs();
  try {
    await using client = new Client({ endpoints: ours.endpoints, timeout: '20s' });
    let over = false;
    let calls = 0;
    const granted: bigint[] = [];
    const inDoubt: LeaseError[] = [];
    const load = Array.from({ length: 8 }, async (_, lane) => {
      for (; !over; calls++) {
        if (lane % 2 === 0) await client.leases();
        else
          await client.grant('600s').then(
            ({ id }) => granted.push(id),
            (error: LeaseError) => inDoubt.push(error),
          );
      }
    });
    for (const member of ours.cluster.members) {
      const before = calls;
      await member.stop('SIGTERM');
      while (calls < before + 50) await pause(20);
      member.start();
      await ours.cluster.ready();
    }
    over = true;
    await Promise.all(load);
    for (const error of inDoubt) expect(error).toMatchObject({ code: 'unavailable', mayHaveApplied: true });
    // At most what was under way, of four writers.
    expect(inDoubt.length).toBeLessThanOrEqual(12);
    expect(await client.leases()).toEqual(expect.arrayContaining(granted));
  } finally {
    await ours.stop();
  }
}, 120_000);

test('a stream on a member that loses its leader ends with "no leader"', async () => {
  const members = new Members(target.endpoints.slice(2), grpcConnect({ pingMs: 6_000 }), systemClock);
  const streams = new Streams(members, new Calls(members, systemClock, undefined, 10_000));
  const heard: string[] = [];
  const sink = {
    message: () => heard.push('message'),
    end: (failure: CallFailure | undefined) => heard.push(failure?.message ?? 'OK'),
  };
  const create = encode('WatchRequest', { createRequest: { key: Buffer.from('k') } });
  try {
    (await streams.open('watch', sink, { timeoutMs: 10_000 })).call.write(create);
    await until(() => heard.length === 1, 'the watch is created');
    await Promise.all([target.kill(0), target.kill(1)]);
    await until(() => heard.length === 2, 'the stream ends', 20_000);
    expect(heard).toEqual(['message', 'etcdserver: no leader']);
  } finally {
    members.close();
    await Promise.all([target.restart(0), target.restart(1)]);
  }
}, 60_000);

describe("prefer: 'leader'", () => {
  test('calls go to the leader once it is found, and after it to the next', async () => {
    const { connect, calls } = counting();
    await using client = new Client({ endpoints: target.endpoints, prefer: 'leader', connect, timeout: '20s' });
    const goesTo = async (at: number): Promise<void> => {
      const here = calls.get(target.endpoints[at] ?? '') ?? [];
      const endMs = performance.now() + 15_000;
      for (let inARow = 0; inARow < 5; ) {
        const before = here.filter((path) => path.endsWith('LeaseLeases')).length;
        await client.leases();
        inARow = here.filter((path) => path.endsWith('LeaseLeases')).length > before ? inARow + 1 : 0;
        if (inARow === 0) await pause(20);
        if (performance.now() > endMs) throw new Error(`calls do not go to ${target.endpoints[at]}`);
      }
    };
    const leader = await leaderAt();
    await goesTo(leader);
    await target.kill(leader);
    try {
      await goesTo(await leaderAt());
    } finally {
      await target.restart(leader);
    }
    // It asks rarely while nothing fails.
    const asked = (): number => [...calls.values()].flat().filter((path) => path.endsWith('Status')).length;
    const before = asked();
    for (let more = 0; more < 50; more++) await client.leases();
    expect(asked() - before).toBeLessThanOrEqual(3);
  }, 90_000);

  test('any other word is refused', () => {
    const options = { endpoints: ['127.0.0.1:1'], prefer: 'first' as 'any' };
    expect(() => new Client(options)).toThrow(/prefer is "first"; write 'any' or 'leader'/);
  });
});

test('discover: one endpoint is enough to reach the others when it is gone', async () => {
  const { connect, calls } = counting();
  const [given = ''] = target.endpoints;
  await using client = new Client({ endpoints: [given], discover: true, connect, timeout: '20s' });
  await client.leases();
  const endMs = performance.now() + 10_000;
  while (calls.size < 3 && performance.now() < endMs) await pause(20);
  expect([...calls.keys()].sort()).toEqual(
    [given, ...target.endpoints.slice(1).map((endpoint) => `http://${endpoint}`)].sort(),
  );
  await target.kill(0);
  try {
    expect((await client.grant('10s')).ttl).toBe(10n);
  } finally {
    await target.restart(0);
  }
}, 60_000);

test('which of the addresses that members name are used', () => {
  const far = ['https://10.0.0.1:2379'];
  const near = ['127.0.0.1:2379'];
  const usable = (url: string, given: readonly string[], tls = false): boolean => isUsable(url, given, tls);
  for (const url of ['http://0.0.0.0:2379', 'http://[::]:2379', 'http://[0:0:0:0:0:0:0:0]:2379', 'unix://x:1', '', 'x'])
    expect(usable(url, near), url).toBe(false);
  expect(usable('http://127.0.0.1:2379', near)).toBe(false);
  expect(usable('http://127.0.0.1:2479', near)).toBe(true);
  expect(usable('http://10.0.0.2:2379', near)).toBe(true);
  // A member's own loopback is not ours, and nothing leaves TLS that was given with it.
  expect(usable('https://127.0.0.1:2379', far)).toBe(false);
  expect(usable('https://[::1]:2379', far)).toBe(false);
  expect(usable('https://localhost:2379', far)).toBe(false);
  expect(usable('http://10.0.0.2:2379', far)).toBe(false);
  expect(usable('http://10.0.0.2:2379', ['10.0.0.1:2379'], true)).toBe(false);
  expect(usable('https://10.0.0.2:2379', far)).toBe(true);
});

describe('avoidance', () => {
  const unavailable = leaseError({ grpcCode: 14, message: 'x', sent: true } as never, 'read');
  /** Channels that are always there. */
  const connect: Connect = (endpoint) =>
    ({ endpoint, ready: async () => {}, close: () => {} }) as Partial<Channel> as Channel;
  const patience = { timeoutMs: 1_000 };

  test('one that failed is not chosen for a while, and is again later; calls that fail together count once', async () => {
    let nowMs = 0;
    const clock = { ...systemClock, monotonicMs: () => nowMs, random: () => 0.5 };
    const members = new Members(['a', 'b'], connect, clock);
    const first = await members.choose(patience);
    for (let together = 0; together < 50; together++) members.failed(first, unavailable);
    const second = await members.choose(patience);
    expect(second.endpoint).not.toBe(first.endpoint);
    // 100 ms after the first failure, whatever the number of calls.
    members.prefer(first);
    expect(await members.choose(patience)).toBe(second);
    nowMs = 101;
    members.prefer(first);
    expect(await members.choose(patience)).toBe(first);
    members.failed(first, unavailable);
    nowMs += 150;
    members.prefer(first);
    expect(await members.choose(patience)).toBe(second);
    nowMs += 51;
    members.prefer(first);
    expect(await members.choose(patience)).toBe(first);
    members.close();
  });

  test('where there is no other, one that failed is chosen all the same', async () => {
    const members = new Members(['a'], connect, systemClock);
    const only = await members.choose(patience);
    members.failed(only, unavailable);
    expect(await members.choose(patience)).toBe(only);
    members.close();
    await expect(members.choose(patience)).rejects.toMatchObject({ code: 'closed' });
  });

  test('no more than 64 endpoints, each once', () => {
    const members = new Members(['a', 'a'], connect, systemClock);
    expect(members.channels).toHaveLength(1);
    for (let more = 0; more < 100; more++) members.add(`b${more}`);
    expect(members.channels).toHaveLength(64);
    members.close();
  });
});

test('who waits for a member: as long as it likes, until cancelled, until the client is closed', async () => {
  const never: Connect = (endpoint) =>
    ({ endpoint, ready: () => new Promise(() => {}), close: () => {} }) as Partial<Channel> as Channel;
  const client = new Client({ endpoints: ['a:1', 'b:1'], connect: never });
  await expect(client.leases({ timeout: 50 })).rejects.toMatchObject({
    code: 'unavailable',
    message: 'no member could be reached in time',
    mayHaveApplied: false,
  });
  const abort = new AbortController();
  const cancelled = expect(client.grant('1s', { signal: abort.signal })).rejects.toMatchObject({
    code: 'cancelled',
    cause: 'enough',
    mayHaveApplied: false,
  });
  abort.abort('enough');
  await cancelled;
  const closed = expect(client.grant('1s')).rejects.toMatchObject({ code: 'closed', mayHaveApplied: false });
  await client.close();
  await closed;
  await expect(client.leases()).rejects.toMatchObject({ code: 'closed' });
});
