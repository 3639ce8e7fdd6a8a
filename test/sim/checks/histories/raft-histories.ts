/** Histories of Raft, rightly and wrongly played: R1 to R10, R12, R14. */
import type { Message } from '../../../../src/raft/message.ts';
import { type Actor, Cast, entry } from './cast.ts';
import type { Row } from './story.ts';

function bad(name: string, expected: string, tell: (cast: Cast) => void): Row {
  return { name, expected, tell: () => tell(new Cast()) };
}

function legal(name: string, tell: (cast: Cast) => void): Row {
  return bad(name, 'legal', tell);
}

const campaign = { lastIndex: 1, lastTerm: 1, transfer: false };

function preVoteYes(from: Actor, to: Actor, term: number): Message {
  return { type: 'preVoteReply', from: from.id, to: to.id, term, granted: true };
}

function accept(from: Actor, to: Actor, match: number): Message {
  const rest = { accepted: true, hintIndex: 0, hintTerm: 0, needsSnapshot: false, round: 0 };
  return { type: 'appendReply', from: from.id, to: to.id, term: from.term, match, ...rest };
}

/** The third member votes for `to`, and its disk says so. */
function votes({ three, messages }: Cast, to: Actor, term: number): void {
  three.enters(term, to.id);
  messages.sent({ type: 'voteReply', from: three.id, to: to.id, term, granted: true }, three);
}

