/** The rules of asking again, by members that fail in every way: what may be repeated is, what may have been applied is said. */
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/client/clock.ts';
import { grpcCodes, LeaseError } from '../../../src/client/errors.ts';
import { type CallKind, type CallSettings, Calls } from '../../../src/client/transport/calls.ts';
import { grpcConnect } from '../../../src/client/transport/grpc-channel.ts';
import { Members } from '../../../src/client/transport/members.ts';
import { Streams } from '../../../src/client/transport/streams.ts';
import { encode } from '../../../src/client/wire/codec.ts';
import { until } from '../../rpc/wire-client.ts';
import { answer, type OnCall, StrangeMember, whenAsked } from './strange-member.ts';

const open: { stop(): void }[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each.stop();
});

async function serving(onCall: OnCall): Promise<StrangeMember> {
  const member = await StrangeMember.serving(onCall);
  open.push(member);
  return member;
}

/** Calls to these members, the first of which is asked first. */
async function callsTo(...asked: readonly StrangeMember[]) {
  const channels = grpcConnect({ pingMs: 6_000 });
  const endpoints = asked.map(({ endpoint }) => endpoint);
  const members = new Members(endpoints, channels, systemClock);
  open.push({ stop: () => members.close() });
  const [first] = members.channels;
  if (first !== undefined) members.prefer(first);
  const calls = new Calls(members, systemClock, undefined, 10_000);
  const put = (kind: CallKind, settings?: CallSettings) =>
    calls.call('put', { key: Buffer.from('k') }, { kind }, settings);
  return { members, calls, streams: new Streams(members, calls), put };
}

const ok: OnCall = (stream) => whenAsked(stream, () => answer(stream, encode('PutResponse', {})));
const status =
  (code: number, text: string): OnCall =>
  (stream) =>
    whenAsked(stream, () => answer(stream, new Uint8Array(), code, text));
async function errorOf(step: Promise<unknown>): Promise<LeaseError> {
  const error = await step.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  if (!(error instanceof LeaseError)) throw new Error(`no error: ${String(error)}`);
  return error;
}

describe('refusals: nothing was applied, so any call is made again, by another member', () => {
  test.each([
    [grpcCodes.unavailable, 'etcdserver: no leader'],
    [grpcCodes.failedPrecondition, 'etcdserver: not leader'],
    [grpcCodes.unavailable, 'etcdserver: rpc not supported for learner'],
    [grpcCodes.unknown, 'raft proposal dropped'],
    [grpcCodes.resourceExhausted, 'etcdserver: too many requests'],
  ])('%d %s', async (code, text) => {
    const refusing = await serving(status(code, text));
    const other = await serving(ok);
    const { put } = await callsTo(refusing, other);
    for (const kind of ['once', 'repeatable', 'read'] as const) await put(kind);
    expect(refusing.calls.length).toBeGreaterThanOrEqual(1);
    // And where there is no other, the same one is asked until the time is over; still nothing was applied.
    const alone = await callsTo(refusing);
    expect(await errorOf(alone.put('once', { timeout: '1s' }))).toMatchObject({
      retryable: true,
      mayHaveApplied: false,
      message: text,
    });
    expect(refusing.calls.length).toBeGreaterThanOrEqual(3);
  });

  test('a member that refuses the connection, or the stream', async () => {
    const gone = await serving(ok);
    gone.stop();
    const refusing = await serving((stream) => stream.close(7));
    const other = await serving(ok);
    const { put } = await callsTo(gone, refusing, other);
    for (let more = 0; more < 10; more++) await put('once');
    expect(other.calls.length).toBeGreaterThanOrEqual(10);
  });

  test('what no member will do is not asked twice', async () => {
    const member = await serving(status(grpcCodes.invalidArgument, 'etcdserver: key is not provided'));
    const { put } = await callsTo(member, await serving(ok));
    expect(await errorOf(put('read'))).toMatchObject({ code: 'empty_key', retryable: false, mayHaveApplied: false });
    expect(member.calls).toHaveLength(1);
  });
});

describe('what may have been applied', () => {
  const ways: readonly (readonly [string, OnCall])[] = [
    ['the connection breaks', (stream) => whenAsked(stream, () => stream.session?.destroy())],
    ['the stream is reset', (stream) => whenAsked(stream, () => stream.close(2))],
    ['the stream is cancelled by the server', (stream) => whenAsked(stream, () => stream.close(8))],
    ['the server stops', status(grpcCodes.unavailable, 'etcdserver: server stopped')],
    ['the request timed out', status(grpcCodes.unavailable, 'etcdserver: request timed out')],
    ['the leader changed', status(grpcCodes.unavailable, 'etcdserver: leader changed')],
    ['something before the members fails', status(grpcCodes.unavailable, 'upstream connect error')],
  ];

  test.each(ways)('%s: a write that may be made once only ends, all else is made again', async (_what, onCall) => {
    const member = await serving(onCall);
    const other = await serving(ok);
    const once = await callsTo(member, other);
    expect(await errorOf(once.put('once'))).toMatchObject({
      code: 'unavailable',
      retryable: true,
      mayHaveApplied: true,
    });
    expect(other.calls).toHaveLength(0);
    // The next call does not go there.
    await once.put('once');
    expect(other.calls).toHaveLength(1);
    for (const kind of ['repeatable', 'read'] as const) await (await callsTo(member, other)).put(kind);
    expect(other.calls).toHaveLength(3);
  });

  test('a read that fails was never applied; a repeatable write may have been by any of its attempts', async () => {
    let calls = 0;
    const member = await serving((stream, path, headers) => {
      // First unsettled, then refused for ever.
      const turn: OnCall =
        calls++ === 0 ? (ways[4]?.[1] as OnCall) : status(grpcCodes.unavailable, 'etcdserver: no leader');
      turn(stream, path, headers);
    });
    const { put } = await callsTo(member);
    expect(await errorOf(put('repeatable', { timeout: '1s' }))).toMatchObject({
      code: 'no_leader',
      mayHaveApplied: true,
    });
    calls = 0;
    expect(await errorOf(put('read', { timeout: '1s' }))).toMatchObject({ mayHaveApplied: false });
  });
});

