/** What a channel says of calls that fail, by real sockets: above all whether any of the request can have left (`sent`). */
import { constants } from 'node:http2';
import { afterEach, describe, expect, test } from 'vitest';
import { CallFailure, grpcCodes } from '../../../src/client/errors.ts';
import type { Channel } from '../../../src/client/transport/channel.ts';
import { callFailureOf, grpcConnect } from '../../../src/client/transport/grpc-channel.ts';
import { until } from '../../rpc/wire-client.ts';
import { TcpProxy } from '../../support/proxy.ts';
import { answer, framed, type OnCall, StrangeMember, whenAsked } from './strange-member.ts';

const open: { stop(): void }[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each.stop();
});

function channelTo(endpoint: string, pingMs = 60_000): Channel {
  const channel = grpcConnect({ pingMs })(endpoint);
  open.push({ stop: () => channel.close() });
  return channel;
}
async function serving(onCall: OnCall, host?: string): Promise<StrangeMember> {
  const member = await StrangeMember.serving(onCall, host);
  open.push(member);
  return member;
}
async function sockets(onConnection?: Parameters<typeof StrangeMember.socket>[0]): Promise<StrangeMember> {
  const member = await StrangeMember.socket(onConnection);
  open.push(member);
  return member;
}

const request = Buffer.from('request');
const call = (channel: Channel, timeoutMs = 10_000, signal?: AbortSignal): Promise<Uint8Array> =>
  channel.unary('/test.Service/Method', request, { metadata: {}, timeoutMs, signal });
async function failureOf(step: Promise<unknown>): Promise<{ code: number; sent: boolean; text: string }> {
  const failure = await step.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(failure instanceof CallFailure)) throw new Error(`no failure of a call: ${String(failure)}`);
  return { code: failure.grpcCode, sent: failure.sent, text: failure.message };
}

describe('what certainly never left', () => {
  test('a refused connection', async () => {
    const gone = await sockets();
    gone.stop();
    const failure = await failureOf(call(channelTo(gone.endpoint)));
    expect(failure).toMatchObject({ code: grpcCodes.unavailable, sent: false });
    expect(failure.text).toMatch(/ECONNREFUSED/);
  });

  test('a name that there is none of', async () => {
    const failure = await failureOf(call(channelTo('no.such.host.invalid:2379')));
    expect(failure).toMatchObject({ code: grpcCodes.unavailable, sent: false });
    expect(failure.text).toMatch(/no\.such\.host\.invalid cannot be looked up: E/);
  });

  test('a connection that is cut before it is one', async () => {
    const member = await sockets((socket) => socket.resetAndDestroy());
    expect(await failureOf(call(channelTo(member.endpoint)))).toMatchObject({
      code: grpcCodes.unavailable,
      sent: false,
    });
  });

  test('a deadline that passes before there is a connection: the member takes it, and is silent', async () => {
    const member = await sockets();
    const failure = await failureOf(call(channelTo(member.endpoint), 200));
    expect(failure).toMatchObject({ code: grpcCodes.deadlineExceeded, sent: false });
    expect(member.connections).toBe(1);
  });

  test('a call cancelled before there is a connection, and one cancelled before it began', async () => {
    const member = await sockets();
    const abort = new AbortController();
    const failing = failureOf(call(channelTo(member.endpoint), 10_000, abort.signal));
    await until(() => member.connections === 1, 'it connects');
    abort.abort();
    expect(await failing).toMatchObject({ code: grpcCodes.cancelled, sent: false });
    const late = failureOf(call(channelTo(member.endpoint), 10_000, abort.signal));
    expect(await late).toMatchObject({ code: grpcCodes.cancelled, sent: false });
  });

  test('a channel that is closed', async () => {
    const member = await serving((stream) => whenAsked(stream, () => answer(stream, request)));
    const channel = channelTo(member.endpoint);
    expect(await call(channel)).toHaveLength(request.length);
    channel.close();
    expect(await failureOf(call(channel))).toMatchObject({ sent: false });
    expect(await failureOf(channel.ready(1_000))).toMatchObject({ sent: false });
    const ends: (CallFailure | undefined)[] = [];
    const stream = channel.stream('/test.Service/Method', {}, { message: () => {}, end: (end) => ends.push(end) });
    stream.write(request);
    stream.cancel();
    await stream.whenWritable();
    await until(() => ends.length === 1, 'the stream has ended');
    expect(ends[0]?.sent).toBe(false);
    expect(member.calls).toHaveLength(1);
  });

  test('a stream that the member refuses, which HTTP/2 allows only before it is looked at', async () => {
    const member = await serving((stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM));
    const failure = await failureOf(call(channelTo(member.endpoint)));
    expect(failure).toMatchObject({ code: grpcCodes.unavailable, sent: false });
  });
});

