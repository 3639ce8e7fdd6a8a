/** What a watch asks for and makes of what it is told, member by member and message by message. */
import { Readable } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { beforeEach, expect, test } from 'vitest';
import { Client, type Watch, type WatchEvent, type WatchOptions } from '../../../src/client/client.ts';
import { CallFailure, grpcCodes, type LeaseError } from '../../../src/client/errors.ts';
import { Feed } from '../../../src/client/watch/feed.ts';
import { FakeClock, FakeMembers, settled } from '../fake-members.ts';

let clock: FakeClock;
let members: FakeMembers;
let client: Client;

beforeEach(() => {
  clock = new FakeClock();
  members = new FakeMembers();
  client = new Client({ endpoints: ['a:1', 'b:1'], clock, connect: members.connect });
  return () => client.close();
});

/** A reader that writes down what it gets, and how it ended. */
class Reader {
  readonly told: string[] = [];
  end: 'open' | 'quiet' | LeaseError = 'open';

  constructor(watch: Watch) {
    void this.#read(watch);
  }

  async #read(watch: Watch): Promise<void> {
    try {
      for await (const event of watch) this.told.push(shown(event));
      this.end = 'quiet';
    } catch (error) {
      this.end = error as LeaseError;
    }
  }
}

function shown(event: WatchEvent): string {
  if (event.type === 'resync') return `resync@${event.revision} ${event.items.map(({ keyText }) => keyText).join()}`;
  return event.type === 'progress' ? `progress@${event.revision}` : `${event.keyText}@${event.revision}`;
}

/** A watch that is read and stands, as id 7, made at revision 10. */
async function standing(options: WatchOptions = {}): Promise<Reader> {
  const reader = new Reader(client.watch({ prefix: 'k' }, options));
  await settled();
  members.stream.created(7n, 10n);
  return reader;
}

async function reopened(): Promise<void> {
  const before = members.streams.length;
  await clock.advance(5_000);
  expect(members.streams.length).toBe(before + 1);
}

test('asks for what was asked for; without a start it begins where it was made', async () => {
  const watch = client.watch({ prefix: 'k' }, { prevKv: true, only: 'put' });
  const started = watch.started();
  await settled();
  const [{ createRequest }] = members.stream.sent as [{ createRequest: unknown }];
  expect(createRequest).toMatchObject({
    startRevision: 0n,
    prevKv: true,
    filters: [1],
    fragment: true,
    progressNotify: true,
  });
  members.stream.created(0n, 41n);
  expect(await started).toBe(42n);
  expect(() => client.watch('k', { from: -1n })).toThrow(/is negative/);
  expect(() => client.watch('')).toThrow(/empty key/);
});

test('goes on behind the last revision it has, on another stream, and tells nothing twice', async () => {
  const reader = await standing();
  members.stream.puts(7n, [
    ['k1', 11n],
    ['k2', 11n],
    ['k3', 12n],
  ]);
  members.stream.break();
  await reopened();
  // From one before: a start at exactly the compacted revision may miss a deletion. What comes twice is left out.
  expect(members.stream.starts).toEqual([12n]);
  members.stream.created(0n, 10n);
  members.stream.puts(0n, [
    ['k3', 12n],
    ['k4', 13n],
  ]);
  await settled();
  expect(reader).toMatchObject({ told: ['k1@11', 'k2@11', 'k3@12', 'k4@13'], end: 'open' });
});

test('a header of a creation moves nobody who has a position', async () => {
  const reader = await standing({ from: 5n });
  expect(members.stream.starts).toEqual([4n]);
  members.stream.puts(7n, [['k', 6n]]);
  members.stream.break();
  await reopened();
  expect(members.stream.starts).toEqual([6n]);
  await settled();
  expect(reader.told).toEqual(['k@6']);
});

