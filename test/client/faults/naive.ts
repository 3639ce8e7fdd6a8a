/**
 * A holder as many write it: it renews on an interval, counts the TTL from the receipt of each answer, and believes until its own timer
 * says otherwise. It has no signal, compares no clocks and sends no token that anybody looks at. What it does wrong shows that
 * the checks would see it.
 */
import { sleep, type Timer } from '../../../src/client/clock.ts';
import { type Hold, name, type Wish } from './hold.ts';

export async function naiveHold({ client, clock, ttlMs, stop }: Wish): Promise<Hold | undefined> {
  const { id } = await client.grant(ttlMs, { signal: stop });
  const lost = new AbortController();
  let over: Timer | undefined;
  const answered = (): void => {
    if (lost.signal.aborted) return;
    over?.cancel();
    over = clock.after(ttlMs, () => lost.abort());
  };
  const renew = (): void => {
    if (lost.signal.aborted) return;
    void client.keepAliveOnce(id, { signal: stop }).then(answered, () => {});
    interval = clock.after(ttlMs / 3, renew);
  };
  const release = async (): Promise<void> => {
    lost.abort();
    over?.cancel();
    interval.cancel();
    await client.revoke(id);
  };
  answered();
  let interval = clock.after(ttlMs / 3, renew);
  const key = `${name}/bare`;
  try {
    while (!stop.aborted && !lost.signal.aborted) {
      const made = await client
        .txn()
        .if((c) => c.key(key).missing())
        .then((t) => t.put(key, 'held', { lease: id }))
        .commit({ signal: stop });
      if (made.succeeded) {
        const held = (): boolean => !lost.signal.aborted;
        const { signal } = lost;
        return { token: made.revision, ttlMs, held, signal, timed: signal, guard: undefined, release };
      }
      await sleep(clock, 100 + 200 * clock.random(), stop);
    }
  } catch (error) {
    await release().catch(() => {});
    throw error;
  }
  await release();
  return undefined;
}
