/**
 * A job that runs every so often, on one of several machines, each turn of it once. What to look at: the loop of terms, whose
 * body ends when its `signal` says so, and the guard, without which a leader that is late could count a turn twice.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Client, LeaseError, type Term } from 'leasehold/client';

const help = `node --import tsx examples/cron-leader.ts [flags]
  Start several of them, and kill the one that works: another goes on where it was.
  --endpoints HOST:PORT,…   members of the cluster (127.0.0.1:2379)
  --name NAME               how it calls itself (its process id)
  --every MS                between two turns of the job (1000)
  --ttl DURATION            how long a leader that is dead is waited for (3s)`;

const flags = {
  endpoints: { type: 'string', default: '127.0.0.1:2379' },
  name: { type: 'string', default: String(process.pid) },
  every: { type: 'string', default: '1000' },
  ttl: { type: 'string', default: '3s' },
  help: { type: 'boolean', default: false },
} as const;

/** Not under `cron/`, where the election's candidates stand. */
const turnsKey = 'turns-of-cron';

async function main(): Promise<void> {
  const { values } = parseArgs({ options: flags });
  if (values.help) {
    console.log(help);
    return;
  }
  const { name, ttl } = values;
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  await using client = new Client({ endpoints: values.endpoints.split(',') });

  console.log(`${name} is a candidate`);
  // Each round of this loop is one term. Leaving the body resigns; losing the term aborts `term.signal`, and it queues up again.
  for await (const term of client.election('cron', { ttl }).campaign(name, { signal: stop.signal })) {
    console.log(`${name} leads, term ${term.token}`);
    await lead(client, term, name, Number(values.every));
    console.log(`${name} leads no longer`);
  }
}

async function lead(client: Client, term: Term, name: string, everyMs: number): Promise<void> {
  const { signal } = term;
  while (!signal.aborted) {
    try {
      const done = await client.get(turnsKey, { signal });
      const turn = Number(done?.text ?? 0) + 1;
      // Only while this term stands, and only once: the turn is counted or it is not.
      const { succeeded } = await client
        .txn()
        .if(term.guard, (c) => c.key(turnsKey).modRevision.eq(done?.modRevision ?? 0n))
        .then((t) => t.put(turnsKey, String(turn)))
        .commit({ signal });
      if (succeeded) console.log(`${name} runs turn ${turn}`);
    } catch (error) {
      // Lost or cut off: the signal ends the loop if it is the former; if it is the latter, the next attempt may work.
      if (!(error instanceof LeaseError)) throw error;
    }
    await sleep(everyMs, undefined, { signal }).catch(() => {});
  }
}

await main();