test('progress of the watch moves it, progress of the whole stream does not', async () => {
  const reader = await standing({ progress: true });
  members.stream.tell({ watchId: 7n, header: { revision: 20n } });
  members.stream.tell({ watchId: -1n, header: { revision: 99n } });
  members.stream.break();
  await reopened();
  expect(members.stream.starts).toEqual([20n]);
  expect(reader.told).toEqual(['progress@20']);
});

test('a revision in fragments is told when its last fragment is there; when the stream breaks between, it comes again whole', async () => {
  const reader = await standing();
  members.stream.puts(
    7n,
    [
      ['k1', 11n],
      ['k2', 12n],
    ],
    true,
  );
  members.stream.puts(7n, [['k3', 12n]], true);
  await settled();
  expect(reader.told).toEqual(['k1@11']);
  members.stream.break();
  await reopened();
  expect(members.stream.starts).toEqual([11n]);
  members.stream.created(0n, 11n);
  members.stream.puts(
    0n,
    [
      ['k1', 11n],
      ['k2', 12n],
    ],
    true,
  );
  members.stream.puts(0n, [['k3', 12n]]);
  await settled();
  expect(reader.told).toEqual(['k1@11', 'k2@12', 'k3@12']);
});

test('a compaction: lists by pages at one revision, tells it, and goes on behind it', async () => {
  const reader = await standing();
  members.onRange = ({ revision, key }) => ({
    header: { revision: revision === 0n ? 30n : 35n },
    kvs: [{ key: Buffer.from(revision === 0n ? 'k1' : 'k2') }],
    more: key.length === 1,
  });
  members.stream.tell({ watchId: 7n, canceled: true, compactRevision: 25n });
  await clock.advance(100);
  expect(members.ranges.map(({ revision }) => revision)).toEqual([0n, 30n]);
  expect(members.streams[0]?.cancels).toEqual([7n]);
  expect(members.stream.starts.at(-1)).toBe(30n);
  members.stream.created(8n, 30n);
  members.stream.puts(8n, [['k9', 31n]]);
  await settled();
  expect(reader).toMatchObject({ told: ['resync@30 k1,k2', 'k9@31'], end: 'open' });
});

test('a listing that fails is made again; one that is forbidden ends the watch', async () => {
  const reader = await standing();
  let failures = 0;
  members.onRange = () => {
    if (failures++ === 0) throw new CallFailure(grpcCodes.internal, 'odd', true);
    throw new CallFailure(grpcCodes.permissionDenied, 'etcdserver: permission denied', true);
  };
  members.stream.tell({ watchId: 7n, canceled: true, compactRevision: 25n });
  await clock.advance(1_000);
  expect(failures).toBe(2);
  expect(reader.end).toMatchObject({ code: 'permission_denied' });
});

test('creations are answered in order; who left before the answer is cancelled then', async () => {
  const [first, second, third] = ['k1', 'k2', 'k3'].map((key) => client.watch(key));
  await settled();
  const reader = new Reader(third as Watch);
  (first as Watch).close();
  members.stream.created(5n, 10n);
  expect(members.stream.cancels).toEqual([5n]);
  members.stream.created(6n, 10n);
  members.stream.created(9n, 10n);
  members.stream.puts(9n, [['k3', 11n]]);
  await settled();
  expect(reader.told).toEqual(['k3@11']);
  (second as Watch).close();
  expect(members.stream.cancels).toEqual([5n, 6n]);
  expect(members.streams.length).toBe(1);
});

test('a reader that lags is taken off and comes back from where it is; others on the stream go on', async () => {
  const lagging = client.watch({ prefix: 'k' });
  const reader = new Reader(client.watch('other'));
  await settled();
  members.stream.created(1n, 10n);
  members.stream.created(2n, 10n);
  const puts = Array.from({ length: 9_000 }, (_, i) => [`k${i}`, 11n + BigInt(i)] as const);
  members.stream.puts(1n, puts);
  members.stream.puts(1n, [['k', 9_500n]]);
  members.stream.puts(2n, [['other', 9_501n]]);
  await settled();
  expect(reader.told).toEqual(['other@9501']);
  expect(members.stream.cancels).toEqual([1n]);
  expect(members.stream.starts).toEqual([0n, 0n]);
  let read = 0;
  for await (const event of lagging) {
    expect(event.type === 'put' && event.revision).toBe(11n + BigInt(read));
    if (++read === 8_000) break;
  }
  expect(members.stream.starts).toEqual([0n, 0n, 9_010n]);
  expect(members.streams.length).toBe(1);
});

