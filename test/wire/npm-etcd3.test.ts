/**
 * npm's etcd3 1.1.2, unmodified, against three members of ours: leases, locks, elections, watches, software transactions, namespaces.
 * Each scenario says what it saw in words; the same scenarios run against three real etcds where there is one.
 */
import { type Election, Etcd3, EtcdLockFailedError, type IKeyValue } from 'etcd3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ProcessCluster, pause } from '../cluster/processes.ts';
import { EtcdCluster } from '../support/etcd-cluster.ts';
import { debian, missing } from './targets.ts';

const lacking = missing({ 'etcd-server': debian['etcd-server'] });
const serializable = 1;

/** A scenario on a client and a namespace of its own. */
type Scenario = (client: Etcd3, say: (line: string) => void) => Promise<void>;

const scenarios: Readonly<Record<string, { readonly run: Scenario; readonly says: readonly string[] }>> = {
  'a lease: kept alive beyond its TTL, put on, revoked, lost': {
    run: async (client, say) => {
      const lease = client.lease(2);
      await lease.put('kept').value('x').exec();
      let renewals = 0;
      lease.on('keepaliveSucceeded', () => renewals++);
      await pause(3_500);
      say(`after 3.5 s: ${await client.get('kept').string()}, renewed: ${renewals > 1}`);
      await lease.revoke();
      say(`revoked: ${await client.get('kept').string()}`);
      const lost = client.lease(2, { autoKeepAlive: false });
      await lost.put('lost').value('x').exec();
      const id = await lost.grant();
      await client.leaseClient.leaseRevoke({ ID: id });
      const why = await lost.keepaliveOnce().then(
        () => 'it lives',
        (error: Error) => `${error.constructor.name}: ${error.message.replace(/\d+/, '#')}`,
      );
      say(`a keep-alive of the dead: ${why}`);
      const left = client.lease(2, { autoKeepAlive: false });
      await left.put('left').value('x').exec();
      const shown = await client.leaseClient.leaseTimeToLive({ ID: await left.grant(), keys: true });
      say(`granted ${shown.grantedTTL}, ${shown.keys.length} key`);
      for (let tries = 0; (await client.get('left').string()) !== null && tries < 100; tries++) await pause(50);
      say(`left alone: ${await client.get('left').string()}`);
    },
    says: [
      'after 3.5 s: x, renewed: true',
      'revoked: null',
      'a keep-alive of the dead: EtcdLeaseInvalidError: Lease # is expired or revoked',
      'granted 2, 1 key',
      'left alone: null',
    ],
  },
  'a lock: one at a time, given back, taken from the dead': {
    run: async (client, say) => {
      let inside = 0;
      let most = 0;
      let refused = 0;
      const turn = async (): Promise<void> => {
        for (let done = false, tries = 0; !done && tries < 400; tries++) {
          done = await client
            .lock('door')
            .do(async () => {
              most = Math.max(most, ++inside);
              await pause(5);
              inside--;
              return true;
            })
            .catch(async (error: unknown) => {
              if (!(error instanceof EtcdLockFailedError)) throw error;
              refused++;
              await pause(10);
              return false;
            });
        }
      };
      await Promise.all(Array.from({ length: 6 }, turn));
      say(`at most ${most} at a time, refused meanwhile: ${refused > 0}`);
      const dead = client.lock('door').ttl(2);
      await dead.acquire();
      const id = (await dead.leaseId()) as string;
      await client.leaseClient.leaseRevoke({ ID: id });
      await client.lock('door').acquire();
      say('taken from the dead');
    },
    says: ['at most 1 at a time, refused meanwhile: true', 'taken from the dead'],
  },
  'an election: in order, observed, resigned': {
    run: async (client, say) => {
      const election: Election = client.election('chair', 5);
      const observer = await election.observe();
      const seen: string[] = [];
      observer.on('change', (value) => seen.push(value ?? 'nobody'));
      const heard = async (count: number): Promise<string> => {
        for (let tries = 0; seen.length < count && tries < 200; tries++) await pause(25);
        return seen.join(', ');
      };
      const ada = election.campaign('ada');
      await ada.wait();
      say(`leader: ${await election.leader()}`);
      await heard(1);
      const bob = election.campaign('bob');
      await pause(300);
      say(`while bob waits: ${await election.leader()}`);
      await ada.proclaim('ada again');
      await heard(2);
      await ada.resign();
      await bob.wait();
      say(`observed: ${await heard(3)}`);
      await bob.resign();
      say(`at the end: ${await election.leader()}`);
      await observer.cancel();
    },
    says: ['leader: ada', 'while bob waits: ada', 'observed: ada, ada again, bob', 'at the end: undefined'],
  },
  'watches: by prefix, from a revision, filtered, several on one stream, cancelled': {
    run: async (client, say) => {
      const first = await client.put('w/a').value('0');
      // Not "from now on": another member may not have got to now yet.
      const next = String(BigInt(first.header.revision) + 1n);
      const log: Record<string, string[]> = { live: [], replayed: [], deletes: [], other: [] };
      const note = (name: string) => (kv: IKeyValue, previous?: IKeyValue) =>
        log[name]?.push(`${kv.key.toString().split('/').pop()}=${kv.value}${previous ? ` was ${previous.value}` : ''}`);
      const live = await client.watch().prefix('w/').startRevision(next).withPreviousKV().create();
      live.on('put', note('live')).on('delete', note('live'));
      const other = await client.watch().key('elsewhere').create();
      other.on('put', note('other')).on('delete', note('other'));
      const deletes = await client.watch().prefix('w/').only('delete').create();
      deletes.on('put', note('deletes')).on('delete', note('deletes'));
      await client.put('w/a').value('1');
      await client.put('w/b').value('2');
      await client.delete().key('w/a');
      await client.put('w/end').value('x');
      const replayed = await client.watch().prefix('w/').startRevision(first.header.revision).create();
      replayed.on('put', note('replayed')).on('delete', note('replayed'));
      for (let tries = 0; tries < 200 && !(log['live']?.length === 4 && log['replayed']?.length === 5); tries++)
        await pause(25);
      for (const [name, lines] of Object.entries(log)) say(`${name}: ${lines.join(', ')}`);
      await live.cancel();
      await client.put('w/late').value('x');
      for (let tries = 0; tries < 200 && log['replayed']?.length !== 6; tries++) await pause(25);
      say(`after the cancel: ${log['live']?.length} and ${log['replayed']?.length}`);
      await Promise.all([other.cancel(), deletes.cancel(), replayed.cancel()]);
    },
    says: [
      'live: a=1 was 0, b=2, a= was 1, end=x',
      'replayed: a=0, a=1, b=2, a=, end=x',
      'deletes: a=',
      'other: ',
      'after the cancel: 4 and 6',
    ],
  },
  'software transactions: money is moved about, none is made or lost': {
    run: async (client, say) => {
      for (const name of ['a', 'b', 'c']) await client.put(`account/${name}`).value('100');
      const move = (from: string, to: string) =>
        client.stm({ isolation: serializable, retries: 200 }).transact(async (tx) => {
          const [one, other] = await Promise.all([
            tx.get(`account/${from}`).number(),
            tx.get(`account/${to}`).number(),
          ]);
          await tx.put(`account/${from}`).value(Number(one) - 7);
          await tx.put(`account/${to}`).value(Number(other) + 7);
        });
      const pairs = [
        ['a', 'b'],
        ['b', 'c'],
        ['c', 'a'],
        ['a', 'c'],
        ['c', 'b'],
        ['b', 'a'],
      ] as const;
      await Promise.all(pairs.flatMap(([from, to]) => [move(from, to), move(from, to)]));
      say(JSON.stringify(await client.getAll().prefix('account/').numbers()));
      const abandoned = client.stm({ retries: 1 }).transact(async (tx) => {
        await tx.put('account/a').value('0');
        throw new Error('thought better of it');
      });
      say(
        await abandoned.then(
          () => 'committed',
          (error: Error) => error.message,
        ),
      );
      say(`a: ${await client.get('account/a').number()}`);
    },
    says: ['{"account/a":100,"account/b":100,"account/c":100}', 'thought better of it', 'a: 100'],
  },
  'namespaces and transactions: nothing is seen from outside, branches and leases work inside': {
    run: async (client, say) => {
      const space = client.namespace('space/');
      const inner = space.namespace('inner/');
      await space.put('k').value('outer');
      await inner.put('k').value('inner');
      say(`${await space.get('k').string()}, ${await inner.get('k').string()}`);
      say(JSON.stringify(await space.getAll().strings()));
      say((await client.getAll().prefix('space/').keys()).join(' '));
      const made = await inner
        .if('k', 'Value', '==', 'inner')
        .and('k', 'Version', '==', 1)
        .then(inner.put('k').value('again'), inner.get('k'), inner.delete().key('none'))
        .else(inner.put('k').value('wrong'))
        .commit();
      say(`${made.succeeded}, ${made.responses.length} answers, now ${await inner.get('k').string()}`);
      const lease = inner.lease(60);
      await lease.put('leased').value('x').exec();
      say(`inside ${await inner.get('leased').string()}, outside ${await client.get('leased').string()}`);
      await lease.revoke();
      const watcher = await inner.watch().key('seen').create();
      const put = new Promise<string>((resolve) => watcher.once('put', (kv: IKeyValue) => resolve(kv.key.toString())));
      await inner.put('seen').value('x');
      say(`watched: ${await put}`);
      await watcher.cancel();
      await space.delete().all();
      say(`left: ${(await client.getAll().prefix('space/').keys()).length}`);
    },
    says: [
      'outer, inner',
      '{"inner/k":"inner","k":"outer"}',
      'space/inner/k space/k',
      'true, 3 answers, now again',
      'inside x, outside null',
      'watched: seen',
      'left: 0',
    ],
  },
  'ranges: sorted, limited, counted, by keys': {
    run: async (client, say) => {
      for (const [key, value] of [
        ['r/b', '1'],
        ['r/a', '3'],
        ['r/c', '2'],
      ] as const)
        await client.put(key).value(value);
      say((await client.getAll().prefix('r/').sort('Value', 'Descend').keys()).join(' '));
      say((await client.getAll().prefix('r/').sort('Mod', 'Ascend').limit(2).keys()).join(' '));
      say(`${await client.getAll().prefix('r/').count()}, ${await client.get('r/none').exists()}`);
      say(JSON.stringify(await client.getAll().inRange({ start: 'r/b', end: 'r/z' }).strings()));
      say(`deleted: ${(await client.delete().prefix('r/')).deleted}`);
    },
    says: ['r/a r/c r/b', 'r/b r/a', '3, false', '{"r/b":"1","r/c":"2"}', 'deleted: 3'],
  },
};

