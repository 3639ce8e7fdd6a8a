/**
 * The leader's side of forwarding (house §7): takes batches of commands from followers, each once, and only those aimed at the
 * term it leads. A forward that names another term is passed over in silence: its sender finds out by itself, when it applies
 * the first entry of a newer term. Keeps K3 together with `proposals.ts`.
 *
 * Why a refusal is safe only here: within one term a leader is one boot of one member, so a batch number not seen before in
 * that term was certainly not proposed in it. Anybody else may be looking at the second copy of a batch that was.
 */
import { forwardBatchesRememberedMax, forwardedBytesMax, forwardedCommandsMax } from '../base/limits.ts';
import { decodeCommand } from '../state/codec.ts';
import type { Command } from '../state/command.ts';
import type { MemberId, Term } from '../store/entry.ts';
import type { ForwardCommands, ForwardRefused } from './peer-message.ts';

/** A follower's command that is not yet in our log. */
export interface Forwarded {
  readonly encoded: Uint8Array;
  readonly command: Command;
  readonly from: MemberId;
}

/** Which batches of a member's boot were taken: all that matter, up to a window below the highest. */
interface Taken {
  readonly boot: number;
  highest: number;
  readonly batches: Set<number>;
}

export class Forwards {
  readonly #taken = new Map<MemberId, Taken>();
  #queue: Forwarded[] = [];
  #queuedBytes = 0;

  /** Commands to propose, in order of arrival. */
  queued(): readonly Forwarded[] {
    return this.#queue;
  }

  /** The first `count` were proposed. */
  proposed(count: number): void {
    for (let i = 0; i < count; i++) this.#queuedBytes -= (this.#queue[i] as Forwarded).encoded.length;
    this.#queue = count === this.#queue.length ? [] : this.#queue.slice(count);
  }

  /**
   * Takes a batch if we lead its term and have not seen it. Returns what to tell the sender: the commands that will not be
   * proposed, as too many wait, or as we have `noSpace` for them (S5). What is malformed or not its own is passed over.
   */
  take(
    message: ForwardCommands,
    self: MemberId,
    leading: Term | undefined,
    noSpace: (command: Command) => boolean,
  ): ForwardRefused[] {
    if (leading === undefined || message.term !== leading) return [];
    if (!this.#isFirst(message)) return [];
    const refused = { overloaded: [] as number[], noSpace: [] as number[] };
    for (const encoded of message.commands) {
      const decoded = decodeCommand(encoded);
      if (decoded instanceof Error) continue;
      const { origin, command } = decoded;
      const own = origin.member === message.from && origin.boot === message.boot;
      if (!own || isDuty(command)) continue;
      if (noSpace(command)) refused.noSpace.push(origin.seq);
      else if (this.#queue.length >= forwardedCommandsMax || this.#queuedBytes >= forwardedBytesMax)
        refused.overloaded.push(origin.seq);
      else {
        this.#queue.push({ encoded, command, from: message.from });
        this.#queuedBytes += encoded.length;
      }
    }
    const { from: to, term, boot } = message;
    return (['overloaded', 'noSpace'] as const)
      .filter((why) => refused[why].length > 0)
      .map((why) => ({ type: 'forwardRefused', from: self, to, term, boot, why, seqs: refused[why] }));
  }

  /** Notes the batch. False for a second copy, for a batch of an older boot, and for one so late that nobody remembers. */
  #isFirst({ from, boot, batch }: ForwardCommands): boolean {
    let taken = this.#taken.get(from);
    if (taken === undefined || boot > taken.boot) {
      taken = { boot, highest: 0, batches: new Set() };
      this.#taken.set(from, taken);
    }
    if (boot < taken.boot || taken.batches.has(batch) || batch <= taken.highest - forwardBatchesRememberedMax)
      return false;
    taken.batches.add(batch);
    taken.highest = Math.max(taken.highest, batch);
    if (taken.batches.size > 2 * forwardBatchesRememberedMax) {
      for (const old of taken.batches)
        if (old <= taken.highest - forwardBatchesRememberedMax) taken.batches.delete(old);
    }
    return true;
  }

  /** Leadership is lost: what was not proposed never will be by us. */
  clear(): void {
    this.#queue = [];
    this.#queuedBytes = 0;
  }
}

/** The leader's own decisions are never forwarded (L13). */
function isDuty({ type }: Command): boolean {
  return type === 'expire' || type === 'checkpoint' || type === 'clear' || type === 'sweep';
}
