/** The channel in memory against the one on sockets: whatever is done to both, both say the same, in gRPC's codes and texts. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CallFailure } from '../../../src/client/errors.ts';
import { TestCluster } from '../../../src/client/testing/test-cluster.ts';
import type { Channel, StreamCall } from '../../../src/client/transport/channel.ts';
import { grpcConnect } from '../../../src/client/transport/grpc-channel.ts';
import { wire } from '../../../src/rpc/messages.ts';
import { Fixture } from '../../rpc/wire-client.ts';

let fixture: Fixture;
let cluster: TestCluster;
beforeAll(async () => {
  fixture = await Fixture.start();
  cluster = await TestCluster.start({ members: 1 });
});
afterAll(async () => {
  await cluster.stop();
  await fixture.stop();
});

type Said = readonly unknown[];

/** A stream that notes what it hears. */
class Heard {
  readonly said: unknown[] = [];
  readonly messages: Uint8Array[] = [];
  readonly call: StreamCall;
  readonly ended: Promise<void>;
  #next: (() => void)[] = [];

  constructor(channel: Channel, path: string) {
    let end = (): void => {};
    this.ended = new Promise((resolve) => {
      end = resolve;
    });
    this.call = channel.stream(
      path,
      {},
      {
        message: (bytes) => {
          this.messages.push(bytes);
          for (const wake of this.#next.splice(0)) wake();
        },
        end: (failure) => {
          this.said.push(ending(failure));
          end();
        },
      },
    );
  }

  async count(atLeast: number): Promise<void> {
    while (this.messages.length < atLeast) await new Promise<void>((resolve) => this.#next.push(resolve));
  }
}

function ending(failure: unknown): unknown {
  if (failure === undefined) return 'OK';
  if (!(failure instanceof CallFailure)) throw failure;
  const { grpcCode, message } = failure;
  return { grpcCode, text: message.replace(/ after .*$/, '') };
}

async function asked(channel: Channel, path: string, request: Uint8Array, timeoutMs = 5_000): Promise<unknown> {
  try {
    return (await channel.unary(path, request, { metadata: {}, timeoutMs })).length > 0;
  } catch (error) {
    return ending(error);
  }
}

const grant = (channel: Channel, id: number): Promise<unknown> =>
  asked(channel, '/etcdserverpb.Lease/LeaseGrant', wire.LeaseGrantRequest.encode({ TTL: 100, ID: id }));

const put = (channel: Channel, value: Uint8Array): Promise<unknown> =>
  asked(channel, '/etcdserverpb.KV/Put', wire.PutRequest.encode({ key: Buffer.from('k'), value }));

const cases: Readonly<Record<string, (channel: Channel) => Promise<Said>>> = {
  'answers and refusals': async (channel) => [
    await grant(channel, 1),
    await grant(channel, 1),
    await asked(channel, '/etcdserverpb.Lease/LeaseRevoke', wire.LeaseRevokeRequest.encode({ ID: 2 })),
    await asked(channel, '/etcdserverpb.KV/Put', wire.PutRequest.encode({ key: Buffer.from('') })),
  ],
  'no such method': async (channel) => {
    const stream = new Heard(channel, '/etcdserverpb.Lease/Nothing');
    await stream.ended;
    return [await asked(channel, '/etcdserverpb.Lease/Nothing', Buffer.of()), ...stream.said];
  },
  'bytes that are no message': async (channel) => {
    const stream = new Heard(channel, '/etcdserverpb.Lease/LeaseKeepAlive');
    stream.call.write(Buffer.of(0xff));
    await stream.ended;
    return [await asked(channel, '/etcdserverpb.Lease/LeaseGrant', Buffer.of(0xff)), ...stream.said];
  },
  'a message that is too large': async (channel) => [
    await put(channel, new Uint8Array(1_600_000)),
    await put(channel, new Uint8Array(3_000_000)),
  ],
  'a deadline that has passed': async (channel) => {
    const lock = wire.RangeRequest.encode({ key: Buffer.from('k') });
    return [await asked(channel, '/etcdserverpb.KV/Range', lock, 0)];
  },
  'cancelled before it begins, and under way': async (channel) => {
    const said: unknown[] = [];
    const stop = new AbortController();
    for (const begun of [true, false]) {
      if (!begun) stop.abort();
      const request = wire.LeaseGrantRequest.encode({ TTL: 100 });
      const options = { metadata: {}, timeoutMs: 5_000, signal: stop.signal };
      const call = channel.unary('/etcdserverpb.Lease/LeaseGrant', request, options);
      stop.abort();
      said.push(await call.then(() => 'answered', ending));
    }
    return said;
  },
  'a stream: an answer each, then our end is its end': async (channel) => {
    await grant(channel, 3);
    const stream = new Heard(channel, '/etcdserverpb.Lease/LeaseKeepAlive');
    for (const ID of [3, 4, 3]) stream.call.write(wire.LeaseKeepAliveRequest.encode({ ID }));
    await stream.count(3);
    stream.call.end();
    await stream.ended;
    stream.call.write(Buffer.of());
    stream.call.cancel();
    return [...stream.messages.map((bytes) => String(wire.LeaseKeepAliveResponse.decode(bytes).TTL)), ...stream.said];
  },
  'a stream that we cancel': async (channel) => {
    const stream = new Heard(channel, '/etcdserverpb.Watch/Watch');
    const createRequest = { key: Buffer.from('k') };
    stream.call.write(wire.WatchRequest.encode({ requestUnion: 'createRequest', createRequest }));
    await stream.count(1);
    stream.call.cancel();
    const atOnce = stream.said.length;
    await stream.ended;
    return [atOnce, ...stream.said];
  },
  'no request at all': async (channel) => {
    const said: unknown[] = [];
    for (const path of ['/etcdserverpb.Lease/LeaseLeases', '/grpc.health.v1.Health/Watch']) {
      const stream = new Heard(channel, path);
      stream.call.end();
      await stream.ended;
      said.push(...stream.said);
    }
    return said;
  },
  'one request, many answers; a unary method as a stream': async (channel) => {
    const health = new Heard(channel, '/grpc.health.v1.Health/Watch');
    health.call.write(wire.HealthCheckRequest.encode({}));
    health.call.end();
    await health.count(1);
    health.call.cancel();
    await health.ended;
    const unary = new Heard(channel, '/etcdserverpb.Lease/LeaseLeases');
    unary.call.write(Buffer.of());
    unary.call.end();
    await unary.ended;
    return [health.messages.length, ...health.said, unary.messages.length, ...unary.said];
  },
  'closed under way, and asked after that': async (channel) => {
    const stream = new Heard(channel, '/etcdserverpb.Watch/Watch');
    const createRequest = { key: Buffer.from('k') };
    stream.call.write(wire.WatchRequest.encode({ requestUnion: 'createRequest', createRequest }));
    await stream.count(1);
    channel.close();
    await stream.ended;
    const after = new Heard(channel, '/etcdserverpb.Watch/Watch');
    await after.ended;
    const ready = await channel.ready(100).catch((error: CallFailure) => error.grpcCode);
    return [...stream.said, ...after.said, await grant(channel, 9), ready];
  },
  'a reader that stops: nothing is lost, and the sender waits': async (channel) => {
    const stream = new Heard(channel, '/etcdserverpb.Watch/Watch');
    const createRequest = { key: Buffer.from('k') };
    stream.call.write(wire.WatchRequest.encode({ requestUnion: 'createRequest', createRequest }));
    await stream.count(1);
    stream.call.pause();
    const value = new Uint8Array(1_000_000);
    for (let i = 0; i < 12; i++) await put(channel, value);
    const whilePaused = stream.messages.length <= 2;
    stream.call.resume();
    let events = 0;
    for (let seen = 1; events < 12; seen++) {
      await stream.count(seen + 1);
      events += wire.WatchResponse.decode(stream.messages[seen] as Uint8Array).events.length;
    }
    stream.call.cancel();
    await stream.ended;
    return [whilePaused, events];
  },
};

test.each(Object.entries(cases))('%s', async (_name, run) => {
  const [endpoint] = cluster.endpoints;
  const memory = cluster.process().connect(endpoint as string);
  const sockets = grpcConnect({ pingMs: 5_000 })(`127.0.0.1:${fixture.port}`);
  const expected = await run(sockets);
  const found = await cluster.until(run(memory));
  sockets.close();
  memory.close();
  expect(found).toEqual(expected);
  expect(expected.length).toBeGreaterThan(0);
});

test('a member that is not there: who asks is refused, and is connected when it comes', async () => {
  const process = cluster.process();
  const channel = process.connect(cluster.endpoints[0] as string);
  cluster.kill(0);
  const request = wire.LeaseGrantRequest.encode({ TTL: 100 });
  await cluster.until(async () => {
    const refused = await channel
      .unary('/etcdserverpb.Lease/LeaseGrant', request, { metadata: {}, timeoutMs: 5_000 })
      .catch((error: unknown) => error);
    expect(refused).toMatchObject({ grpcCode: 14, sent: false });
    const late = await channel.ready(1_000).catch((error: unknown) => error);
    expect(late).toMatchObject({ grpcCode: 14, sent: false });
    cluster.restart(0);
    await cluster.advance('2s');
    await channel.ready(1_000);
    channel.close();
    await expect(channel.ready(1_000)).rejects.toMatchObject({
      grpcCode: 14,
      message: expect.stringContaining('closed'),
    });
  });
});
