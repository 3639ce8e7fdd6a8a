/**
 * Where the members of a cluster on one machine live: names, ports, data, logs; and whether those ports are free.
 */
import { createServer } from 'node:net';
import { join } from 'node:path';

/** One member to run. */
export interface Place {
  readonly name: string;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly dataDir: string;
  readonly logFile: string;
}

/** What a user may choose. `basePort` undefined: the ports everybody knows (2379, 22379, 32379 …). */
export interface LayoutOptions {
  readonly members: number;
  readonly basePort: number | undefined;
  readonly dataDir: string;
}

const host = '127.0.0.1';

/** Client ports 2379, 22379, 32379 … with peers one above; with a base port B: B, B+10, B+20 … */
export function layout(options: LayoutOptions): readonly Place[] {
  return Array.from({ length: options.members }, (_, i) => {
    const name = `n${i + 1}`;
    const clientPort =
      options.basePort === undefined ? 2379 + (i === 0 ? 0 : (i + 1) * 10_000) : options.basePort + i * 10;
    return {
      name,
      clientPort,
      peerPort: clientPort + 1,
      dataDir: join(options.dataDir, name),
      logFile: join(options.dataDir, `${name}.log`),
    };
  });
}

/** The flags that start the member at `place`. */
export function memberFlagsOf(place: Place, all: readonly Place[]): readonly string[] {
  const client = `http://${host}:${place.clientPort}`;
  const peer = `http://${host}:${place.peerPort}`;
  return [
    `--name=${place.name}`,
    `--data-dir=${place.dataDir}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=${all.map((one) => `${one.name}=http://${host}:${one.peerPort}`).join(',')}`,
    '--initial-cluster-token=leasehold-local',
  ];
}

/** `host:port` of a member for clients. */
export function clientTarget(place: Place): string {
  return `${host}:${place.clientPort}`;
}

/** One line about the first port that somebody else holds, else undefined. */
export async function portMistake(places: readonly Place[]): Promise<string | undefined> {
  for (const place of places) {
    const ports: readonly (readonly [number, string])[] = [
      [place.clientPort, 'client'],
      [place.peerPort, 'peer'],
    ];
    for (const [port, what] of ports) {
      const code = await listenError(port);
      if (code === 'EADDRINUSE') {
        return `port ${port} (${what} port of ${place.name}) is in use; stop what listens there, or choose others with --base-port`;
      }
      if (code !== undefined) return `cannot listen on port ${port} (${what} port of ${place.name}): ${code}`;
    }
  }
  return undefined;
}

function listenError(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
