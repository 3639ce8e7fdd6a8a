/**
 * Where the primary's answers go: to our own clients' questions, or in one message to the member that asked.
 */
import type { Answered, PrimaryAnswer } from '../primary/primary.ts';
import type { MemberId, Term } from '../store/entry.ts';
import type { AskerKey } from './duty.ts';
import type { LeaseAnswer } from './peer-message.ts';
import type { PeersPort } from './ports.ts';
import type { Questions } from './questions.ts';

export class Answers {
  readonly #member: MemberId;
  readonly #boot: number;
  readonly #questions: Questions;
  readonly #peers: PeersPort;

  constructor(member: MemberId, boot: number, questions: Questions, peers: PeersPort) {
    this.#member = member;
    this.#boot = boot;
    this.#questions = questions;
    this.#peers = peers;
  }

  /** These questions died with our leadership: our own are aimed anew, other members are told to ask again. */
  unavailable(keys: readonly AskerKey[], term: Term, nowMs: number): void {
    if (keys.length === 0) return;
    const away = new Away();
    for (const key of keys) {
      if (key.member !== this.#member) away.add(key, { seq: key.seq, type: 'unavailable' });
      else if (key.boot === this.#boot) this.#questions.unavailable(key.seq, nowMs);
    }
    this.#send(away, term);
  }

  /** Sends every answer home, in order, one message a member and boot. */
  send(answers: readonly Answered<AskerKey>[], term: Term): void {
    if (answers.length === 0) return;
    const away = new Away();
    for (const { key, answer } of answers) {
      if (key.member !== this.#member) away.add(key, numbered(key.seq, answer));
      else if (key.boot === this.#boot) this.#questions.settle(key.seq, answer);
    }
    this.#send(away, term);
  }

  #send(away: Away, term: Term): void {
    for (const { member: to, boot, answers } of away.groups)
      this.#peers.send(to, { type: 'forwardAnswers', from: this.#member, to, term, boot, answers });
  }
}

interface Group {
  readonly member: MemberId;
  readonly boot: number;
  readonly answers: LeaseAnswer[];
}

/** Answers for other members, by member and boot; there are few of these, and answers for one stand side by side. */
class Away {
  readonly groups: Group[] = [];
  #last: Group | undefined;

  add({ member, boot }: AskerKey, answer: LeaseAnswer): void {
    let group = this.#last;
    if (group?.member !== member || group.boot !== boot) {
      group = this.groups.find((each) => each.member === member && each.boot === boot);
      if (group === undefined) {
        group = { member, boot, answers: [] };
        this.groups.push(group);
      }
      this.#last = group;
    }
    group.answers.push(answer);
  }
}

function numbered(seq: number, answer: PrimaryAnswer): LeaseAnswer {
  if (answer.type === 'gone') return { seq, type: 'gone' };
  return { seq, type: 'alive', grantedMs: answer.grantedMs, remainingMs: answer.remainingMs };
}