test('large values fill a feed too', async () => {
  const watch = client.watch('k');
  await settled();
  members.stream.created(1n, 10n);
  const value = new Uint8Array(3 * 1024 * 1024);
  for (const modRevision of [11n, 12n, 13n])
    members.stream.tell({ watchId: 1n, events: [{ kv: { key: Buffer.from('k'), value, modRevision } }] });
  expect(members.stream.cancelled).toBe(true);
  const events = watch[Symbol.asyncIterator]();
  await events.next();
  await events.next();
  await settled();
  expect(members.streams.length).toBe(2);
  expect(members.stream.starts).toEqual([13n]);
  await events.return();
});

test('break and close cancel on the server; without a watch there is no stream, no timer', async () => {
  const watch = client.watch('k');
  const other = client.watch('l');
  await settled();
  members.stream.created(3n, 10n);
  members.stream.created(4n, 10n);
  members.stream.puts(3n, [['k', 11n]]);
  for await (const _ of watch) break;
  expect(members.stream.cancels).toEqual([3n]);
  expect(members.stream.cancelled).toBe(false);
  other.close();
  expect(members.stream.cancelled).toBe(true);
  expect(clock.timers).toBe(0);
  members.stream.puts(4n, [['l', 12n]]);
});

test('the signal ends it quietly, with whatever was not read', async () => {
  const stop = new AbortController();
  const reader = await standing({ signal: stop.signal });
  members.stream.puts(7n, [['k', 11n]]);
  stop.abort();
  await settled();
  expect(reader).toMatchObject({ told: [], end: 'quiet' });
  const late = new Reader(client.watch('k', { signal: stop.signal }));
  await settled();
  expect(late.end).toBe('quiet');
  expect(members.streams.length).toBe(1);
});

test('a closed client: those who read are told so, those who wait too, and no stream or timer is left', async () => {
  const reader = await standing();
  const waiting = client.watch('later').started();
  members.stream.puts(7n, [['k', 11n]]);
  const broken = members.stream;
  broken.break();
  await client.close();
  await expect(waiting).rejects.toMatchObject({ code: 'closed' });
  await settled();
  expect(reader.end).toMatchObject({ code: 'closed' });
  expect(clock.timers).toBe(0);
  const late = new Reader(client.watch('k'));
  await settled();
  expect(late.end).toMatchObject({ code: 'closed' });
  expect(members.streams.length).toBe(1);
});

test('a refusal on creation is final, once a new token was tried; others are asked for again', async () => {
  const reader = new Reader(client.watch('secret'));
  const other = new Reader(client.watch('k'));
  await settled();
  const denied = { watchId: -1n, created: true, canceled: true, cancelReason: 'etcdserver: permission denied' };
  members.stream.tell(denied);
  await settled();
  expect(members.streams.length).toBe(2);
  expect(members.streams[0]?.cancelled).toBe(true);
  members.stream.tell(denied);
  members.stream.created(1n, 10n);
  members.stream.puts(1n, [['k', 11n]]);
  await settled();
  expect(reader.end).toMatchObject({ code: 'permission_denied' });
  expect(other).toMatchObject({ told: ['k@11'], end: 'open' });
  const empty = new Reader(client.watch({ from: 'b', to: 'a' }));
  await settled();
  members.stream.tell({ ...denied, cancelReason: 'mvcc: watcher range is empty' });
  await settled();
  expect(empty.end).toMatchObject({ code: 'invalid_argument', message: 'mvcc: watcher range is empty' });
});

