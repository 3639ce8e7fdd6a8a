/**
 * Whether the ports for clients can be had, asked before any file is made: they are opened for good only when there is something to
 * serve, and a member that then finds them taken would leave a data directory behind. Owns no listener.
 */
import { createServer } from 'node:net';
import type { MemberConfig } from '../ops/config.ts';
import type { ListenUrl } from '../ops/config-urls.ts';
import { listenFailure } from './peer-port.ts';

/** Throws `StartFailure` for the first port that is in use, not ours to take, or of no address of this machine. */
export async function checkClientPorts(config: MemberConfig): Promise<void> {
  for (const url of config.listenClientUrls) await check('listen-client-urls', url);
  for (const url of config.listenMetricsUrls) await check('listen-metrics-urls', url);
}

async function check(flag: string, { host, port, text }: ListenUrl): Promise<void> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port }, resolve);
    });
  } catch (error) {
    throw listenFailure(flag, text, error);
  }
  await new Promise((resolve) => server.close(resolve));
}
