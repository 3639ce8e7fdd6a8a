/**
 * A worker that leaves in good order: on SIGTERM it takes no more work, finishes what it is at, gives back its lock, takes
 * itself off the list and is gone, in seconds. What to look at: one signal that all waits listen to, and the order of the end.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Client, LeaseError } from 'leasehold/client';

const help = `node --import tsx examples/graceful-shutdown.ts [flags]
  Works on jobs under a lock that several of them share. End it with SIGTERM or Ctrl-C.
  --endpoints HOST:PORT,…   members of the cluster (127.0.0.1:2379)
  --name NAME               how it calls itself (its process id)
  --job MS                  how long a job takes (1000)
  --ttl DURATION            how long the cluster waits for one that does not leave in good order (30s)`;

const flags = {
  endpoints: { type: 'string', default: '127.0.0.1:2379' },
  name: { type: 'string', default: String(process.pid) },
  job: { type: 'string', default: '1000' },
  ttl: { type: 'string', default: '30s' },
  help: { type: 'boolean', default: false },
} as const;

/** Longer than any job, shorter than what the platform waits before it kills. */
const shutdownMsMax = 10_000;

async function main(): Promise<void> {
  const { values } = parseArgs({ options: flags });
  if (values.help) {
    console.log(help);
    return;
  }
  const { name, ttl } = values;
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      console.log(`${name} is told to stop`);
      stop.abort();
      // Whatever hangs: the cluster ends what is left when the TTL is over. This timer keeps nothing alive.
      setTimeout(() => process.exit(1), shutdownMsMax).unref();
    });

  await using client = new Client({ endpoints: values.endpoints.split(',') });
  // One lease for all it holds. Scopes end in reverse: first the lock, then the registration, the lease, the client.
  await using session = await client.session({ ttl });
  await using _here = await client.register(`workers/${name}`, 'at work', { session });
  console.log(`${name} is at work`);

  while (!stop.signal.aborted) {
    try {
      await client.lock('jobs', { session, signal: stop.signal }, async ({ token, signal }) => {
        console.log(`${name} begins job ${token}`);
        // A job stops when its lock is lost, and not when the worker is told to stop: it is finished then.
        await sleep(Number(values.job), undefined, { signal });
        console.log(`${name} has done job ${token}`);
      });
    } catch (error) {
      if (stop.signal.aborted) break;
      const code = error instanceof LeaseError ? error.code : 'aborted';
      console.log(`${name} lost a job: ${code}`);
      if (!session.held()) throw error;
    }
  }
  console.log(`${name} leaves`);
}

await main();
