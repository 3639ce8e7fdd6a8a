/**
 * What a leader does: take proposals, feed the followers, count, commit. Appends go out in parallel with its own sync, and it
 * counts itself only up to what is on its disk (M09). Only an entry of its own term is committed by counting; older ones
 * follow (Raft thesis §3.6.2, Figure 8, M05).
 * Invariants: R2, R7, R8, R9, R10, R14.
 */
import { assert } from '../base/assert.ts';
import { uncommittedBytesMax } from '../base/limits.ts';
import type { Entry, EntryKind, Index, MemberId } from '../store/entry.ts';
import { NO_MEMBER } from '../store/entry.ts';
import type { Core } from './core.ts';
import type { AppendReply, HeartbeatReply } from './message.ts';
import type { Leading } from './parts.ts';
import { Progress } from './progress.ts';
import { hasQuorum, quorumIndex } from './quorum.ts';
import { renumberRound, roundEchoed } from './read-index.ts';
import type { Proposed } from './ready.ts';
import { tellTarget, tickTransfer } from './transfer.ts';

/** A quorum voted for us. Opens the term with an empty entry, so that older entries can be committed (M10). */
export function becomeLeader(core: Core): void {
  assert(core.role === 'candidate' && core.vote === core.id, 'R1: only an elected candidate leads');
  assert(core.hardStateDurable, 'R6: elected with a vote that is not on disk');
  const next = core.log.lastIndex + 1;
  core.role = 'leader';
  core.campaign = undefined;
  core.setLeader(core.id);
  core.leading = {
    followers: new Map(core.others().map((member) => [member, new Progress(next)])),
    termStart: next,
    heartbeatElapsed: 0,
    uncommittedBytes: core.log.payloadBytes(core.commit + 1, core.log.lastIndex),
    transferTarget: NO_MEMBER,
    transferElapsed: 0,
    newestRound: 0,
    round: undefined,
    asking: new Map(),
  };
  core.append([{ index: next, term: core.term, kind: 'empty', payload: new Uint8Array(0) }]);
}

/** Takes an entry into the log, if we lead and may. It leaves with the next `takeReady`. */
export function propose(core: Core, kind: EntryKind, payload: Uint8Array): Proposed {
  assert(kind === 'commands', 'R10: only commands are proposed; no change of configuration is allowed yet');
  const { leading } = core;
  if (leading === undefined) return { type: 'notLeader', leader: core.leader };
  if (leading.transferTarget !== NO_MEMBER || core.diskStuck) return { type: 'busy' };
  const bytes = leading.uncommittedBytes + payload.length;
  if (leading.uncommittedBytes > 0 && bytes > uncommittedBytesMax) return { type: 'busy' };
  const index = core.log.lastIndex + 1;
  core.append([{ index, term: core.term, kind, payload }]);
  leading.uncommittedBytes = bytes;
  return { type: 'accepted', term: core.term, index };
}

/** Check-quorum, hand-over, streams, heartbeats. May step down. */
export function tickLeader(core: Core, leading: Leading): void {
  for (const progress of leading.followers.values()) {
    progress.silentTicks++;
    progress.tickStream();
  }
  const heard = (voter: MemberId): boolean =>
    voter === core.id || (leading.followers.get(voter)?.silentTicks ?? Infinity) <= core.electionTicks;
  if (!hasQuorum(core.configuration, heard)) {
    core.becomeFollower(core.term, NO_MEMBER);
    return;
  }
  tickTransfer(core, leading);
  if (++leading.heartbeatElapsed < core.heartbeatTicks) return;
  leading.heartbeatElapsed = 0;
  renumberRound(core);
  broadcastHeartbeats(core, leading);
  for (const progress of leading.followers.values()) {
    progress.stalledIntervals = progress.unanswered ? progress.stalledIntervals + 1 : 0;
  }
  tellTarget(core);
}

/** One heartbeat to everybody, with the newest round. */
export function broadcastHeartbeats(core: Core, leading: Leading): void {
  for (const [member, progress] of leading.followers) sendHeartbeat(core, leading, member, progress);
}

/**
 * Sends what each follower can take: entries, a probe, or just the news of a higher commit index. That is held back for the next
 * append unless `tellCommit`, or its clients wait for it.
 */
export function feedFollowers(core: Core, leading: Leading, tellCommit: boolean): void {
  for (const [member, progress] of leading.followers) {
    feed(core, leading, member, progress);
    const prompt = tellCommit || progress.awaited > progress.sentCommit;
    if (prompt && owesCommit(core, progress)) sendHeartbeat(core, leading, member, progress);
  }
}

/** Whether some follower could commit more than it will have heard of. */
export function commitIsOwed(core: Core): boolean {
  for (const progress of core.leading?.followers.values() ?? []) if (owesCommit(core, progress)) return true;
  return false;
}

function owesCommit(core: Core, progress: Progress): boolean {
  return progress.state === 'replicate' && Math.min(core.commit, progress.match) > progress.sentCommit;
}