export const badRaftHistories: readonly Row[] = [
  bad('two leaders in a term', 'R1', (cast) => {
    cast.elect(cast.one, 2);
    cast.elect(cast.two, 2);
  }),
  bad('two votes of one member in a term', 'R1', (cast) => {
    votes(cast, cast.one, 2);
    votes(cast, cast.two, 2);
  }),
  bad('a member starts without the vote that its disk holds', 'R1', (cast) => {
    cast.three.enters(2, cast.one.id);
    cast.three.vote = 0n;
    cast.raft.booted(cast.three);
  }),
  bad('a leader cuts its log', 'R2', (cast) => {
    cast.elect(cast.one, 2);
    cast.append(cast.one, 2, 'x');
    cast.turn(cast.one);
    cast.one.log.pop();
    cast.turn(cast.one);
  }),
  bad('two entries of one index and term', 'R3', (cast) => {
    cast.raft.written([entry(2, 2, 'x')], cast.one);
    cast.raft.written([entry(2, 2, 'y')], cast.two);
  }),
  bad('one entry behind two histories', 'R3', (cast) => {
    cast.one.log.push(1);
    cast.two.log.push(2);
    cast.raft.written([entry(3, 3, 'x')], cast.one);
    cast.raft.written([entry(3, 3, 'x')], cast.two);
  }),
  bad('split brain: a new leader lacks what was committed', 'R4', (cast) => {
    cast.elect(cast.one, 2);
    cast.follow(cast.two, cast.one);
    cast.commits(cast.one, 2);
    cast.elect(cast.three, 3);
  }),
  bad('two entries are applied at one index', 'R5', (cast) => {
    cast.elect(cast.one, 2);
    cast.follow(cast.two, cast.one);
    cast.commits(cast.one, 2);
    cast.raft.applied(entry(2, 1, 'other'));
  }),
  bad('acknowledged before it is durable', 'R6', (cast) => {
    cast.elect(cast.one, 2);
    cast.follow(cast.two, cast.one);
    cast.two.disk.pop();
    cast.messages.sent(accept(cast.two, cast.one, 2), cast.two);
  }),
  bad('a tail that a snapshot took from the disk counts as synced', 'R6', (cast) => {
    cast.two.log = [0, 1, 1, 1];
    cast.two.persistedIndex = 3;
    cast.turn(cast.two);
  }),
  bad('a vouch for a tail of another history', 'R9', (cast) => {
    cast.two.log = [0, 1, 1, 1];
    cast.two.disk = [...cast.two.log];
    cast.elect(cast.one, 2);
    cast.two.enters(2);
    cast.messages.sent(accept(cast.two, cast.one, 3), cast.two);
  }),
  bad('a vote before it is durable', 'R6', (cast) => {
    cast.two.term = 2;
    cast.messages.sent({ type: 'voteReply', from: 2n, to: 1n, term: 2, granted: true }, cast.two);
  }),
  bad('a commit without a quorum of disks', 'R7', (cast) => {
    cast.elect(cast.one, 2);
    cast.commits(cast.one, 2);
  }),
  bad('applied before any leader committed it', 'R7', (cast) => cast.raft.applied(entry(2, 2, 'x'))),
  bad('Figure 8: an old term is committed by counting', 'R8', (cast) => {
    cast.elect(cast.one, 2);
    cast.follow(cast.two, cast.one);
    cast.elect(cast.one, 4);
    cast.commits(cast.one, 2);
  }),
  bad('a late answer lowers a match', 'R9', (cast) => {
    cast.elect(cast.one, 2);
    cast.one.followers = [{ member: 2n, match: 2, next: 3 }];
    cast.turn(cast.one);
    cast.one.followers = [{ member: 2n, match: 1, next: 3 }];
    cast.turn(cast.one);
  }),
  bad('a repeated append cuts a log that it matches', 'R9', (cast) => {
    cast.two.log = [0, 1, 1, 1];
    cast.two.disk = [...cast.two.log];
    cast.turn(cast.two);
    const again = { prevIndex: 1, prevTerm: 1, entries: [entry(2, 1)], commit: 1, round: 0 };
    cast.messages.stepping({ type: 'append', from: 1n, to: 2n, term: 1, ...again }, cast.two, cast.nowMs);
    cast.two.log.pop();
    cast.turn(cast.two);
  }),
  bad('an isolated member campaigns without leave', 'R10', (cast) => {
    cast.three.enters(9, 3n);
    cast.three.role = 'candidate';
    cast.messages.sent({ type: 'vote', from: 3n, to: 1n, term: 9, ...campaign }, cast.three);
  }),
  bad('who hears a leader gives leave', 'R10', (cast) => {
    cast.elect(cast.one, 2);
    cast.follow(cast.two, cast.one);
    cast.messages.stepping({ type: 'heartbeat', from: 1n, to: 2n, term: 2, commit: 1, round: 0 }, cast.two, cast.nowMs);
    cast.turn(cast.two);
    cast.messages.stepping({ type: 'preVote', from: 3n, to: 2n, term: 3, ...campaign }, cast.two, cast.nowMs);
    cast.messages.sent(preVoteYes(cast.two, cast.three, 3), cast.two);
  }),
  bad('who hears the leader again after the connection broke gives leave', 'R10', (cast) => {
    cast.elect(cast.one, 2);
    cast.follow(cast.two, cast.one);
    cast.messages.linkLost(1n, 2n);
    cast.messages.stepping({ type: 'heartbeat', from: 1n, to: 2n, term: 2, commit: 1, round: 0 }, cast.two, cast.nowMs);
    cast.messages.stepping({ type: 'preVote', from: 3n, to: 2n, term: 3, ...campaign }, cast.two, cast.nowMs);
    cast.messages.sent(preVoteYes(cast.two, cast.three, 3), cast.two);
  }),
  bad('a read is answered by an echo from before it was asked', 'R12', (cast) => {
    cast.elect(cast.one, 2);
    cast.messages.sent({ type: 'heartbeat', from: 1n, to: 2n, term: 2, commit: 1, round: 5 }, cast.one);
    cast.messages.stepping(
      { type: 'roundRequest', from: 3n, to: 1n, term: 2, boot: 4, context: 77 },
      cast.one,
      cast.nowMs,
    );
    const echo = { type: 'heartbeatReply', from: 2n, to: 1n, term: 2, round: 5, needsSnapshot: false } as const;
    cast.messages.stepping(echo, cast.one, cast.nowMs);
    cast.messages.sent({ type: 'roundReply', from: 1n, to: 3n, term: 2, boot: 4, context: 77, index: 2 }, cast.one);
  }),
  bad('something is taken in while leadership is handed over', 'R14', (cast) => {
    cast.elect(cast.one, 2);
    cast.one.transferTarget = 2n;
    cast.messages.sent({ type: 'timeoutNow', from: 1n, to: 2n, term: 2 }, cast.one);
    cast.turn(cast.one);
    cast.append(cast.one, 2, 'x');
    cast.turn(cast.one);
  }),
];

