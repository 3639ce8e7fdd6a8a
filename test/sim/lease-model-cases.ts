/**
 * The shortest counterexamples of the model check (house.md §5, evidence/lease-model §4), as scripts: each takes one rule away from
 * the protocol and shows the promise break. With the rules in place each script runs into one of them, and no check fails.
 */
import { LeaseModel, leaseId, ttlMs } from './lease-model.ts';
import type { ModelMember } from './lease-model-member.ts';

export interface ModelCase {
  /** Its number in the list. */
  readonly number: number;
  readonly name: string;
  /** Default: `ttlMs`. */
  readonly grantedMs?: number;
  /** Throws a `Violation` if the promise breaks. */
  readonly script: (model: LeaseModel, members: Pick<LeaseModel, 'a' | 'b' | 'c'>) => void;
}

/** Long enough for a checkpoint to be due before the deadline. */
const checkpointedTtlMs = 20_000;

/** Lets the leader record what is left of the lease: applied by `leader` and on the follower's disk. */
function checkpointed(model: LeaseModel, upTo: 'proposed' | 'applied'): void {
  const { a, b } = model;
  model.pass(12_000);
  model.decide(a);
  if (upTo === 'proposed') return;
  commit(model, a, b);
}

/** What the leader has goes to `voter`, and is committed and applied by the leader. */
function commit(model: LeaseModel, leader: ModelMember, voter: ModelMember): void {
  model.replicate(leader, voter);
  model.apply(leader);
}

/** B takes over with C's vote, with all of its log committed and applied. */
function takeOver(model: LeaseModel, candidate = model.b, voter = model.c): void {
  model.elect(candidate, voter);
  commit(model, candidate, voter);
}

/** The member ends what is due and gets it onto a quorum. */
function expire(model: LeaseModel, leader = model.b, voter = model.c): void {
  model.decide(leader);
  model.replicate(leader, voter);
}

/** A keep-alive that arrives, gets its round, and is answered if it may be. */
function renew(model: LeaseModel, leader: ModelMember, voter: ModelMember): void {
  model.ask(leader);
  model.deliver(leader, model.round(leader, voter));
  model.answer(leader);
}

/** Runs a case. Throws a `Violation` if the promise breaks. */
export function runModelCase({ grantedMs = ttlMs, script }: ModelCase): void {
  const model = new LeaseModel(grantedMs);
  script(model, model);
}

