/**
 * A store outside of the cluster, in a process of its own: takes lines `lock token time` and turns away a token smaller than one it has
 * seen for that lock. Says its port first, and what it took and turned away when its standard input ends.
 */
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';

export interface StoreSaid {
  readonly port?: number;
  readonly accepted?: number;
  readonly turnedAway?: number;
  /** Tokens accepted, in order, by lock. */
  readonly tokens?: Readonly<Record<string, readonly string[]>>;
}

const newest = new Map<string, bigint>();
const tokens: Record<string, string[]> = {};
let accepted = 0;
let turnedAway = 0;
const say = (said: StoreSaid): void => void process.stdout.write(`${JSON.stringify(said)}\n`);

const server = createServer((socket) => {
  socket.on('error', () => {});
  createInterface({ input: socket }).on('line', (line) => {
    const [lock = '', token = '0'] = line.split(' ');
    const before = newest.get(lock) ?? 0n;
    if (BigInt(token) < before) {
      turnedAway++;
      return;
    }
    accepted++;
    if (BigInt(token) === before) return;
    newest.set(lock, BigInt(token));
    tokens[lock] ??= [];
    tokens[lock].push(token);
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  say({ port: typeof address === 'object' && address !== null ? address.port : 0 });
});
process.stdin.resume().on('end', () => {
  say({ accepted, turnedAway, tokens });
  process.exit(0);
});