export function onAppendReply(core: Core, leading: Leading, message: AppendReply): void {
  const progress = leading.followers.get(message.from);
  if (progress === undefined) return;
  if (message.match > core.log.lastIndex) {
    core.refuse('an append reply beyond our log');
    return;
  }
  heardFrom(progress, message.needsSnapshot);
  roundEchoed(core, message.from, message.round);
  if (!message.accepted) {
    const meet = core.log.lastAtMost(message.hintIndex, message.hintTerm);
    progress.rejected(message.match, meet + 1);
    return;
  }
  const news = progress.acknowledged(message.match);
  const meets = message.match === progress.match && message.match >= core.log.base.index;
  if (progress.state !== 'replicate' && meets) {
    if (progress.state === 'snapshot') progress.imageArrived();
    progress.becomeReplicate();
  }
  if (news) {
    commitByCounting(core, leading);
    tellTarget(core);
  }
}

/** It lives and is in our term. If something sent before the last heartbeat is unanswered, it may be lost: ask again. */
export function onHeartbeatReply(core: Core, leading: Leading, message: HeartbeatReply): void {
  const progress = leading.followers.get(message.from);
  if (progress === undefined) return;
  heardFrom(progress, message.needsSnapshot);
  roundEchoed(core, message.from, message.round);
  if (!progress.unanswered || progress.stalledIntervals === 0) return;
  progress.stalledIntervals = 0;
  if (progress.state === 'probe') progress.paused = false;
  // An append without entries, behind all that was sent: accepted if all arrived, else the answer says where to go on.
  else if (core.log.term(progress.next - 1) !== undefined) sendAppend(core, leading, message.from, progress, []);
}

/** The connection to a follower broke: what was on its way is lost. */
export function followerLinkLost(leading: Leading, member: MemberId): void {
  const progress = leading.followers.get(member);
  if (progress !== undefined && progress.state !== 'snapshot') progress.becomeProbe(progress.match + 1);
}

/** Members that a stream must be opened to; each is named once. */
export function takeSnapshotsWanted(leading: Leading): MemberId[] {
  const wanted: MemberId[] = [];
  for (const [member, progress] of leading.followers) {
    if (progress.stream !== 'wanted') continue;
    progress.stream = 'underWay';
    wanted.push(member);
  }
  return wanted;
}

/** A stream ended: an image up to `index` is at the member, or it failed. */
export function snapshotSent(core: Core, to: MemberId, index: Index, ok: boolean): void {
  const progress = core.leading?.followers.get(to);
  if (progress === undefined || progress.stream !== 'underWay') return;
  if (progress.state !== 'snapshot' && !progress.needsImage) progress.stream = 'none';
  else progress.streamEnded(ok ? index : 0, ok ? core.electionTicks : core.heartbeatTicks + 1);
}

/** Commits the highest own-term index that a quorum has on disk (R7, R8). */
export function commitByCounting(core: Core, leading: Leading): void {
  const index = quorumIndex(core.configuration, (voter) =>
    voter === core.id ? core.log.persisted : (leading.followers.get(voter)?.match ?? 0),
  );
  if (index > core.commit && core.log.term(index) === core.term) core.commitTo(index);
}

function heardFrom(progress: Progress, needsImage: boolean): void {
  progress.silentTicks = 0;
  progress.needsImage = needsImage;
  if (needsImage) progress.wantImage();
  else if (progress.state !== 'snapshot' && progress.stream === 'wanted') progress.stream = 'none';
}

function feed(core: Core, leading: Leading, member: MemberId, progress: Progress): void {
  const { log } = core;
  while (progress.state !== 'snapshot') {
    if (progress.next <= log.base.index) {
      progress.becomeSnapshot();
      return;
    }
    const more = progress.next <= log.lastIndex;
    if (progress.state === 'probe' ? progress.paused : !more || progress.full) return;
    const entries = more ? log.slice(progress.next, log.lastIndex, core.appendBytesMax) : [];
    sendAppend(core, leading, member, progress, entries);
    let bytes = 0;
    for (const entry of entries) bytes += entry.payload.length;
    progress.sent(entries.at(-1)?.index ?? progress.next - 1, bytes);
  }
}

function sendAppend(core: Core, leading: Leading, to: MemberId, progress: Progress, entries: readonly Entry[]): void {
  const prevIndex = progress.next - 1;
  const prevTerm = core.log.term(prevIndex);
  assert(prevTerm !== undefined, 'R9: an append behind an entry we do not hold');
  const { id: from, term, commit } = core;
  const round = leading.newestRound;
  core.send({ type: 'append', from, to, term, prevIndex, prevTerm, entries, commit, round });
  progress.sentCommit = Math.max(progress.sentCommit, Math.min(commit, prevIndex + entries.length));
}

function sendHeartbeat(core: Core, leading: Leading, to: MemberId, progress: Progress): void {
  const commit = Math.min(core.commit, progress.match);
  core.send({ type: 'heartbeat', from: core.id, to, term: core.term, commit, round: leading.newestRound });
  progress.sentCommit = Math.max(progress.sentCommit, commit);
}