export const modelCases: readonly ModelCase[] = [
  {
    number: 1,
    name: 'an answer without a round',
    script: (model) => {
      takeOver(model);
      model.passDeadline();
      model.ask(model.a);
      expire(model);
      model.answer(model.a);
    },
  },
  {
    number: 2,
    name: 'a round begun before the question arrived',
    script: (model, { a, b }) => {
      model.ask(a);
      const round = model.round(a, b);
      model.passDeadline();
      takeOver(model);
      model.passDeadline();
      model.ask(a);
      expire(model);
      model.deliver(a, round);
      model.answer(a);
    },
  },
  {
    number: 3,
    name: 'no entry of the own term applied',
    script: (model, { a, b, c }) => {
      model.passDeadline();
      model.elect(b, c);
      model.decide(a);
      model.ask(b);
      const round = model.round(b, a);
      model.elect(a, c);
      model.replicate(a, c);
      model.deliver(b, round);
      model.answer(b);
    },
  },
  {
    number: 4,
    name: 'a checkpoint in flight is passed over',
    grantedMs: checkpointedTtlMs,
    script: (model, { a, b, c }) => {
      checkpointed(model, 'proposed');
      renew(model, a, b);
      model.replicate(a, b, false);
      takeOver(model, b, c);
      model.pass(8_100);
      expire(model);
    },
  },
  {
    number: 5,
    name: 'a clear is not checked',
    grantedMs: checkpointedTtlMs,
    script: (model, { a, b, c }) => {
      checkpointed(model, 'applied');
      renew(model, a, b);
      model.decide(a);
      takeOver(model, b, c);
      model.pass(8_100);
      expire(model);
      model.answer(a);
    },
  },
  {
    number: 6,
    name: 'what stands in the way is not read again after the clear',
    grantedMs: checkpointedTtlMs,
    script: (model, { a, b }) => {
      checkpointed(model, 'applied');
      model.pass(7_900);
      renew(model, a, b);
      model.decide(a);
      commit(model, a, b);
      model.pass(200);
      model.decide(a);
      model.answer(a);
      model.replicate(a, b);
    },
  },
  {
    number: 7,
    name: 'an expire in flight is passed over',
    script: (model, { a, b }) => {
      model.passDeadline();
      model.decide(a);
      model.ask(a);
      model.replicate(a, b, false);
      model.deliver(a, model.round(a, b));
      model.answer(a);
    },
  },
  {
    number: 8,
    name: 'decided, and not yet in the log',
    script: (model, { a, b }) => {
      model.passDeadline();
      a.raft.busy = true;
      model.decide(a);
      renew(model, a, b);
      a.raft.busy = false;
      model.decide(a);
      model.decide(a);
      model.replicate(a, b);
    },
  },
  {
    number: 9,
    name: 'forwarded, with no look at the term',
    script: (model, { a, b, c }) => {
      model.passDeadline();
      model.decide(a);
      takeOver(model, b, c);
      renew(model, b, c);
      a.raft.leader = b.id;
      model.replicate(b, a);
      model.decide(a);
      model.carry(a, b);
      model.decide(b);
      model.replicate(b, c);
    },
  },
  {
    number: 10,
    name: 'leadership lost and won again, and the old question goes on',
    script: (model, { a, b, c }) => {
      model.passDeadline();
      model.decide(a);
      model.ask(a);
      const round = model.round(a, b);
      model.elect(c, b);
      model.elect(a, b);
      model.replicate(a, b);
      model.deliver(a, round);
      model.answer(a);
    },
  },
  {
    number: 11,
    name: 'checked, then a pause, then renewed',
    script: (model, { a, b }) => {
      model.passDeadline();
      model.ask(a);
      model.deliver(a, model.round(a, b));
      model.decide(a);
      model.replicate(a, b);
      model.answer(a);
    },
  },
  {
    number: 12,
    name: 'a deadline that is set, not raised',
    script: (model, { a, b }) => {
      model.pass(1_000);
      model.ask(a);
      model.pass(ttlMs - 500);
      renew(model, a, b);
      model.pass(600);
      expire(model, a, b);
    },
  },
  {
    number: 13,
    name: 'a promotion dated from the campaign',
    script: (model, { a, b, c }) => {
      Object.assign(b.raft, { role: 'preCandidate', leader: 0n });
      b.duty.follow(b.clock.nowMs);
      model.passDeadline();
      model.ask(a);
      const round = model.round(a, c);
      takeOver(model, b, c);
      expire(model);
      model.deliver(a, round);
      model.answer(a);
    },
  },
  {
    number: 14,
    name: 'on duty from the election, before the own entry is applied',
    grantedMs: checkpointedTtlMs,
    script: (model, { a, b, c }) => {
      checkpointed(model, 'applied');
      model.replicate(a, b);
      model.apply(b);
      renew(model, a, b);
      model.decide(a);
      commit(model, a, b);
      model.answer(a);
      model.elect(b, c);
      b.duty.promoteSlice();
      model.replicate(b, c);
      model.apply(b);
      model.pass(8_100);
      expire(model);
    },
  },
  {
    number: 15,
    name: 'deadlines kept over a demotion',
    script: (model, { a, b, c }) => {
      model.passDeadline();
      takeOver(model, b, c);
      renew(model, b, c);
      model.replicate(b, a);
      takeOver(model, a, c);
      expire(model, a, c);
    },
  },
  {
    number: 15.5,
    name: 'what was decided before a demotion is proposed after the next promotion',
    script: (model, { a, b, c }) => {
      model.passDeadline();
      model.decide(a);
      takeOver(model, b, c);
      renew(model, b, c);
      model.replicate(b, a);
      takeOver(model, a, c);
      expire(model, a, c);
    },
  },
  {
    number: 16,
    name: 'an expire without a stamp ends a lease granted anew',
    script: (model, { a, b }) => {
      model.passDeadline();
      model.propose(a, { type: 'revoke', id: leaseId });
      model.propose(a, { type: 'grant', id: leaseId, ttlMs });
      model.decide(a);
      model.replicate(a, b);
    },
  },
  {
    number: 16.5,
    name: 'a checkpoint without a stamp marks a lease granted anew',
    grantedMs: checkpointedTtlMs,
    script: (model, { a, b }) => {
      model.pass(12_000);
      model.propose(a, { type: 'revoke', id: leaseId });
      model.propose(a, { type: 'grant', id: leaseId, ttlMs: checkpointedTtlMs });
      model.decide(a);
      model.replicate(a, b);
    },
  },
  {
    number: 17,
    name: "a client's revoke in flight is passed over",
    script: (model, { a, b }) => {
      model.propose(a, { type: 'revoke', id: leaseId });
      model.replicate(a, b, false);
      model.pass(1);
      renew(model, a, b);
    },
  },
  {
    number: 18,
    name: 'gone, said by a leader that has not applied the grant',
    script: (model, { a, b }) => {
      model.propose(a, { type: 'grant', id: 8n, ttlMs });
      model.replicate(a, b);
      model.apply(b);
      model.ask(a, 8n);
      model.deliver(a, model.round(a, b));
      model.answer(a);
    },
  },
];
