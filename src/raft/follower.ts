/**
 * What a follower does with the leader's messages: take entries, cut off only what conflicts, learn what is committed
 * (Raft thesis §3.5). Its answers wait in the core until the disk holds what they vouch for. Everything a broken peer could
 * send is refused as a value: a conflict with committed entries changes nothing and is counted.
 * Invariants: R3, R5, R6, R7, R9.
 */
import type { Entry, MemberId } from '../store/entry.ts';
import { NO_MEMBER } from '../store/entry.ts';
import type { Core } from './core.ts';
import type { Append, Heartbeat } from './message.ts';

export function onAppend(core: Core, message: Append): void {
  if (!follow(core, message.from)) return;
  // The log on disk is being replaced by a snapshot's; the leader asks again.
  if (core.installing !== undefined) return;
  const { log } = core;
  const behind = message.entries.filter((entry) => entry.index > log.base.index);
  const below = message.entries[message.entries.length - behind.length - 1];
  if (below !== undefined && below.index === log.base.index && below.term !== log.base.term) {
    core.refuse('an append with another entry at our base');
    return;
  }
  const prevIndex = Math.max(message.prevIndex, log.base.index);
  if (message.prevIndex >= log.base.index && log.term(message.prevIndex) !== message.prevTerm) {
    if (message.prevIndex <= core.commit) core.refuse('an append behind another entry than the committed one');
    else reject(core, message);
    return;
  }
  const fresh = behind.findIndex((entry) => log.term(entry.index) !== entry.term);
  if (fresh >= 0) {
    if ((behind[fresh] as Entry).index <= core.commit) {
      core.refuse('an append that conflicts with a committed entry');
      return;
    }
    // As if lost: the leader probes from here on until an image has come.
    if ((behind[fresh] as Entry).index > log.lastIndex && core.logFull) return;
    core.append(behind.slice(fresh));
  }
  const lastNew = prevIndex + behind.length;
  core.commitTo(Math.min(message.commit, lastNew));
  // What is committed equals the leader's log too, whatever this (perhaps late) append held.
  accept(core, message.from, Math.max(lastNew, core.commit), message.round);
}

export function onHeartbeat(core: Core, message: Heartbeat): void {
  if (!follow(core, message.from)) return;
  const { id: from, term } = core;
  if (core.installing === undefined) {
    if (message.commit > core.log.lastIndex) {
      core.refuse('a heartbeat that commits beyond our log');
      // A leader commits here only what we have acknowledged in its term: the end of our log was lost at a start, as if it had been torn.
      // It takes no rejection below that from us, so that we would wait for another term; an image brings us forward in this one.
      core.send({ type: 'heartbeatReply', from, to: message.from, term, round: 0, needsSnapshot: true });
      return;
    }
    core.commitTo(message.commit);
  }
  const needsSnapshot = core.needsSnapshot && core.installing === undefined;
  core.send({ type: 'heartbeatReply', from, to: message.from, term, round: message.round, needsSnapshot });
}

/** Tells `to` that our log equals its own up to `match`, as soon as that is on disk. */
export function accept(core: Core, to: MemberId, match: number, round: number): void {
  const { id: from, term, needsSnapshot } = core;
  core.send(
    { type: 'appendReply', from, to, term, accepted: true, match, hintIndex: 0, hintTerm: 0, needsSnapshot, round },
    match,
  );
}

/** `from` leads in our term. False if that cannot be: we lead, or follow another in the same term. */
function follow(core: Core, from: MemberId): boolean {
  if (core.role === 'leader' || (core.leader !== NO_MEMBER && core.leader !== from)) {
    core.refuse('a second leader in one term');
    return false;
  }
  if (core.role !== 'follower' || core.leader === NO_MEMBER) core.becomeFollower(core.term, from);
  core.electionElapsed = 0;
  return true;
}

function reject(core: Core, message: Append): void {
  const { id: from, term, log, needsSnapshot } = core;
  const hintIndex = log.lastAtMost(message.prevIndex, message.prevTerm);
  core.send({
    type: 'appendReply',
    from,
    to: message.from,
    term,
    accepted: false,
    match: message.prevIndex,
    hintIndex,
    hintTerm: log.term(hintIndex) ?? 0,
    needsSnapshot,
    round: message.round,
  });
}
