/** One queue with other clients in it: etcdctl, and the server's own Lock and Election services. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { etcdInstalled } from '../../support/real-etcd.ts';
import { Running } from '../../wire/etcdctl-run.ts';
import { Hall } from './hall.ts';

let hall: Hall;
beforeAll(async () => {
  hall = await Hall.start();
});
afterEach(() => hall.closeClients());
afterAll(() => hall.stop());

let lastLease = 0x5000;
async function lease(): Promise<number> {
  const id = ++lastLease;
  await hall.call('Lease/LeaseGrant', { ID: id, TTL: 60 });
  return id;
}

describe('the Lock service', () => {
  test('and the library take turns in the order in which they came', async () => {
    const client = hall.client();
    const order: string[] = [];
    const gate = await client.lock('mixed');
    const work: Promise<void>[] = [];
    for (let place = 0; place < 6; place++) {
      const ours = async (): Promise<void> => {
        await client.lock('mixed', () => void order.push(`ours ${place}`));
      };
      const theirs = async (id: number): Promise<void> => {
        const { key } = await hall.call('Lock/Lock', { name: 'mixed', lease: id });
        order.push(`theirs ${place}`);
        expect((await hall.keys('mixed'))[0]?.key).toBe(key);
        await hall.call('Lock/Unlock', { key: String(key) });
      };
      work.push(place % 2 === 0 ? theirs(await lease()) : ours());
      await hall.queued('mixed', place + 2);
    }
    await gate.release();
    await Promise.all(work);
    expect(order).toEqual(['theirs 0', 'ours 1', 'theirs 2', 'ours 3', 'theirs 4', 'ours 5']);
  });

  test('with the lease of a session that holds the lock: waits, as anybody else', async () => {
    const client = hall.client();
    await using session = await client.session();
    const held = await client.lock('same', { session });
    let theirs = false;
    const id = { low: Number(session.id & 0xffffffffn) | 0, high: Number(session.id >> 32n), unsigned: false };
    const waiting = hall.call('Lock/Lock', { name: 'same', lease: id }).then(() => {
      theirs = true;
    });
    await hall.queued('same', 2);
    expect(await client.tryLock('same', { session })).toBeUndefined();
    expect(theirs).toBe(false);
    await held.release();
    await waiting;
    expect(await client.tryLock('same')).toBeUndefined();
  });
});

describe.skipIf(!etcdInstalled)('etcdctl', () => {
  const endpoint = (): string => hall.target.endpoints[0] as string;

  test('lock: waits for us, we wait for it, a try finds it taken', async () => {
    const client = hall.client();
    const held = await client.lock('tool');
    const other = new Running(endpoint(), ['lock', 'tool']);
    await hall.queued('tool', 2);
    const waiting = client.lock('tool');
    await hall.queued('tool', 3);
    expect(other.out).toBe('');
    await held.release();
    await other.says('tool/');
    expect(await client.tryLock('tool')).toBeUndefined();
    await other.interrupt();
    const next = await waiting;
    expect(next.token).toBeGreaterThan(held.token);
    await next.release();
    await hall.queued('tool', 0);
  });

  test('elect: hears our leader and follows it; we hear it', async () => {
    const election = hall.client().election('chair');
    const seen = hall.client().election('chair').observe();
    expect((await seen.next()).value).toBeUndefined();
    const campaign = election.campaign('ours');
    const { value: term } = await campaign.next();
    if (term === undefined) throw new Error('no term');
    expect((await seen.next()).value).toMatchObject({ text: 'ours', token: term.token });
    const listening = new Running(endpoint(), ['elect', '--listen', 'chair']);
    await listening.says('ours');
    const other = new Running(endpoint(), ['elect', 'chair', 'theirs']);
    await hall.queued('chair', 2);
    await term.proclaim('still ours');
    await listening.says('still ours');
    await term.resign();
    await other.says('theirs');
    const again = campaign.next();
    await hall.queued('chair', 2);
    expect((await seen.next()).value).toMatchObject({ text: 'still ours' });
    expect((await seen.next()).value).toMatchObject({ text: 'theirs' });
    await other.interrupt();
    const { value: next } = await again;
    expect(next?.token).toBeGreaterThan(term.token);
    expect((await seen.next()).value).toMatchObject({ text: 'ours', token: next?.token });
    await listening.interrupt();
    await campaign.close();
    await seen.close();
  });

  test('the Election service: its leader yields to ours, and ours to it', async () => {
    const id = await lease();
    const { leader } = (await hall.call('Election/Campaign', { name: 'board', lease: id, value: 'theirs' })) as {
      leader: Readonly<Record<string, string | number>>;
    };
    const election = hall.client().election('board');
    expect(await election.leader()).toMatchObject({ text: 'theirs', token: BigInt(leader['rev'] ?? 0) });
    const campaign = election.campaign('ours');
    const pending = campaign.next();
    await hall.queued('board', 2);
    await hall.call('Election/Resign', { leader });
    const { value: term } = await pending;
    expect(await hall.call('Election/Leader', { name: 'board' })).toMatchObject({
      kv: { value: 'ours', createRevision: Number(term?.token) },
    });
    const theirs = hall.call('Election/Campaign', { name: 'board', lease: await lease(), value: 'theirs again' });
    await hall.queued('board', 2);
    await campaign.close();
    await theirs;
    expect(await election.leader()).toMatchObject({ text: 'theirs again' });
  });
});
