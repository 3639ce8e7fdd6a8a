/**
 * A process that competes for locks in real time and tells on standard output what it believes, and when. Arguments, as one JSON object:
 * `Holding`. Ends when its standard input does.
 */
import { connect } from 'node:net';
import { Client, type Held } from '../../../../src/client/client.ts';
import { LeaseError } from '../../../../src/client/errors.ts';
import { monotonicMs, type Said } from './records.ts';

export interface Holding {
  readonly endpoints: readonly string[];
  readonly locks: readonly string[];
  readonly ttlMs: number;
  readonly storePort: number;
  /** Looks at nothing: writes until its time is over by its own plan. */
  readonly naive: boolean;
}

/** Between two looks at all that is held; a gap much longer than this says that the process did not run. */
const tickMs = 10;
const stoodMsMin = 30;

const { endpoints, locks, ttlMs, storePort, naive } = JSON.parse(process.argv[2] ?? '{}') as Holding;
const client = new Client({ endpoints });
const store = connect(storePort, '127.0.0.1');
const stop = new AbortController();
const holds = new Map<Held, string>();
const say = (line: Said): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

let lookedMs = monotonicMs();
/** The first to notice that the process stood still tells it, before it does anything else. */
function notice(): void {
  const fromMs = lookedMs;
  lookedMs = monotonicMs();
  if (lookedMs - fromMs < stoodMsMin) return;
  const looks = [...holds].map(([held, lock]) => ({ lock, token: `${held.token}`, held: held.held() }));
  say({ type: 'stood', fromMs, toMs: lookedMs, looks });
}
setInterval(notice, tickMs);

async function compete(lock: string): Promise<void> {
  while (!stop.signal.aborted) {
    try {
      await hold(lock);
    } catch (error) {
      if (!(error instanceof LeaseError) || error.code === 'internal') throw error;
      await pause(50 + 100 * Math.random());
    }
  }
}

async function hold(lock: string): Promise<void> {
  const held = await client.lock(lock, { ttl: ttlMs, signal: stop.signal });
  const token = `${held.token}`;
  say({ type: 'held', lock, token, atMs: monotonicMs() });
  holds.set(held, lock);
  // A naive holder does not listen, so it goes on believing.
  const lost = (): void => say({ type: 'over', lock, token, atMs: monotonicMs(), why: 'lost' });
  if (held.signal.aborted) lost();
  else if (!naive) held.signal.addEventListener('abort', lost, { once: true });
  const untilMs = monotonicMs() + ttlMs * (0.5 + 2 * Math.random());
  while (monotonicMs() < untilMs && !stop.signal.aborted) {
    notice();
    const atMs = monotonicMs();
    if (!naive && !held.held()) break;
    store.write(`${lock} ${token} ${atMs}\n`);
    say({ type: 'write', lock, token, atMs });
    await pause(20 + 60 * Math.random());
  }
  holds.delete(held);
  held.signal.removeEventListener('abort', lost);
  say({ type: 'over', lock, token, atMs: monotonicMs(), why: held.held() ? 'done' : 'lost' });
  await held.release();
}

process.stdin.resume().on('end', () => {
  stop.abort();
  void client.close().then(() => process.exit(0));
});
process.on('unhandledRejection', (error) => {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(1);
});
for (const lock of locks) void compete(lock);
