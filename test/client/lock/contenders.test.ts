/**
 * Many who want one lock, on three real members that are killed one after the other, the leader among them: one at a time, tokens that
 * grow, nothing that a later holder has overwritten, nothing left behind.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Client, LeaseError, type Term } from '../../../src/client/client.ts';
import { Hall } from './hall.ts';

const clientsCount = 6;
const contendersPerClient = 4;
const attemptsMax = 200;

let hall: Hall;
beforeAll(async () => {
  hall = await Hall.start(3);
}, 90_000);
afterAll(() => hall.stop());

/** What may happen to anybody while members die; all else is a fault. */
function isPassing(error: unknown): boolean {
  return error instanceof LeaseError && (error.retryable || error.code === 'lease_lost' || error.code === 'not_held');
}

/** After each death there is somebody's turn again, and again. */
async function killEachInTurn(turns: readonly bigint[]): Promise<void> {
  for (let member = 0; member < 3; member++) {
    await hall.target.kill(member);
    await hall.target.restart(member);
    const before = turns.length;
    await expect.poll(() => turns.length, { timeout: 30_000 }).toBeGreaterThan(before + 2);
  }
}

/** Repeats until it succeeds, as what it does may be cut short by a death. */
async function insist(step: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    try {
      if (await step()) return;
    } catch (error) {
      if (!isPassing(error)) throw error;
    }
  }
  throw new Error(`in vain tried ${attemptsMax} times`);
}

test('a lock', async () => {
  const tokens: bigint[] = [];
  let inside = 0;
  let written = 0;
  let over = false;
  const contend = async (client: Client): Promise<void> => {
    do {
      await insist(async () => {
        await client.lock('hall', { ttl: '15s' }, async (held) => {
          expect(++inside).toBe(1);
          try {
            tokens.push(held.token);
            const before = Number((await client.get('written'))?.text ?? 0);
            // A write whose answer was lost may have happened, and so counts for those who come after.
            if (!held.held()) return;
            const put = await client
              .txn()
              .if(held.guard)
              .then((op) => op.put('written', String(before + 1)))
              .commit();
            if (put.succeeded) written++;
            else expect(held.held()).toBe(false);
          } finally {
            inside--;
          }
        });
        return true;
      });
    } while (!over);
  };
  const clients = Array.from({ length: clientsCount }, () => hall.client());
  const work = clients.flatMap((client) => Array.from({ length: contendersPerClient }, () => contend(client)));
  await killEachInTurn(tokens);
  over = true;
  await Promise.all(work);
  expect(tokens.length).toBeGreaterThan(8);
  expect(tokens).toEqual([...tokens].sort((a, b) => Number(a - b)));
  expect(new Set(tokens).size).toBe(tokens.length);
  const counted = Number((await (clients[0] as Client).get('written'))?.text);
  expect(counted).toBeGreaterThanOrEqual(written);
  expect(counted).toBeLessThanOrEqual(tokens.length);
  await hall.queued('hall', 0);
  await hall.closeClients();
}, 180_000);

test('an election: one leader at a time, observed by its token', async () => {
  const tokens: bigint[] = [];
  const heard: bigint[] = [];
  const stop = new AbortController();
  const enough = new AbortController();
  let leading = 0;
  const lead = async (client: Client, name: string): Promise<void> => {
    const work = async (term: Term): Promise<void> => {
      expect(++leading).toBe(1);
      tokens.push(term.token);
      await term.proclaim(`${name} works`).catch((error: unknown) => expect(isPassing(error)).toBe(true));
      leading--;
    };
    for await (const term of client.election('seat', { ttl: '15s' }).campaign(name, { signal: stop.signal }))
      await work(term);
  };
  const observe = async (): Promise<void> => {
    for await (const leader of hall.client().election('seat').observe({ signal: enough.signal }))
      if (leader !== undefined && leader.token !== heard.at(-1)) heard.push(leader.token);
  };
  const observing = observe();
  const clients = Array.from({ length: clientsCount }, () => hall.client());
  const work = clients.map((client, i) => lead(client, `c${i}`));
  await killEachInTurn(tokens);
  stop.abort();
  await Promise.all(work);
  await hall.queued('seat', 0);
  expect(tokens.length).toBeGreaterThan(8);
  expect(tokens).toEqual([...tokens].sort((a, b) => Number(a - b)));
  await expect.poll(() => heard.includes(tokens.at(-1) ?? 0n)).toBe(true);
  enough.abort();
  await observing;
  expect(heard).toEqual([...heard].sort((a, b) => Number(a - b)));
  const first = heard[0] ?? 0n;
  expect(tokens.filter((token) => token >= first && !heard.includes(token))).toEqual([]);
}, 180_000);