export const legalRaftHistories: readonly Row[] = [
  legal('a vote said twice, and another in the next term', (cast) => {
    votes(cast, cast.one, 2);
    votes(cast, cast.one, 2);
    votes(cast, cast.two, 3);
  }),
  legal('a vouch for less than its own tail, which is of another history', (cast) => {
    cast.two.log = [0, 1, 1, 1];
    cast.two.disk = [...cast.two.log];
    cast.elect(cast.one, 2);
    cast.two.enters(2);
    cast.messages.sent(accept(cast.two, cast.one, 1), cast.two);
  }),
  legal('an entry of an old term is committed together with one of the new term', (cast) => {
    cast.elect(cast.one, 2);
    cast.follow(cast.two, cast.one);
    cast.elect(cast.one, 4);
    cast.follow(cast.two, cast.one);
    cast.commits(cast.one, 3);
    cast.commits(cast.two, 3);
    cast.raft.applied(entry(2, 2));
  }),
  legal('a deposed leader loses a tail that nobody else had', (cast) => {
    cast.elect(cast.one, 2);
    cast.append(cast.one, 2, 'x');
    cast.append(cast.one, 2, 'y');
    cast.turn(cast.one);
    cast.elect(cast.two, 3);
    cast.follow(cast.three, cast.two);
    cast.commits(cast.two, 2);
    cast.one.role = 'follower';
    const over = { prevIndex: 1, prevTerm: 1, entries: [entry(2, 3)], commit: 2, round: 0 };
    cast.messages.stepping({ type: 'append', from: 2n, to: 1n, term: 3, ...over }, cast.one, cast.nowMs);
    cast.follow(cast.one, cast.two);
    cast.commits(cast.one, 2);
  }),
  legal('a leader commits on two other disks while its own is slow', (cast) => {
    cast.elect(cast.one, 2);
    cast.follow(cast.two, cast.one);
    cast.follow(cast.three, cast.one);
    cast.one.disk.pop();
    cast.commits(cast.one, 2);
  }),
  legal('a campaign with the leave of a quorum, and one that the leader asked for', (cast) => {
    cast.messages.stepping(preVoteYes(cast.two, cast.one, 2), cast.one, cast.nowMs);
    cast.one.enters(2, 1n);
    cast.messages.sent({ type: 'vote', from: 1n, to: 2n, term: 2, ...campaign }, cast.one);
    cast.elect(cast.one, 2);
    cast.follow(cast.two, cast.one);
    cast.messages.stepping({ type: 'timeoutNow', from: 1n, to: 2n, term: 2 }, cast.two, cast.nowMs);
    cast.two.enters(3, 2n);
    cast.messages.sent({ type: 'vote', from: 2n, to: 3n, term: 3, ...campaign, transfer: true }, cast.two);
  }),
  legal('leave is given once the leader is not heard any more', (cast) => {
    cast.elect(cast.one, 2);
    cast.follow(cast.two, cast.one);
    cast.messages.stepping({ type: 'heartbeat', from: 1n, to: 2n, term: 2, commit: 1, round: 0 }, cast.two, cast.nowMs);
    cast.nowMs += 1_000;
    cast.turn(cast.two);
    cast.messages.stepping({ type: 'preVote', from: 3n, to: 2n, term: 3, ...campaign }, cast.two, cast.nowMs);
    cast.messages.sent(preVoteYes(cast.two, cast.three, 3), cast.two);
  }),
  legal(
    'within one turn the connection to the leader breaks, leave is given, and what the leader said before comes',
    (cast) => {
      cast.elect(cast.one, 2);
      cast.follow(cast.two, cast.one);
      const heartbeat: Message = { type: 'heartbeat', from: 1n, to: 2n, term: 2, commit: 1, round: 0 };
      cast.messages.stepping(heartbeat, cast.two, cast.nowMs);
      cast.turn(cast.two);
      cast.messages.linkLost(1n, 2n);
      cast.messages.stepping({ type: 'preVote', from: 3n, to: 2n, term: 3, ...campaign }, cast.two, cast.nowMs);
      cast.messages.stepping(heartbeat, cast.two, cast.nowMs);
      cast.messages.sent(preVoteYes(cast.two, cast.three, 3), cast.two);
    },
  ),
  legal(
    'a read is answered by a round that began after it, and a hand-over that failed takes entries again',
    (cast) => {
      cast.elect(cast.one, 2);
      cast.messages.stepping(
        { type: 'roundRequest', from: 3n, to: 1n, term: 2, boot: 4, context: 77 },
        cast.one,
        cast.nowMs,
      );
      cast.messages.sent({ type: 'heartbeat', from: 1n, to: 2n, term: 2, commit: 1, round: 1 }, cast.one);
      const echo = { type: 'heartbeatReply', from: 2n, to: 1n, term: 2, round: 1, needsSnapshot: false } as const;
      cast.messages.stepping(echo, cast.one, cast.nowMs);
      cast.messages.sent({ type: 'roundReply', from: 1n, to: 3n, term: 2, boot: 4, context: 77, index: 2 }, cast.one);
      cast.one.transferTarget = 2n;
      cast.messages.sent({ type: 'timeoutNow', from: 1n, to: 2n, term: 2 }, cast.one);
      cast.turn(cast.one);
      cast.one.transferTarget = 0n;
      cast.append(cast.one, 2, 'x');
      cast.turn(cast.one);
    },
  ),
];