describe('what may have been applied', () => {
  test('a connection cut while the request is under way', async () => {
    const member = await serving(() => member.cut());
    const failure = await failureOf(call(channelTo(member.endpoint)));
    expect(failure).toMatchObject({ code: grpcCodes.unavailable, sent: true });
  });

  test('a connection cut after the request, and in the middle of the answer', async () => {
    const whole = await serving((stream) => whenAsked(stream, () => whole.cut()));
    expect(await failureOf(call(channelTo(whole.endpoint)))).toMatchObject({
      code: grpcCodes.unavailable,
      sent: true,
    });
    const half = await serving((stream) =>
      whenAsked(stream, () => {
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
        stream.write(framed(request).subarray(0, 7), () => half.cut());
      }),
    );
    expect(await failureOf(call(channelTo(half.endpoint)))).toMatchObject({ code: grpcCodes.unavailable, sent: true });
  });

  test('a member that takes the request and is silent until the deadline', async () => {
    const member = await serving(() => {});
    const failure = await failureOf(call(channelTo(member.endpoint), 300));
    expect(failure).toMatchObject({ code: grpcCodes.deadlineExceeded, sent: true });
    expect(member.calls).toHaveLength(1);
  });

  test('a call cancelled under way', async () => {
    const abort = new AbortController();
    const member = await serving(() => abort.abort());
    const failure = await failureOf(call(channelTo(member.endpoint), 10_000, abort.signal));
    expect(failure).toMatchObject({ code: grpcCodes.cancelled, sent: true });
  });

  test.each([
    ['INTERNAL_ERROR', constants.NGHTTP2_INTERNAL_ERROR],
    ['PROTOCOL_ERROR', constants.NGHTTP2_PROTOCOL_ERROR],
    ['NO_ERROR without a status', constants.NGHTTP2_NO_ERROR],
  ])('a stream that is reset with %s', async (_name, code) => {
    const member = await serving((stream) => whenAsked(stream, () => stream.close(code)));
    expect(await failureOf(call(channelTo(member.endpoint)))).toMatchObject({
      code: grpcCodes.unavailable,
      sent: true,
    });
  });

  test('a status whose text is that of a call that never left', async () => {
    for (const text of ['No connection established', 'Channel closed before call started', 'Name resolution failed']) {
      const member = await serving((stream) => answer(stream, request, grpcCodes.unavailable, text));
      expect(await failureOf(call(channelTo(member.endpoint)))).toEqual({
        code: grpcCodes.unavailable,
        sent: true,
        text,
      });
    }
  });

  test('an answer without a message', async () => {
    const member = await serving((stream) =>
      stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '0' }, { endStream: true }),
    );
    expect(await failureOf(call(channelTo(member.endpoint)))).toMatchObject({ sent: true });
  });

  test('a web server that is no member at all', async () => {
    const member = await serving((stream) => {
      stream.respond({ ':status': 503, 'content-type': 'text/html' });
      stream.end('<h1>Service Unavailable</h1>');
    });
    expect(await failureOf(call(channelTo(member.endpoint)))).toMatchObject({
      code: grpcCodes.unavailable,
      sent: true,
    });
  });
});

