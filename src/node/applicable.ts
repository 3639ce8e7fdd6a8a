/**
 * The gate for entries that a leader sends: Raft knows no commands and the state machine no Raft, so it stands between them. What
 * comes through can be applied; the rest of an append's soundness is Raft's own gate (`raft/validate.ts`). To know, it reads every
 * command; what it read is kept until the entry is applied, for the same payload and no other. Invariants: D1, D4.
 */
import { decodedBytesMax } from '../base/limits.ts';
import { readCommands } from '../state/codec.ts';
import type { OriginatedCommand } from '../state/command.ts';
import type { Entry, Index } from '../store/entry.ts';

interface Decoded {
  readonly payload: Uint8Array;
  readonly commands: readonly OriginatedCommand[];
}

export class Applicable {
  #decoded = new Map<Index, Decoded>();
  #bytes = 0;

  /** Whether all could be applied if they were committed. An append with one that could not is passed over, as if lost. */
  all(entries: readonly Entry[]): boolean {
    return entries.every((entry) => entry.kind !== 'commands' || this.#read(entry));
  }

  /** The commands of an entry that came through here; undefined if they must be read again. Once. */
  take({ index, payload }: Entry): readonly OriginatedCommand[] | undefined {
    const decoded = this.#decoded.get(index);
    if (decoded === undefined) return undefined;
    this.#forget(index, decoded);
    return decoded.payload === payload ? decoded.commands : undefined;
  }

  #read({ index, payload }: Entry): boolean {
    const commands = readCommands(payload);
    if (typeof commands === 'string') return false;
    const before = this.#decoded.get(index);
    if (before !== undefined) this.#forget(index, before);
    if (this.#bytes + payload.length > decodedBytesMax) {
      this.#decoded = new Map();
      this.#bytes = 0;
    }
    this.#decoded.set(index, { payload, commands });
    this.#bytes += payload.length;
    return true;
  }

  #forget(index: Index, { payload }: Decoded): void {
    this.#decoded.delete(index);
    this.#bytes -= payload.length;
  }
}
