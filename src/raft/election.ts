/**
 * Elections: pre-vote always, one vote a term, log up to date or no vote (Raft thesis §3.4, §3.6.1, §9.6). A follower that
 * hears from a leader refuses to take part (§4.2.3), unless that leader itself asked for the campaign. A candidate counts
 * its own vote only when that is on disk, and asks for others only then. A lost connection to the leader is asked about at once
 * (docs/decisions/0025). Invariants: R1, R4, R6, R10, V1, V11.
 */
import type { MemberId, Term } from '../store/entry.ts';
import { NO_MEMBER } from '../store/entry.ts';
import type { Core } from './core.ts';
import { becomeLeader } from './leader.ts';
import type { PreVote, PreVoteReply, TimeoutNow, Vote, VoteReply } from './message.ts';
import { tally } from './quorum.ts';

/** One tick of a member that does not lead. */
export function tickElection(core: Core): void {
  core.electionElapsed++;
  if (core.hurryTicks > 0) core.hurryTicks--;
  if (core.electionElapsed < core.timeoutTicks || !core.promotable) return;
  beginPreVote(core);
}

/**
 * The connection to the leader broke: it is dead, or only the connection is. Forgets it and asks for leave to campaign in this very
 * step; whoever still hears the leader keeps silent, and we ask again soon, for an election timeout. Another loss within that time
 * has us ask no sooner than the next tick, so that a connection that comes and goes costs others a question a tick at most.
 */
export function leaderLinkLost(core: Core): void {
  core.setLeader(NO_MEMBER);
  if (core.hurryTicks > 0 || !core.promotable) {
    campaignSoon(core);
    return;
  }
  core.hurryTicks = core.electionTicks;
  beginPreVote(core);
}

/** Does a leader live, as far as we know? Then nobody gets a vote of us in a newer term. */
export function hearsLeader(core: Core): boolean {
  return core.leader !== NO_MEMBER && (core.role === 'leader' || core.electionElapsed < core.electionTicks);
}

export function onPreVote(core: Core, message: PreVote): void {
  if (message.term > core.term && hearsLeader(core)) return;
  const granted = message.term > core.term && core.log.isUpToDate(message.lastIndex, message.lastTerm);
  if (granted && outranks(core, message)) makeWay(core);
  const term = granted ? message.term : core.term;
  core.send({ type: 'preVoteReply', from: core.id, to: message.from, term, granted });
}

export function onPreVoteReply(core: Core, message: PreVoteReply): void {
  const { campaign } = core;
  if (core.role !== 'preCandidate' || campaign === undefined) return;
  if (message.granted && message.term !== core.term + 1) return;
  if (!campaign.votes.has(message.from)) campaign.votes.set(message.from, message.granted);
  countBallot(core);
}

/** A vote is asked for in our term; `step` has taken us there. */
export function onVote(core: Core, message: Vote): void {
  const free = core.vote === NO_MEMBER && core.leader === NO_MEMBER;
  const granted = (core.vote === message.from || free) && core.log.isUpToDate(message.lastIndex, message.lastTerm);
  if (granted) {
    if (core.vote === NO_MEMBER) core.enterTerm(core.term, message.from);
    core.resetElectionTimer();
  }
  core.send({ type: 'voteReply', from: core.id, to: message.from, term: core.term, granted });
}

export function onVoteReply(core: Core, message: VoteReply): void {
  const { campaign } = core;
  if (core.role !== 'candidate' || campaign === undefined) return;
  // We ask for votes only when our own is on disk. A no may be somebody's word on a vote of an older term, with the term of now.
  if (!core.hardStateDurable) {
    if (message.granted) core.refuse('a vote that was not asked for');
    return;
  }
  const told = campaign.votes.has(message.from);
  if (!told) campaign.votes.set(message.from, message.granted);
  countBallot(core);
  // Two campaign in one term, and neither may win it: a whole election timeout would be long for that.
  if (!told && !message.granted && core.campaign === campaign) campaignSoon(core);
}

/** The leader hands over to us (Raft thesis §3.10): no pre-vote, and the others may vote although they hear it. */
export function onTimeoutNow(core: Core, message: TimeoutNow): void {
  if (core.role === 'follower' && core.leader === message.from && core.promotable) becomeCandidate(core, true);
}

/** A write is on disk. If it held the vote for ourselves, that vote counts now. */
export function ownVoteDurable(core: Core): void {
  if (core.role !== 'candidate' || core.campaign === undefined || !core.hardStateDurable) return;
  if (core.campaign.votes.has(core.id)) return;
  core.campaign.votes.set(core.id, true);
  countBallot(core);
}

function beginPreVote(core: Core): void {
  core.setLeader(NO_MEMBER);
  core.role = 'preCandidate';
  core.campaign = { votes: new Map([[core.id, true]]), transfer: false };
  if (core.hurryTicks > 0) campaignSoon(core);
  else core.resetElectionTimer();
  const { lastIndex, lastTerm } = core.log;
  const term: Term = core.term + 1;
  askVoters(core, (to) => core.send({ type: 'preVote', from: core.id, to, term, lastIndex, lastTerm }));
  countBallot(core);
}

/** Who has lost a leader or a ballot asks (again) within a third of an election timeout, at random so that not all do at once. */
function campaignSoon(core: Core): void {
  core.electionElapsed = 0;
  core.timeoutTicks = 1 + Math.floor((core.random() * core.electionTicks) / 3);
}

/**
 * All that lost the leader ask at the same moment, would all get leave, and each would keep its vote for itself. So of two that ask,
 * one gives up: the one with the older log, with equal logs the one with the lower id.
 */
function outranks(core: Core, { from, lastIndex, lastTerm }: PreVote): boolean {
  if (core.role !== 'preCandidate') return false;
  return lastTerm !== core.log.lastTerm || lastIndex !== core.log.lastIndex || from > core.id;
}

/** Gives up asking, for a whole tick at least: whoever outranks us may not come through either. */
function makeWay(core: Core): void {
  core.becomeFollower(core.term, NO_MEMBER);
  campaignSoon(core);
  core.timeoutTicks++;
}

function becomeCandidate(core: Core, transfer: boolean): void {
  core.setLeader(NO_MEMBER);
  core.enterTerm(core.term + 1, core.id);
  core.role = 'candidate';
  core.campaign = { votes: new Map(), transfer };
  core.resetElectionTimer();
  const { lastIndex, lastTerm } = core.log;
  const { id: from, term } = core;
  askVoters(core, (to) => core.send({ type: 'vote', from, to, term, lastIndex, lastTerm, transfer }, lastIndex));
}

function countBallot(core: Core): void {
  const { campaign } = core;
  if (campaign === undefined) return;
  switch (tally(core.configuration, campaign.votes)) {
    case 'won':
      if (core.role === 'preCandidate') becomeCandidate(core, false);
      else becomeLeader(core);
      return;
    case 'lost':
      core.becomeFollower(core.term, NO_MEMBER);
      return;
    case 'open':
  }
}

function askVoters(core: Core, ask: (voter: MemberId) => void): void {
  for (const voter of core.configuration.voters) if (voter !== core.id) ask(voter);
}