describe.each(['leasehold', 'etcd'] as const)('%s', (name) => {
  let ours: ProcessCluster | undefined;
  let etcd: EtcdCluster | undefined;
  let endpoints: readonly string[] = [];
  const absent = name === 'etcd' ? lacking : undefined;

  beforeAll(async () => {
    if (absent !== undefined) return;
    if (name === 'etcd') etcd = await EtcdCluster.start();
    else {
      ours = await ProcessCluster.start({ proxied: false });
      await ours.ready();
    }
    endpoints = etcd?.endpoints ?? ours?.endpoints ?? [];
  });

  afterAll(async () => {
    await ours?.stop();
    await etcd?.stop();
  });

  test.concurrent.for(Object.entries(scenarios))('%s', async ([what, { run, says }], { skip }) => {
    if (absent !== undefined) skip(absent);
    // Software transactions read at a revision that another member may not have yet, and fail when it says so.
    const hosts = what.startsWith('software') ? endpoints.slice(0, 1) : endpoints;
    const whole = new Etcd3({ hosts: hosts.map((endpoint) => `http://${endpoint}`) });
    const said: string[] = [];
    try {
      await run(whole.namespace(`${what}:`) as Etcd3, (line) => said.push(line));
    } finally {
      whole.close();
    }
    expect(said).toEqual(says);
  });
});
