/**
 * Renewals sent to one member and to no other, through its own client port, over one raw keep-alive stream: what a client
 * does that does not know that its member is cut off. Answers of one lease come in the order of its requests.
 */
import * as grpc from '@grpc/grpc-js';
import { bigintOf, int64Of } from '../../src/rpc/int64.ts';
import { wire } from '../../src/rpc/messages.ts';
import { nowMs } from './load.ts';
import { pause } from './processes.ts';

const identity = (bytes: Uint8Array): Buffer => Buffer.from(bytes);

/** Renews each of `ids` every 200 ms for `forMs`. `acknowledged` hears of each OK, with the time its request was sent. */
export async function renewDirectly(
  endpoint: string,
  ids: readonly string[],
  forMs: number,
  acknowledged: (id: string, sentMs: number, ttlSeconds: number) => void,
): Promise<void> {
  const client = new grpc.Client(endpoint, grpc.credentials.createInsecure());
  const endMs = nowMs() + forMs;
  try {
    while (nowMs() < endMs) {
      const sent = new Map<string, number[]>(ids.map((id) => [id, []]));
      let broken = false;
      const stream = client.makeBidiStreamRequest(
        '/etcdserverpb.Lease/LeaseKeepAlive',
        identity,
        (bytes: Buffer) => bytes,
      );
      stream.on('error', () => {
        broken = true;
      });
      stream.on('data', (bytes: Buffer) => {
        const answer = wire.LeaseKeepAliveResponse.decode(bytes);
        const id = bigintOf(answer.ID).toString();
        const sentMs = sent.get(id)?.shift();
        if (sentMs !== undefined && Number(answer.TTL) > 0) acknowledged(id, sentMs, Number(answer.TTL));
      });
      while (!broken && nowMs() < endMs) {
        for (const id of ids) {
          sent.get(id)?.push(nowMs());
          stream.write(wire.LeaseKeepAliveRequest.encode({ ID: int64Of(BigInt(id)) }));
        }
        await pause(200);
      }
      stream.cancel();
      await pause(50);
    }
  } finally {
    client.close();
  }
}