test('a member that cancels for a reason of its own is asked again, after a while', async () => {
  const reader = await standing();
  members.stream.tell({ watchId: 7n, canceled: true, cancelReason: 'etcdserver: too many watchers' });
  await settled();
  expect(reader.end).toBe('open');
  await clock.advance(1_000);
  expect(members.stream.starts).toEqual([10n]);
});

test('an expired token, a lost leader, a stream that ends, bytes that are no message: all resume', async () => {
  const reader = await standing();
  const breaks: (() => void)[] = [
    () => members.stream.break(grpcCodes.unauthenticated, 'etcdserver: invalid auth token'),
    () => members.stream.break(grpcCodes.unavailable, 'etcdserver: no leader'),
    () => members.stream.break(grpcCodes.internal, 'odd'),
    () => members.stream.tellBytes(Uint8Array.of(0xff)),
  ];
  let revision = 11n;
  for (const cut of breaks) {
    cut();
    await reopened();
    members.stream.created(1n, 10n);
    members.stream.puts(1n, [['k', revision++]]);
  }
  await settled();
  expect(reader.told).toEqual(['k@11', 'k@12', 'k@13', 'k@14']);
});

test('a member that fails again and again is asked ever more rarely, at most every few seconds', async () => {
  members.refuse = new CallFailure(grpcCodes.unavailable, 'away', true);
  const reader = new Reader(client.watch('k'));
  await clock.advance(60_000);
  expect(members.streams.length).toBeGreaterThan(25);
  expect(members.streams.length).toBeLessThan(45);
  members.refuse = new CallFailure(grpcCodes.unimplemented, 'no watches here', true);
  await clock.advance(10_000);
  expect(reader.end).toMatchObject({ code: 'unimplemented' });
  expect(clock.timers).toBe(0);
});

test('a stream that takes no more is waited for', async () => {
  new Reader(client.watch('k0'));
  await settled();
  members.stream.full = true;
  new Reader(client.watch('k1'));
  new Reader(client.watch('k2'));
  await settled();
  expect(members.stream.sent.length).toBe(2);
  members.stream.drain();
  await settled();
  expect(members.stream.sent.length).toBe(3);
});

test('more watches than a stream takes get another one', async () => {
  const watches = Array.from({ length: 5_001 }, (_, i) => client.watch(`k${i}`));
  await settled();
  expect(members.streams.map(({ sent }) => sent.length)).toEqual([5_000, 1]);
  for (const watch of watches) watch.close();
  expect(members.streams.every(({ cancelled }) => cancelled)).toBe(true);
});

test('who stops while it waits ends the watch at once, on the member too', async () => {
  const watch = client.watch('k');
  const reading = watch[Symbol.asyncIterator]();
  const waiting = reading.next();
  await settled();
  members.stream.created(7n, 10n);
  expect(await reading.return()).toEqual({ done: true, value: undefined });
  expect(await waiting).toEqual({ done: true, value: undefined });
  expect(members.stream.cancelled).toBe(true);
  // A stream that is thrown away before it was read, too.
  const stream = Readable.from(client.watch('k'));
  stream.read(0);
  await settled();
  members.stream.created(8n, 10n);
  stream.destroy();
  await settled();
  expect(members.stream.cancelled).toBe(true);
});

test('what was read is no longer kept, also where its reader never catches up', async () => {
  setFlagsFromString('--expose_gc');
  const gc = runInNewContext('gc') as () => void;
  const feed = new Feed<{ readonly n: number }>();
  feed.push({ n: 0 }, 1);
  feed.push({ n: 1 }, 1);
  const read = new WeakRef((await feed.shift()) as object);
  for (let n = 2; n < 20; n++) {
    feed.push({ n }, 1);
    expect((await feed.shift())?.n).toBe(n - 1);
  }
  await settled();
  gc();
  expect(read.deref()).toBeUndefined();
});
