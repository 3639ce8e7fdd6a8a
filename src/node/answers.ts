/**
 * Where the primary's answers go: to our own clients' questions, or in one message to the member that asked.
 */
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
    this.send(
      keys.map((key) => ({ key, answer: { type: 'unavailable' as const } })),
      term,
      nowMs,
    );
  }

  /** Sends every answer home, in order, one message a member and boot. */
  send(answers: readonly { readonly key: AskerKey; readonly answer: Unnumbered }[], term: Term, nowMs: number): void {
    const away = new Map<string, { readonly key: AskerKey; readonly answers: LeaseAnswer[] }>();
    for (const { key, answer } of answers) {
      const numbered: LeaseAnswer = { ...answer, seq: key.seq };
      if (key.member === this.#member) {
        if (key.boot === this.#boot) this.#questions.answered(numbered, nowMs);
        continue;
      }
      const name = `${key.member}/${key.boot}`;
      const group = away.get(name);
      if (group === undefined) away.set(name, { key, answers: [numbered] });
      else group.answers.push(numbered);
    }
    for (const group of away.values()) {
      const { member: to, boot } = group.key;
      this.#peers.send(to, { type: 'forwardAnswers', from: this.#member, to, term, boot, answers: group.answers });
    }
  }
}

type Unnumbered =
  | { readonly type: 'alive'; readonly grantedMs: number; readonly remainingMs: number }
  | { readonly type: 'gone' }
  | { readonly type: 'unavailable' };
