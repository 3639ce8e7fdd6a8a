/**
 * Members that only exist in a story: a Raft core and a disk that say what the story wants, so that rules can be broken that the
 * real core would never break.
 */
import type { Raft } from '../../../../src/raft/raft.ts';
import type { Entry, HardState, Index, MemberId, Term } from '../../../../src/store/entry.ts';
import { MessageChecks } from '../message-checks.ts';
import { RaftChecks, type RaftWatched } from '../raft-checks.ts';

const voters = [1n, 2n, 3n];

export function entry(index: Index, term: Term, text = ''): Entry {
  return { index, term, kind: text === '' ? 'empty' : 'commands', payload: Buffer.from(text) };
}

/** Entry 1, which every log begins with. */
const first = entry(1, 1, 'members');

/** A member with a log in memory and one on disk; both are terms by index. */
export class Actor implements RaftWatched {
  readonly id: MemberId;
  role = 'follower';
  term: Term = 1;
  vote: MemberId = 0n;
  leader: MemberId = 0n;
  commit: Index = 1;
  handedOut: Index = 1;
  log: Term[] = [0, 1];
  disk: Term[] = [0, 1];
  /** What it takes for synced. */
  persistedIndex: Index = 1;
  hardState: HardState = { term: 1, vote: 0n, commit: 1 };
  transferTarget: MemberId = 0n;
  ownTermCommitted = true;
  followers: { readonly member: MemberId; readonly match: Index; readonly next: Index }[] = [];
  readonly raft: Raft;
  readonly durable: RaftWatched['durable'];

  constructor(id: MemberId) {
    this.id = id;
    const base = { index: 0, term: 0 };
    this.durable = {
      base,
      term: (index) => this.disk[index],
      get hardState() {
        return actor.hardState;
      },
      get lastIndex() {
        return actor.disk.length - 1;
      },
    };
    const actor = this;
    this.raft = {
      id,
      base,
      configuration: { voters, learners: [] },
      get role() {
        return actor.role;
      },
      get term() {
        return actor.term;
      },
      get leader() {
        return actor.leader;
      },
      get commit() {
        return actor.commit;
      },
      get handedOut() {
        return actor.handedOut;
      },
      get lastIndex() {
        return actor.log.length - 1;
      },
      get persistedIndex() {
        return actor.persistedIndex;
      },
      get transferTarget() {
        return actor.transferTarget;
      },
      get ownTermCommitted() {
        return actor.ownTermCommitted;
      },
      termAt: (index: Index) => actor.log[index],
      describe: () => ({ vote: actor.vote, followers: actor.followers }),
    } as unknown as Raft;
  }

  /** Enters a term, on disk too. */
  enters(term: Term, vote: MemberId = 0n): void {
    this.term = term;
    this.vote = vote;
    this.hardState = { term, vote, commit: this.commit };
  }
}

/** Three members of which nobody leads yet. */
export class Cast {
  readonly raft = new RaftChecks(first);
  readonly messages = new MessageChecks(this.raft, 1_000);
  readonly members = voters.map((id) => new Actor(id));
  nowMs = 0;

  constructor() {
    for (const member of this.members) {
      this.raft.booted(member);
      this.messages.booted(member);
      this.turn(member);
    }
  }

  get one(): Actor {
    return this.members[0] as Actor;
  }

  get two(): Actor {
    return this.members[1] as Actor;
  }

  get three(): Actor {
    return this.members[2] as Actor;
  }

  /** A turn of a member ends. */
  turn(member: Actor): void {
    this.nowMs += 10;
    this.raft.after(member, this.members);
    this.messages.after(member, this.nowMs);
  }

  /** It is elected and opens its term with an empty entry, in memory and on its disk. */
  elect(member: Actor, term: Term): void {
    member.enters(term, member.id);
    member.role = 'leader';
    member.leader = member.id;
    this.append(member, term);
    this.turn(member);
  }

  /** An entry of `term` goes into the log and to the disk. */
  append(member: Actor, term: Term, text = ''): void {
    this.raft.written([entry(member.log.push(term) - 1, term, text)], member);
    member.disk = [...member.log];
  }

  /** The follower's log becomes the leader's, on disk too, and it is in the leader's term. */
  follow(member: Actor, leader: Actor): void {
    member.enters(leader.term, leader.id);
    member.leader = leader.id;
    member.role = 'follower';
    member.log = [...leader.log];
    member.disk = [...leader.disk];
    this.turn(member);
  }

  commits(member: Actor, commit: Index): void {
    member.commit = commit;
    member.handedOut = commit;
    this.turn(member);
  }
}
