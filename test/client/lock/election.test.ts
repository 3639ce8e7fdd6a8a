/** Elections: terms as turns of a loop, proclamations, observers, giving up. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Client, Leader, Term } from '../../../src/client/client.ts';
import { Hall, latch, lost, meddled, silence, txnPath } from './hall.ts';

let hall: Hall;
beforeAll(async () => {
  hall = await Hall.start();
});
afterEach(() => hall.closeClients());
afterAll(() => hall.stop());

/** The next leader that an observer hears of. */
async function told(seen: AsyncIterator<Leader | undefined, void>): Promise<string> {
  const { value, done } = await seen.next();
  if (done === true) return 'over';
  return value === undefined ? 'nobody' : `${(value as Leader).text} ${(value as Leader).token}`;
}

async function nextTerm(campaign: AsyncIterator<Term, void>): Promise<Term> {
  const { value } = await campaign.next();
  if (value === undefined) throw new Error('no term');
  return value;
}

describe('a campaign', () => {
  test('is a loop of terms: each turn leads, resigns at its end, and queues up again; break ends it', async () => {
    const election = hall.client().election('loop', { ttl: '10s' });
    const before = await hall.leases();
    const tokens: bigint[] = [];
    for await (const term of election.campaign('me')) {
      const [key, ...more] = await hall.keys('loop');
      expect(more).toEqual([]);
      expect(key).toMatchObject({ value: 'me', createRevision: Number(term.token) });
      expect(term.held()).toBe(true);
      tokens.push(term.token);
      if (tokens.length === 3) break;
    }
    expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => Number(a - b)));
    expect(await hall.keys('loop')).toEqual([]);
    await hall.noLeaseSince(before);
  });

  test('hands over in order; a term that is over aborts, and changes nothing any more', async () => {
    const [one, two] = [hall.client(), hall.client()].map((client) => client.election('hand'));
    const first = one?.campaign('one') as ReturnType<NonNullable<typeof one>['campaign']>;
    const second = two?.campaign('two') as typeof first;
    const term = await nextTerm(first);
    const waiting = nextTerm(second);
    await hall.queued('hand', 2);
    expect(await one?.leader()).toMatchObject({ text: 'one', token: term.token });
    await term.resign();
    expect(term.held()).toBe(false);
    expect(term.signal.reason).toMatchObject({ code: 'not_held' });
    await expect(term.proclaim('late')).rejects.toMatchObject({ code: 'not_held' });
    const next = await waiting;
    expect(next.token).toBeGreaterThan(term.token);
    expect(await one?.leader()).toMatchObject({ text: 'two', token: next.token });
    await first.close();
    await second.close();
    expect(await two?.leader()).toBeUndefined();
    expect(await hall.keys('hand')).toEqual([]);
  });

  test('that lost its session leads again under another one; a given session that is lost ends it', async () => {
    const client = hall.client();
    const campaign = client.election('lost').campaign('me');
    const before = await hall.leases();
    const term = await nextTerm(campaign);
    for (const id of await hall.leasesSince(before)) await hall.client().revoke(id);
    await expect.poll(() => term.signal.aborted).toBe(true);
    const again = await nextTerm(campaign);
    expect(again.token).toBeGreaterThan(term.token);
    await campaign.close();
    const session = await client.session();
    const given = client.election('lost', { session }).campaign('me');
    await nextTerm(given);
    await session.close();
    await expect(given.next()).rejects.toMatchObject({ code: 'lease_lost' });
    expect(await given.next()).toEqual({ value: undefined, done: true });
  });

  test('whose signal fires: the term’s aborts, the body ends, the loop too, without an error', async () => {
    const stop = new AbortController();
    let heard: unknown;
    for await (const term of hall.client().election('stop').campaign('me', { signal: stop.signal })) {
      expect(term.signal.aborted).toBe(false);
      stop.abort('enough');
      heard = term.signal.reason;
      expect(term.held()).toBe(true);
    }
    expect(heard).toBe('enough');
    expect(await hall.keys('stop')).toEqual([]);
  });

  test('that is cancelled, or left, while it waits leaves no candidate', async () => {
    const gate = hall.client().election('wait').campaign('gate');
    await nextTerm(gate);
    const stop = new AbortController();
    const cancelled = hall.client().election('wait').campaign('a', { signal: stop.signal }).next();
    const left = hall.client().election('wait').campaign('b');
    const pending = left.next();
    await hall.queued('wait', 3);
    stop.abort();
    expect(await cancelled).toEqual({ value: undefined, done: true });
    await left.close();
    expect(await pending).toEqual({ value: undefined, done: true });
    await hall.queued('wait', 1);
    await gate.close();
    const none = hall.client().election('wait').campaign('c', { signal: AbortSignal.abort() });
    expect(await none.next()).toEqual({ value: undefined, done: true });
  });

  test('that is cancelled while its key is put leaves none, and never leads later', async () => {
    const asked = latch();
    let txns = 0;
    const client = hall.client({
      connect: meddled((path, pass, options) => {
        if (path !== txnPath || ++txns !== 1) return undefined;
        void pass().then(asked.open, asked.open);
        return silence(options);
      }),
    });
    const stop = new AbortController();
    const campaign = client.election('unsure').campaign('me', { signal: stop.signal });
    const pending = campaign.next();
    await asked.opened;
    expect(await hall.keys('unsure')).toHaveLength(1);
    stop.abort();
    expect(await pending).toEqual({ value: undefined, done: true });
    await hall.queued('unsure', 0);
  });

  test('outlives a cluster that cannot be asked', async () => {
    let failures = 4;
    const client = hall.client({
      timeout: 100,
      connect: meddled((path) => (path === txnPath && failures-- > 0 ? Promise.reject(lost()) : undefined)),
    });
    const campaign = client.election('away').campaign('me');
    expect((await nextTerm(campaign)).held()).toBe(true);
    await campaign.close();
    await hall.queued('away', 0);
  });

  test('ends with the client, and is refused for a name that is none', async () => {
    const client = hall.client();
    const gate = hall.client().election('shut').campaign('gate');
    await nextTerm(gate);
    const pending = client.election('shut').campaign('me').next();
    pending.catch(() => {});
    await hall.queued('shut', 2);
    await client.close();
    await expect(pending).rejects.toMatchObject({ code: 'closed' });
    expect(() => client.election('')).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
    await gate.close();
  });
});

