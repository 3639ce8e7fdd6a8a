/**
 * Quorum rounds: proof that, after a question arrived, a quorum was still in our leader's term (Raft thesis §6.4, batched).
 * 1. Questions get tickets; all that came before a `takeReady` share the round it begins: one under way, one waiting.
 * 2. A round has a number, new in its term. Heartbeats and appends carry the newest number, answers echo what they heard.
 * 3. An answer counts only if it echoes the round's own number or a later one. One that was already on its way when the
 *    round began echoes less, and proves nothing (M11, etcd-raft #397).
 * A follower's question travels as a `roundRequest` under a context of its own, new in its boot; an answer to an earlier start
 * of it, still on its way, names that boot. Invariant: R12.
 */
import { assert } from '../base/assert.ts';
import type { MemberId } from '../store/entry.ts';
import { NO_MEMBER } from '../store/entry.ts';
import type { Core } from './core.ts';
import type { RoundReply, RoundRequest } from './message.ts';
import type { RoundInFlight, Tickets } from './parts.ts';
import { hasQuorum, isVoter } from './quorum.ts';

/** A ticket for a round begun after this call; undefined while no leader is known. */
export function requestRound(core: Core): number | undefined {
  if (core.leader === NO_MEMBER) return undefined;
  const { tickets } = core;
  tickets.waiting = ++tickets.last;
  return tickets.waiting;
}

/** Whether tickets were lost with their leader, told once. Whatever was asked since is void too: the node asks all of it anew. */
export function takeLost(tickets: Tickets): boolean {
  if (!tickets.lost) return false;
  tickets.lost = false;
  tickets.waiting = 0;
  return true;
}

/** Begins the next round if one waits and none is under way. True if heartbeats must carry its number out now. */
export function beginRound(core: Core): boolean {
  const { leading, tickets } = core;
  if (leading === undefined) {
    if (tickets.waiting > 0 && tickets.inFlight === 0) {
      tickets.inFlight = tickets.waiting;
      tickets.waiting = 0;
      tickets.firstContext = tickets.context + 1;
      askLeader(core);
    }
    return false;
  }
  if (leading.round !== undefined || (tickets.waiting === 0 && leading.asking.size === 0)) return false;
  // Before an entry of our own term is committed we cannot know all that is (Raft thesis §6.4, M10).
  if (!core.ownTermCommitted) return false;
  leading.round = {
    number: ++leading.newestRound,
    index: core.commit,
    upTo: tickets.waiting,
    asked: leading.asking,
    echoed: new Set(),
  };
  leading.asking = new Map();
  tickets.inFlight = tickets.waiting;
  tickets.waiting = 0;
  return !completeRound(core, leading.round);
}

/** A member of our term answered, echoing `round`. */
export function roundEchoed(core: Core, from: MemberId, round: number): void {
  const current = core.leading?.round;
  if (current === undefined || round < current.number || !isVoter(core.configuration, from)) return;
  current.echoed.add(from);
  completeRound(core, current);
}

/** A heartbeat interval has passed: a round still open is asked again, under a new number. */
export function renumberRound(core: Core): void {
  if (core.leading?.round !== undefined) core.leading.newestRound++;
}

/** A follower's tick: a question that is not answered is asked again, under a new context. */
export function tickQuestion(core: Core): void {
  const { tickets } = core;
  if (core.leading !== undefined || tickets.inFlight === 0) return;
  if (++tickets.askedTicks >= 2 * core.heartbeatTicks) askLeader(core);
}

/** We lead, and a follower asks. Its newest question takes the place of an older one that has no round yet. */
export function onRoundRequest(core: Core, message: RoundRequest): void {
  core.leading?.asking.set(message.from, { boot: message.boot, context: message.context });
}

/** The leader answered one of our questions, perhaps one that is over. */
export function onRoundReply(core: Core, message: RoundReply): void {
  const { tickets } = core;
  if (message.from !== core.leader || message.boot !== core.boot || tickets.inFlight === 0) return;
  if (message.context < tickets.firstContext || message.context > tickets.context) return;
  tickets.answered = { upTo: tickets.inFlight, index: message.index };
  tickets.inFlight = 0;
}

function askLeader(core: Core): void {
  const { tickets, leader, id, term, boot } = core;
  assert(leader !== NO_MEMBER && leader !== id, 'R12: a question without a leader to ask');
  tickets.context++;
  tickets.askedTicks = 0;
  core.send({ type: 'roundRequest', from: id, to: leader, term, boot, context: tickets.context });
}

/** Answers everybody if a quorum, ourselves included, has echoed. */
function completeRound(core: Core, round: RoundInFlight): boolean {
  const { leading, tickets, id, term } = core;
  assert(leading?.round === round, 'R12: a round of another term');
  if (!hasQuorum(core.configuration, (voter) => voter === id || round.echoed.has(voter))) return false;
  leading.round = undefined;
  if (round.upTo > 0) {
    tickets.answered = { upTo: round.upTo, index: round.index };
    tickets.inFlight = 0;
  }
  for (const [to, { boot, context }] of round.asked) {
    core.send({ type: 'roundReply', from: id, to, term, boot, context, index: round.index });
  }
  return true;
}
