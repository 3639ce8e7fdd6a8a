/** The roads whose work is counted: what is asked, of whom, and how many at the same time. */
import { wire } from '../../src/rpc/messages.ts';
import type { CountedCluster, OpenStream } from './cluster.ts';
import type { CountedMember } from './member.ts';

/** Makes ready what is not counted, for so many waves; returns what is: `count` operations at once, of wave number n. */
export type Road = (cluster: CountedCluster, count: number, waves: number) => Promise<(wave: number) => Promise<void>>;

const ttl = 3_600;
const lease = (n: number) => ({ low: n + 1, high: 0x0b3c, unsigned: false });
const key = (n: number): Buffer => Buffer.from(`budget/${String(n).padStart(8, '0')}`);
const value = Buffer.alloc(256, 'v');
const each = <T>(count: number, make: (n: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n));
const service = (name: string): string => `/etcdserverpb.${name}`;

async function granted(cluster: CountedCluster, count: number): Promise<void> {
  const requests = each(count, (n) => wire.LeaseGrantRequest.encode({ TTL: ttl, ID: lease(n) }));
  await cluster.unary(cluster.leader, service('Lease/LeaseGrant'), requests);
}

async function put(cluster: CountedCluster, count: number, withLease: boolean): Promise<void> {
  const requests = each(count, (n) =>
    wire.PutRequest.encode({ key: key(n), value, ...(withLease ? { lease: lease(n) } : {}) }),
  );
  await cluster.unary(cluster.leader, service('KV/Put'), requests);
}

/** The same calls in each wave, or other ones. */
function calls(path: string, request: (n: number, count: number) => Uint8Array, who = leader): Road {
  return (cluster, count) =>
    Promise.resolve(async (wave) => {
      await cluster.unary(
        who(cluster),
        path,
        each(count, (n) => request(wave * count + n, count)),
      );
    });
}

const leader = (cluster: CountedCluster): CountedMember => cluster.leader;
const follower = (cluster: CountedCluster): CountedMember => cluster.follower;

/** Before the road: so many leases as a wave has operations, with a key each if said so. */
function onLeases(road: Road, withKeys: boolean): Road {
  return async (cluster, count, waves) => {
    await granted(cluster, count);
    if (withKeys) await put(cluster, count, true);
    return road(cluster, count, waves);
  };
}

/** A wave renews every lease once, all on one stream. */
function renewals(who: (cluster: CountedCluster) => CountedMember): Road {
  return async (cluster, count) => {
    await granted(cluster, count);
    const requests = each(count, (n) => wire.LeaseKeepAliveRequest.encode({ ID: lease(n) }));
    let answered = 0;
    const stream = cluster.open(who(cluster), service('Lease/LeaseKeepAlive'), (answer) => {
      const { TTL } = wire.LeaseKeepAliveResponse.decode(answer);
      if (Number(typeof TTL === 'number' ? TTL : TTL.low) === ttl) answered++;
    });
    return async () => {
      answered = 0;
      for (const request of requests) stream.send(request);
      await cluster.settle();
      if (answered !== count) throw new Error(`${answered} of ${count} renewals were answered`);
    };
  };
}

const watchers = 100;
const watchStreams = 10;

/** 100 watchers on ten streams; an operation is a put that all of them see. */
const watched: Road = async (cluster, count) => {
  let events = 0;
  let created = 0;
  const streams: OpenStream[] = each(watchStreams, () =>
    cluster.open(cluster.leader, service('Watch/Watch'), (answer) => {
      const response = wire.WatchResponse.decode(answer);
      if (response.created) created++;
      events += response.events.length;
    }),
  );
  const createRequest = { key: Buffer.from('budget/'), rangeEnd: Buffer.from('budget0') };
  for (let n = 0; n < watchers; n++) streams[n % watchStreams]?.send(wire.WatchRequest.encode({ createRequest }));
  await cluster.settle();
  if (created !== watchers) throw new Error(`${created} of ${watchers} watchers are there`);
  return async () => {
    events = 0;
    await put(cluster, count, false);
    if (events !== count * watchers) throw new Error(`${events} of ${count * watchers} events were seen`);
  };
};

/** Leases with a key each, that a wave takes away. */
const revoked: Road = async (cluster, count, waves) => {
  await granted(cluster, count * waves);
  await put(cluster, count * waves, true);
  return calls(service('Lease/LeaseRevoke'), (n) => wire.LeaseRevokeRequest.encode({ ID: lease(n) }))(
    cluster,
    count,
    waves,
  );
};

const grant = (): Uint8Array => wire.LeaseGrantRequest.encode({ TTL: ttl });
const range = (n: number, count: number): Uint8Array => wire.RangeRequest.encode({ key: key(n % count) });
const rangeHere = (n: number, count: number): Uint8Array =>
  wire.RangeRequest.encode({ key: key(n % count), serializable: true });
const putLease = (n: number, count: number): Uint8Array =>
  wire.PutRequest.encode({ key: key(n % count), value, lease: lease(n % count) });
const timeToLive = (n: number, count: number): Uint8Array =>
  wire.LeaseTimeToLiveRequest.encode({ ID: lease(n % count), keys: true });
const lock = (n: number, count: number): Uint8Array =>
  wire.TxnRequest.encode({
    compare: [{ key: key(n), target: 1, result: 0, createRevision: 0 }],
    success: [{ requestPut: { key: key(n), value, lease: lease(n % count) } }],
    failure: [{ requestRange: { key: key(n) } }],
  });

export const roads = {
  grant: calls(service('Lease/LeaseGrant'), grant),
  'grant, follower': calls(service('Lease/LeaseGrant'), grant, follower),
  'put-lease': onLeases(calls(service('KV/Put'), putLease), false),
  lock: onLeases(calls(service('KV/Txn'), lock), false),
  revoke: revoked,
  'time-to-live': onLeases(calls(service('Lease/LeaseTimeToLive'), timeToLive), true),
  range: onLeases(calls(service('KV/Range'), range), true),
  'range, follower': onLeases(calls(service('KV/Range'), range, follower), true),
  'range, serializable': onLeases(calls(service('KV/Range'), rangeHere), true),
  'keep-alive': renewals(leader),
  'keep-alive, follower': renewals(follower),
  watch: watched,
} satisfies Record<string, Road>;

export type RoadName = keyof typeof roads;
