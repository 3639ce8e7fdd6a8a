/**
 * `prefer: 'leader'`: finds the member that leads and sends new calls and streams there, which spares each one a hop. Asks every member
 * for its status; what they say is a hint and no more, since every member serves everything. Learners, which serve nothing, are
 * avoided.
 */
import type { Clock } from '../clock.ts';
import { LeaseError } from '../errors.ts';
import { headerOf, wireCall } from '../wire/codec.ts';
import type { StatusResponse } from '../wire/messages.ts';
import type { Calls } from './calls.ts';
import type { Channel } from './channel.ts';
import type { Members } from './members.ts';
import { Rounds } from './rounds.ts';

/** A status is answered within this, or not counted. */
const statusMsMax = 2_000;
/** Between two looks while nothing fails: leadership may move without a failure. */
const everyMs = 60_000;

interface Said {
  readonly channel: Channel;
  readonly status: StatusResponse;
}

/** Begins with the first connection, ends with the client. */
export function preferLeader(clock: Clock, members: Members, calls: Calls): void {
  new Rounds(clock, members, everyMs, async () => {
    const said = await Promise.all(members.channels.map((channel) => ask(channel, calls)));
    const answers = said.filter((each) => each !== undefined);
    for (const { channel, status } of answers)
      if (status.isLearner) members.failed(channel, new LeaseError('unavailable', `${channel.endpoint} is a learner`));
    const leader = leaderOf(answers);
    if (leader !== undefined) members.prefer(leader);
    return leader !== undefined;
  });
}

async function ask(channel: Channel, calls: Calls): Promise<Said | undefined> {
  const { path, encode, decode } = wireCall('status');
  try {
    const metadata = await calls.metadata({ withoutLeader: true, timeoutMs: statusMsMax });
    const answer = await channel.unary(path, encode({}), { metadata, timeoutMs: statusMsMax });
    return { channel, status: decode(answer) };
  } catch {
    // Whatever ails it: it is asked again in the next round.
    return undefined;
  }
}

/** Where the leader of the newest term that is known answered. */
function leaderOf(answers: readonly Said[]): Channel | undefined {
  const led = answers.filter(({ status }) => status.leader !== 0n);
  led.sort((a, b) => Number(b.status.raftTerm - a.status.raftTerm));
  const leader = led[0]?.status.leader;
  return led.find(({ status }) => headerOf(status).memberId === leader)?.channel;
}