describe('a member that is silent', () => {
  const silent: OnCall = () => {};

  test('what may be repeated is asked of another after 3 seconds, and what follows goes there at once', async () => {
    const member = await serving(silent);
    const other = await serving(ok);
    const { put } = await callsTo(member, other);
    const fromMs = performance.now();
    await Promise.all([put('read'), put('repeatable')]);
    const tookMs = performance.now() - fromMs;
    expect(tookMs).toBeGreaterThan(2_500);
    expect(tookMs).toBeLessThan(6_000);
    expect(member.calls).toHaveLength(2);
    await put('once');
    expect(other.calls).toHaveLength(3);
  });

  test('a write that may be made once only has all the time there is, and ends in doubt', async () => {
    const member = await serving(silent);
    const { put } = await callsTo(member, await serving(ok));
    expect(await errorOf(put('once', { timeout: '300ms' }))).toMatchObject({ code: 'timeout', mayHaveApplied: true });
    // So short a time says nothing about the member.
    expect(await errorOf(put('read', { timeout: '100ms' }))).toMatchObject({ code: 'timeout', mayHaveApplied: false });
    expect(member.calls).toHaveLength(2);
  });

  test('many that have little time each find another in the end', async () => {
    const member = await serving(silent);
    const { put } = await callsTo(member, await serving(ok));
    const failed = async (): Promise<boolean> =>
      await put('read', { timeout: '150ms' }).then(
        () => false,
        () => true,
      );
    let inVain = 0;
    while (inVain < 20 && (await Promise.all([failed(), failed()])).includes(true)) inVain++;
    expect(inVain).toBeGreaterThan(4);
    expect(inVain).toBeLessThan(10);
  });

  test('cancelled under way: a write in doubt, a read not; the member hears of it', async () => {
    let reset = 0;
    const member = await serving((stream) => stream.on('close', () => reset++));
    const { put } = await callsTo(member);
    for (const [kind, mayHaveApplied] of [
      ['once', true],
      ['read', false],
    ] as const) {
      const abort = new AbortController();
      const failing = errorOf(put(kind, { signal: abort.signal }));
      const before = reset;
      await until(() => member.calls.length > before, 'it is asked');
      abort.abort('enough');
      expect(await failing).toMatchObject({ code: 'cancelled', cause: 'enough', mayHaveApplied });
      await until(() => reset > before, 'the member hears of it');
    }
  });

  test('cancelled while it waits to be made again: no further attempt', async () => {
    const member = await serving(status(grpcCodes.unavailable, 'etcdserver: no leader'));
    const { put } = await callsTo(member);
    const abort = new AbortController();
    const failing = errorOf(put('once', { signal: abort.signal }));
    await until(() => member.calls.length >= 2, 'it was asked twice');
    abort.abort();
    expect(await failing).toMatchObject({ code: 'cancelled', mayHaveApplied: false });
    const asked = member.calls.length;
    await (await callsTo(await serving(ok))).put('read');
    expect(member.calls).toHaveLength(asked);
  });
});

describe('what goes along', () => {
  test('`hasleader` on calls and streams, unless a member without a leader may answer', async () => {
    const heard: (string | undefined)[] = [];
    const member = await StrangeMember.serving((stream, path, headers) => {
      heard.push(`${path.replace(/.*\//, '')} ${headers['hasleader']}`);
      whenAsked(stream, () => answer(stream, new Uint8Array()));
    });
    open.push(member);
    const { calls, streams, put } = await callsTo(member);
    await put('read');
    await calls.call('memberList', {}, { kind: 'read', withoutLeader: true });
    const stream = await streams.open('watch', { message: () => {}, end: () => {} }, { timeoutMs: 1_000 });
    await until(() => heard.length === 3, 'all are there');
    stream.call.cancel();
    expect(heard).toEqual(['Put true', 'MemberList undefined', 'Watch true']);
  });

  test('a stream that failed is opened elsewhere', async () => {
    const first = await serving(() => {});
    const other = await serving(() => {});
    const { streams } = await callsTo(first, other);
    const ends: string[] = [];
    const sink = { message: () => {}, end: () => ends.push('end') };
    const stream = await streams.open('watch', sink, { timeoutMs: 1_000 });
    await until(() => first.calls.length === 1, 'it is open');
    first.cut();
    await until(() => ends.length === 1, 'it has ended');
    streams.failed(stream.channel, new LeaseError('unavailable', 'cut', { retryable: true }));
    const next = await streams.open('watch', sink, { timeoutMs: 1_000 });
    await until(() => other.calls.length === 1, 'it is open elsewhere');
    next.call.cancel();
  });
});

test('attempts are spread: between two of them is a pause that grows and differs', async () => {
  const atMs: number[] = [];
  const member = await serving((stream, path) => {
    atMs.push(performance.now());
    status(grpcCodes.unavailable, 'etcdserver: no leader')(stream, path, {});
  });
  const { put } = await callsTo(member);
  await errorOf(put('read', { timeout: '2s' }));
  // 10 to 30 ms, doubled up to 250 to 750 ms.
  expect(atMs.length).toBeGreaterThanOrEqual(5);
  expect(atMs.length).toBeLessThanOrEqual(12);
});