describe('a leader', () => {
  test('proclaims: the last value asked for is the last one seen; the guard stays good', async () => {
    const client = hall.client();
    const campaign = client.election('say').campaign('a');
    const term = await nextTerm(campaign);
    await Promise.all(['b', 'c', 'd'].map((value) => term.proclaim(value)));
    expect(await client.election('say').leader()).toMatchObject({ text: 'd', token: term.token });
    expect((await client.txn().if(term.guard).commit()).succeeded).toBe(true);
    await hall.call('KV/DeleteRange', { key: term.key });
    await expect(term.proclaim('e')).rejects.toMatchObject({ code: 'not_held' });
    await expect.poll(() => term.signal.aborted).toBe(true);
    expect(await hall.keys('say')).toEqual([]);
    await campaign.close();
  });

  test('whose answer is lost has said it once, and an attempt that comes late says nothing', async () => {
    const late = latch();
    let txns = 0;
    let lateAnswer: Promise<unknown> = Promise.resolve();
    const client = hall.client({
      connect: meddled((path, pass) => {
        if (path !== txnPath) return undefined;
        txns++;
        if (txns === 2) return pass().then(() => Promise.reject(lost()));
        if (txns !== 4) return undefined;
        lateAnswer = late.opened.then(() => pass());
        return Promise.reject(lost());
      }),
    });
    const campaign = client.election('once').campaign('a');
    const term = await nextTerm(campaign);
    await term.proclaim('b');
    await term.proclaim('c');
    await term.proclaim('d');
    late.open();
    await lateAnswer;
    expect(await client.election('once').leader()).toMatchObject({ text: 'd' });
    await campaign.close();
  });
});

describe('an observer', () => {
  test('hears of nobody, of each leader, of each value, and of nobody again', async () => {
    const client = hall.client();
    const seen = hall.client().election('see').observe();
    expect(await told(seen)).toBe('nobody');
    const campaign = client.election('see').campaign('a');
    const first = await nextTerm(campaign);
    expect(await told(seen)).toBe(`a ${first.token}`);
    await first.proclaim('b');
    await first.proclaim('c');
    expect(await told(seen)).toBe(`b ${first.token}`);
    expect(await told(seen)).toBe(`c ${first.token}`);
    await first.resign();
    const second = await nextTerm(campaign);
    expect(await told(seen)).toBe('nobody');
    expect(await told(seen)).toBe(`a ${second.token}`);
    const late = hall.client().election('see').observe();
    expect(await told(late)).toBe(`a ${second.token}`);
    await campaign.close();
    expect(await told(late)).toBe('nobody');
    await Promise.all([seen.close(), late.close()]);
    expect(await told(seen)).toBe('over');
  });

  test('is not told of those who wait, and misses none of many short terms', async () => {
    const seen = hall.client().election('many').observe();
    expect(await told(seen)).toBe('nobody');
    const gate = hall.client().election('many').campaign('gate');
    const tokens = [(await nextTerm(gate)).token];
    const rest = [hall.client(), hall.client()].flatMap((client) => [0, 1, 2].map((i) => lead(client, `v${i}`)));
    await hall.queued('many', 7);
    await gate.close();
    tokens.push(...(await Promise.all(rest)));
    const heard: string[] = [];
    while (!['nobody', 'over'].includes(heard.at(-1) ?? '')) heard.push(await told(seen));
    expect(heard.slice(0, -1).map((text) => BigInt(text.split(' ')[1] ?? 0))).toEqual(
      tokens.sort((a, b) => Number(a - b)),
    );
    await seen.close();
  });

  async function lead(client: Client, value: string): Promise<bigint> {
    for await (const term of client.election('many').campaign(value)) return term.token;
    return 0n;
  }

  test('ends when its signal fires, while it waits or not, and with the client', async () => {
    const stop = new AbortController();
    const client = hall.client();
    const seen = client.election('end').observe({ signal: stop.signal });
    expect(await told(seen)).toBe('nobody');
    const pending = told(seen);
    stop.abort();
    expect(await pending).toBe('over');
    const other = client.election('end').observe();
    expect(await told(other)).toBe('nobody');
    const waiting = other.next();
    waiting.catch(() => {});
    await client.close();
    await expect(waiting).rejects.toMatchObject({ code: 'closed' });
  });

  test('goes on after a compaction past what it has heard', async () => {
    const campaign = hall.client().election('compact').campaign('a');
    const term = await nextTerm(campaign);
    const client = hall.client();
    const seen = client.election('compact').observe();
    expect(await told(seen)).toBe(`a ${term.token}`);
    await term.proclaim('b');
    const { revision } = (await hall.call('KV/Put', { key: 'other', value: '' }))['header'] as { revision: number };
    await hall.call('KV/Compact', { revision });
    expect(await told(seen)).toBe(`b ${term.token}`);
    await seen.close();
    await campaign.close();
  });
});