test('GOAWAY: what it had taken is answered, the next call comes on a new connection', async () => {
  let firstSession: unknown;
  const member = await serving((stream) =>
    whenAsked(stream, () => {
      if (firstSession === undefined) {
        firstSession = stream.session;
        stream.session?.goaway(constants.NGHTTP2_NO_ERROR);
        stream.session?.close();
      }
      setImmediate(() => answer(stream, request));
    }),
  );
  const channel = channelTo(member.endpoint);
  expect(await call(channel)).toHaveLength(request.length);
  for (let calls = 0; calls < 5; calls++) expect(await call(channel)).toHaveLength(request.length);
  expect(member.calls).toHaveLength(6);
  await until(() => member.sessions.size === 1, 'the old connection is gone');
  expect(member.sessions.has(firstSession as never)).toBe(false);
});

test('pings: a connection with a call on it, gone without a word, is given up', async () => {
  const member = await serving(() => {});
  const proxy = new TcpProxy({ host: '127.0.0.1', port: Number(member.endpoint.split(':')[1]) });
  await proxy.listen();
  open.push({ stop: () => void proxy.close() });
  const channel = channelTo(`127.0.0.1:${proxy.port}`, 200);
  const failing = failureOf(call(channel, 30_000));
  await until(() => member.calls.length === 1, 'it is asked');
  proxy.stall();
  expect(await failing).toMatchObject({ code: grpcCodes.unavailable, sent: true });
});

test('IPv6, names that grpc-js takes for schemes, and proxies in the environment', async () => {
  const six = await serving((stream) => whenAsked(stream, () => answer(stream, request)), '::1');
  expect(six.endpoint).toMatch(/^\[::1\]:\d+$/);
  expect(await call(channelTo(six.endpoint))).toHaveLength(request.length);
  expect(await call(channelTo(`http://${six.endpoint}/`))).toHaveLength(request.length);
  for (const name of ['unix', 'xds', 'ipv4'])
    expect(await failureOf(call(channelTo(`${name}:2379`), 3_000))).toMatchObject({ sent: false });
  const four = await serving((stream) => whenAsked(stream, () => answer(stream, request)));
  expect(await call(channelTo(four.endpoint.replace('127.0.0.1', 'localhost')))).toHaveLength(request.length);
  const before = process.env['http_proxy'];
  process.env['http_proxy'] = 'http://127.0.0.1:1';
  try {
    expect(await call(channelTo(four.endpoint))).toHaveLength(request.length);
  } finally {
    if (before === undefined) delete process.env['http_proxy'];
    else process.env['http_proxy'] = before;
  }
});

describe('ready', () => {
  test('says why not, and does not wait for its time to pass', async () => {
    const gone = await sockets();
    gone.stop();
    const failure = await failureOf(channelTo(gone.endpoint).ready(20_000));
    expect(failure).toMatchObject({ code: grpcCodes.unavailable, sent: false });
    expect(failure.text).toBe(`no connection to ${gone.endpoint}: connect ECONNREFUSED ${gone.endpoint}`);
  });

  test('a silent member: not in time, or until it is cancelled', async () => {
    const member = await sockets();
    const failure = await failureOf(channelTo(member.endpoint).ready(200));
    expect(failure.text).toBe(`no connection to ${member.endpoint} in time`);
    const abort = new AbortController();
    const failing = failureOf(channelTo(member.endpoint).ready(20_000, abort.signal));
    abort.abort();
    expect(await failing).toMatchObject({ code: grpcCodes.cancelled, sent: false });
    const channel = channelTo(member.endpoint);
    const closing = failureOf(channel.ready(20_000));
    channel.close();
    expect(await closing).toMatchObject({ sent: false });
  });

  test('a member that comes back is found', async () => {
    const gone = await sockets();
    gone.stop();
    const channel = channelTo(gone.endpoint);
    await failureOf(channel.ready(1_000));
    const port = Number(gone.endpoint.split(':')[1]);
    const { createServer } = await import('node:http2');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    open.push({ stop: () => server.close() });
    let isReady = false;
    for (let tries = 0; tries < 100 && !isReady; tries++) {
      isReady = await channel.ready(5_000).then(
        () => true,
        () => new Promise<false>((resolve) => setTimeout(() => resolve(false), 50)),
      );
    }
    expect(isReady).toBe(true);
  });
});

