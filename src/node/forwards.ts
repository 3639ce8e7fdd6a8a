/**
 * The leader's side of forwarding (house §7): takes batches of commands from followers, each once, and only those aimed at the
 * term it leads. A forward that names another term is passed over in silence: its sender finds out by itself, when it applies
 * the first entry of a newer term. Keeps K3 together with `proposals.ts`.
 *
 * Why a refusal is safe only here: within one term a leader is one boot of one member, so a batch number not seen before in
 * that term was certainly not proposed in it. Anybody else may be looking at the second copy of a batch that was.
 */
import { forwardedCommandsMax } from '../base/limits.ts';
import { decodeCommand } from '../state/codec.ts';
import type { Command } from '../state/command.ts';
import type { MemberId, Term } from '../store/entry.ts';
import type { ForwardCommands, ForwardRefused } from './peer-message.ts';

/** A follower's command that is not yet in our log. */
export interface Forwarded {
  readonly encoded: Uint8Array;
  readonly command: Command;
}

interface Taken {
  readonly boot: number;
  readonly batch: number;
}

export class Forwards {
  readonly #taken = new Map<MemberId, Taken>();
  #queue: Forwarded[] = [];

  /** Commands to propose, in order of arrival. */
  queued(): readonly Forwarded[] {
    return this.#queue;
  }

  /** The first `count` were proposed. */
  proposed(count: number): void {
    this.#queue = count === this.#queue.length ? [] : this.#queue.slice(count);
  }

  /**
   * Takes a batch if we lead its term and have not seen it. Returns what to tell the sender: the commands that will not be
   * proposed (malformed, not its own, or too many wait).
   */
  take(message: ForwardCommands, self: MemberId, leading: Term | undefined): ForwardRefused | undefined {
    if (leading === undefined || message.term !== leading) return undefined;
    const taken = this.#taken.get(message.from);
    const isNew =
      taken === undefined || message.boot > taken.boot || (message.boot === taken.boot && message.batch > taken.batch);
    if (!isNew) return undefined;
    this.#taken.set(message.from, { boot: message.boot, batch: message.batch });
    const refused: number[] = [];
    for (const encoded of message.commands) {
      const decoded = decodeCommand(encoded);
      if (decoded instanceof Error) continue;
      const { origin, command } = decoded;
      const own = origin.member === message.from && origin.boot === message.boot;
      if (!own || isDuty(command)) continue;
      if (this.#queue.length >= forwardedCommandsMax) refused.push(origin.seq);
      else this.#queue.push({ encoded, command });
    }
    if (refused.length === 0) return undefined;
    return {
      type: 'forwardRefused',
      from: self,
      to: message.from,
      term: message.term,
      boot: message.boot,
      seqs: refused,
    };
  }

  /** Leadership is lost: what was not proposed never will be by us. */
  clear(): void {
    this.#queue = [];
  }
}

/** The primary's own decisions are never forwarded (L13). */
function isDuty(command: Command): boolean {
  return command.type === 'expire' || command.type === 'checkpoint' || command.type === 'clear';
}
