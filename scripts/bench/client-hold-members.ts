/** What members say of the leases that a client believes to hold. */
import { bigintOf, int64Of } from '../../src/rpc/int64.ts';
import { wire } from '../../src/rpc/messages.ts';
import { inFlight, Line } from './client.ts';

const asksInFlight = 100;

/**
 * Asks for all leases there are, and for the TTL of each of these. `missing`: not listed; `expired`: no time left; `ttlLeftSecondsMin`:
 * of the one that was nearest to its end.
 */
export async function leasesHeld(
  endpoints: readonly string[],
  ids: readonly bigint[],
  ttlSeconds: number,
): Promise<{ readonly missing: number; readonly expired: number; readonly ttlLeftSecondsMin: number }> {
  const lines = endpoints.map((endpoint) => new Line(endpoint));
  try {
    const line = lines[0] as Line;
    const listed = new Set<string>();
    const answer = wire.LeaseLeasesResponse.decode(
      await line.call('/etcdserverpb.Lease/LeaseLeases', new Uint8Array()),
    );
    for (const { ID } of answer.leases) listed.add(String(bigintOf(ID)));
    const missing = ids.filter((id) => !listed.has(String(id))).length;
    let expired = 0;
    let ttlLeftSecondsMin = ttlSeconds;
    await inFlight(ids.length, asksInFlight, async (n) => {
      const id = ids[n] as bigint;
      const request = wire.LeaseTimeToLiveRequest.encode({ ID: int64Of(id), keys: false });
      const asked = lines[n % lines.length] as Line;
      const bytes = await asked.call('/etcdserverpb.Lease/LeaseTimeToLive', request);
      const left = Number(bigintOf(wire.LeaseTimeToLiveResponse.decode(bytes).TTL));
      if (left <= 0) expired++;
      ttlLeftSecondsMin = Math.min(ttlLeftSecondsMin, left);
    });
    return { missing, expired, ttlLeftSecondsMin };
  } finally {
    for (const line of lines) line.close();
  }
}
