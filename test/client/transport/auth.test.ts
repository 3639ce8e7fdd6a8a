/** User and password, against a real etcd whose tokens are short-lived. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Client } from '../../../src/client/client.ts';
import { systemClock } from '../../../src/client/clock.ts';
import { LeaseError } from '../../../src/client/errors.ts';
import { Calls } from '../../../src/client/transport/calls.ts';
import type { Channel, Connect, Metadata } from '../../../src/client/transport/channel.ts';
import { grpcConnect } from '../../../src/client/transport/grpc-channel.ts';
import { Members } from '../../../src/client/transport/members.ts';
import { Streams } from '../../../src/client/transport/streams.ts';
import { Tokens } from '../../../src/client/transport/tokens.ts';
import { decode, encode } from '../../../src/client/wire/codec.ts';
import { pause } from '../../cluster/processes.ts';
import { until } from '../../rpc/wire-client.ts';
import { etcdInstalled, RealEtcd } from '../../support/real-etcd.ts';

const auth = { user: 'root', password: 'secret' };
const suite = describe.skipIf(!etcdInstalled);

/** After this a token of one second has run out. Asking whether it has would make it live on. */
const tokenMsMax = 2_600;

/** Fields 1 and 2 as strings: how etcd's user and role requests begin. */
function strings(...fields: readonly string[]): Uint8Array {
  return Buffer.concat(
    fields.map((text, at) => Buffer.concat([Buffer.from([((at + 1) << 3) | 2, text.length]), Buffer.from(text)])),
  );
}

async function admin(etcd: RealEtcd, path: string, request: Uint8Array, token?: string): Promise<void> {
  const channel = grpcConnect({ pingMs: 6_000 })(etcd.address);
  const metadata = token === undefined ? {} : { token };
  await channel.unary(`/etcdserverpb.Auth/${path}`, request, { metadata, timeoutMs: 10_000 });
  channel.close();
}

async function secured(etcd: RealEtcd): Promise<void> {
  await admin(etcd, 'UserAdd', strings(auth.user, auth.password));
  await admin(etcd, 'RoleAdd', strings('root'));
  await admin(etcd, 'UserGrantRole', strings('root', 'root'));
  await admin(etcd, 'AuthEnable', new Uint8Array());
}