describe('streams', () => {
  test('messages that wait for `resume` come before the end', async () => {
    const count = 100;
    const member = await serving((stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      for (let sent = 0; sent < count; sent++) stream.write(framed(Buffer.from([sent])));
      stream.end();
    });
    const heard: (number | string)[] = [];
    const stream = channelTo(member.endpoint).stream(
      '/test.Service/Method',
      {},
      {
        message: (bytes) => {
          heard.push(bytes[0] ?? -1);
          stream.pause();
          setImmediate(() => stream.resume());
        },
        end: (failure) => heard.push(failure === undefined ? 'end' : failure.message),
      },
    );
    await until(() => heard.includes('end'), 'it ends');
    expect(heard).toEqual([...Array(count).keys(), 'end']);
  });

  test('each end is told once: a status, a cut, a cancel, a close', async () => {
    const member = await serving((stream, path) => {
      if (path.endsWith('Status')) answer(stream, request, grpcCodes.notFound, 'etcdserver: requested lease not found');
    });
    const channel = channelTo(member.endpoint);
    const told: Record<string, (string | undefined)[]> = {};
    const begin = (name: string) => {
      told[name] = [];
      return channel.stream(
        `/test.Service/${name}`,
        {},
        {
          message: () => {},
          end: (failure) => told[name]?.push(failure && `${failure.grpcCode} ${failure.message}`),
        },
      );
    };
    begin('Status');
    const cancelled = begin('Cancel');
    begin('Cut');
    await until(() => member.calls.length === 3, 'all are there');
    cancelled.cancel();
    cancelled.cancel();
    expect(cancelled.write(request)).toBe(true);
    await until(() => told['Cancel']?.length === 1 && told['Status']?.length === 1, 'two have ended');
    member.cut();
    await until(() => told['Cut']?.length === 1, 'the third has ended');
    begin('Close');
    await until(() => member.calls.length === 4, 'the last is there');
    channel.close();
    await until(() => told['Close']?.length === 1, 'the last has ended');
    expect(told).toEqual({
      Status: ['5 etcdserver: requested lease not found'],
      Cancel: [expect.stringMatching(/^1 /)],
      Cut: [expect.stringMatching(/^14 /)],
      Close: [expect.stringMatching(/^1 /)],
    });
  });

  test('back-pressure: a reader that does not read is not written to without end', async () => {
    let taken = 0;
    const member = await serving((stream) => {
      stream.on('data', (chunk: Buffer) => {
        taken += chunk.length;
      });
      stream.pause();
      setTimeout(() => stream.resume(), 300);
    });
    const stream = channelTo(member.endpoint).stream('/test.Service/Method', {}, { message: () => {}, end: () => {} });
    const block = Buffer.alloc(64 * 1024);
    let written = 0;
    let more = true;
    for (; more && written < 10_000; written++) more = stream.write(block);
    expect(written).toBeLessThan(10_000);
    await stream.whenWritable();
    await until(() => taken >= written * block.length, 'all is taken');
    stream.cancel();
    await stream.whenWritable();
  });
});

test('a call that began as its connection went away was not sent, and may be made again', () => {
  const details = 'Failed to start HTTP/2 stream with error New streams cannot be created after receiving a GOAWAY';
  const failure = callFailureOf({ code: grpcCodes.internal, details }, true);
  expect(failure).toMatchObject({ grpcCode: grpcCodes.unavailable, sent: false });
});