/** Counts what is asked. */
function counting(): { connect: Connect; asked: string[]; tokens: Set<string | undefined> } {
  const asked: string[] = [];
  const tokens = new Set<string | undefined>();
  const inner = grpcConnect({ pingMs: 6_000 });
  const connect: Connect = (endpoint) => {
    const channel = inner(endpoint);
    const note = (path: string, metadata: Metadata): void => {
      asked.push(path.replace(/.*\//, ''));
      tokens.add(metadata['token']);
    };
    return {
      endpoint,
      ready: (...args) => channel.ready(...args),
      unary: (path, request, options) => {
        note(path, options.metadata);
        return channel.unary(path, request, options);
      },
      stream: (path, metadata, sink) => {
        note(path, metadata);
        return channel.stream(path, metadata, sink);
      },
      close: () => channel.close(),
    };
  };
  return { connect, asked, tokens };
}

const count = (asked: readonly string[], name: string): number => asked.filter((each) => each === name).length;

suite('with authentication on, tokens of one second', () => {
  let etcd: RealEtcd;
  beforeAll(async () => {
    etcd = await RealEtcd.start({ 'auth-token-ttl': '1', 'bcrypt-cost': '4' });
    await secured(etcd);
  }, 60_000);
  afterAll(() => etcd?.stop());

  test('calls bring a token, fetched once for all who come together', async () => {
    const { connect, asked } = counting();
    await using client = new Client({ endpoints: [etcd.address], auth, connect });
    await Promise.all(Array.from({ length: 100 }, () => client.leases()));
    expect(count(asked, 'Authenticate')).toBe(1);
  });

  test('a token that has run out: the calls do not notice, and it is fetched once', async () => {
    const { connect, asked } = counting();
    const calls = rawCalls(connect, true);
    await calls.put();
    await pause(tokenMsMax);
    // Writes that may be made once only: one that was refused for its token was not applied.
    await Promise.all(Array.from({ length: 100 }, () => calls.put()));
    expect(count(asked, 'Authenticate')).toBe(2);
    expect(count(asked, 'Put')).toBeGreaterThan(101);
    calls.close();
  });

  test('users and roles have changed: tokens of before are refused, and the calls do not notice', async () => {
    const { connect, asked } = counting();
    const calls = rawCalls(connect, true);
    await calls.put();
    await calls.call('UserChangePassword', strings(auth.user, auth.password));
    await Promise.all(Array.from({ length: 20 }, () => calls.put()));
    expect(count(asked, 'Authenticate')).toBeLessThanOrEqual(3);
    calls.close();
  });

  test('a wrong password: at once, without a second try, and the same for all who wait', async () => {
    const { connect, asked } = counting();
    const wrong = { user: 'root', password: 'wrong' };
    await using client = new Client({ endpoints: [etcd.address], auth: wrong, connect, timeout: '30s' });
    const fromMs = performance.now();
    const ends = await Promise.allSettled(Array.from({ length: 20 }, () => client.grant('10s')));
    expect(performance.now() - fromMs).toBeLessThan(5_000);
    for (const end of ends)
      expect(end).toMatchObject({
        reason: { code: 'auth_failed', retryable: false, mayHaveApplied: false },
      });
    expect(count(asked, 'Authenticate')).toBe(1);
    expect(count(asked, 'LeaseGrant')).toBe(0);
  });

  test('no name at all: refused, and not tried again', async () => {
    const { connect, asked } = counting();
    await using client = new Client({ endpoints: [etcd.address], connect, timeout: '30s' });
    await expect(client.leases()).resolves.toBeDefined();
    const calls = rawCalls(connect);
    await expect(calls.put()).rejects.toMatchObject({ code: 'permission_denied', mayHaveApplied: false });
    expect(count(asked, 'Put')).toBe(1);
    calls.close();
  });

  test('streams: one that was refused for its token is opened again with another', async () => {
    const { connect, tokens } = counting();
    const { members, streams, close } = rawCalls(connect, true);
    const watch = async (): Promise<string> => {
      const heard: string[] = [];
      const sink = {
        message: (bytes: Uint8Array) => {
          const { canceled, cancelReason } = decode('WatchResponse', bytes);
          heard.push(canceled ? cancelReason : 'created');
        },
        end: () => heard.push('ended'),
      };
      const stream = await streams.open('watch', sink, { timeoutMs: 10_000 });
      stream.call.write(encode('WatchRequest', { createRequest: { key: Buffer.from('k') } }));
      await until(() => heard.length > 0, 'an answer');
      stream.call.cancel();
      if (heard[0] !== 'created') streams.failed(stream.channel, refusal);
      return heard[0] ?? '';
    };
    const refusal = new LeaseError('invalid_auth_token', 'etcdserver: invalid auth token', { retryable: true });
    expect(await watch()).toBe('created');
    await pause(tokenMsMax);
    expect(await watch()).not.toBe('created');
    expect(await watch()).toBe('created');
    expect([...tokens].filter((token) => token !== undefined)).toHaveLength(2);
    // The member was not at fault.
    expect(members.channels).toHaveLength(1);
    close();
  });

  /** The layers below a client, for calls that it has no method for. */
  function rawCalls(connect: Connect, named = false) {
    const members = new Members([etcd.address], connect, systemClock);
    const tokens = named ? new Tokens(members, auth, systemClock) : undefined;
    const calls = new Calls(members, systemClock, tokens, 10_000);
    const put = () => calls.call('put', { key: Buffer.from('k') }, { kind: 'once' });
    /** As the user, for what the library has no call for. */
    const call = async (path: string, request: Uint8Array) => {
      const metadata = await calls.metadata({ withoutLeader: true, timeoutMs: 10_000 });
      const channel = await members.choose({ timeoutMs: 10_000 });
      await channel.unary(`/etcdserverpb.Auth/${path}`, request, { metadata, timeoutMs: 10_000 });
    };
    return { members, streams: new Streams(members, calls), put, call, close: () => members.close() };
  }
});

suite('with authentication off', () => {
  test('a name is no harm, and asked for no more; once it is switched on, a token is fetched', async () => {
    const etcd = await RealEtcd.start({ 'bcrypt-cost': '4' });
    const { connect, asked } = counting();
    const members = new Members([etcd.address], connect, systemClock);
    try {
      const calls = new Calls(members, systemClock, new Tokens(members, auth, systemClock), 10_000);
      const put = () => calls.call('put', { key: Buffer.from('k') }, { kind: 'once' });
      for (let more = 0; more < 5; more++) await put();
      expect(count(asked, 'Authenticate')).toBe(1);
      await secured(etcd);
      await put();
      expect(count(asked, 'Authenticate')).toBe(2);
    } finally {
      members.close();
      etcd.stop();
    }
  }, 30_000);
});

describe('tokens', () => {
  /** A member that gives out `t1`, `t2`, … when the test says so. */
  function scripted() {
    let given = 0;
    const waiting: (() => void)[] = [];
    const channel = {
      endpoint: 'a',
      ready: async () => {},
      unary: async () => {
        await new Promise<void>((resolve) => waiting.push(resolve));
        return encode('AuthenticateResponse', { token: `t${++given}` });
      },
      close: () => {},
    } as Partial<Channel> as Channel;
    const members = new Members(['a'], () => channel, systemClock);
    const give = async (): Promise<void> => {
      await until(() => waiting.length > 0, 'a token is asked for');
      waiting.shift()?.();
    };
    return { tokens: new Tokens(members, auth, systemClock), waiting, give };
  }
  const patience = { timeoutMs: 10_000 };

  test('the refusal of an old one does not throw away a newer one', async () => {
    const { tokens, waiting, give } = scripted();
    const first = tokens.current(patience);
    await give();
    expect(await first).toBe('t1');
    tokens.refused('t1');
    tokens.refused('t1');
    const second = Promise.all([tokens.current(patience), tokens.current(patience)]);
    await give();
    expect(await second).toEqual(['t2', 't2']);
    tokens.refused('t1');
    expect(await tokens.current(patience)).toBe('t2');
    expect(waiting).toHaveLength(0);
  });

  test('who waits goes when his time is over or he is cancelled; the others get it all the same', async () => {
    const { tokens, give } = scripted();
    const abort = new AbortController();
    const short = expect(tokens.current({ timeoutMs: 30 })).rejects.toMatchObject({ code: 'unavailable' });
    const cancelled = expect(tokens.current({ timeoutMs: 10_000, signal: abort.signal })).rejects.toMatchObject({
      code: 'cancelled',
    });
    const long = tokens.current(patience);
    abort.abort();
    await Promise.all([short, cancelled]);
    await give();
    expect(await long).toBe('t1');
  });
});
